"""Score the cells of an experiment, compare each system with the first, and sum up over seeds."""

import logging
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from synthst.commands import score_translator
from synthst.experiments.cells import Cell, Place
from synthst.experiments.plan import Run
from synthst.experiments.runner import Failure
from synthst.report.rows import TEACHER, ResultRow, read_row
from synthst.score import compare_systems

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CellScore:
    """What is known of one cell; ``result`` is None when it has not been decoded.

    ``delta`` is in BLEU, to the first system of the same row, column and seed; ``p_value`` is of the paired
    bootstrap.
    """

    cell: Cell
    run: Run
    result: ResultRow | None = None
    delta: float | None = None
    p_value: float | None = None
    failure: Failure | None = None

    @property
    def bleu(self) -> float | None:
        """Return the score, if there is one."""
        return None if self.result is None else self.result.bleu

    @property
    def status(self) -> str:
        """Return finished, failed or missing."""
        return "finished" if self.bleu is not None else "failed" if self.failure else "missing"


@dataclass(frozen=True)
class Mean:
    """A number over seeds: its mean and its standard deviation (n - 1), None for one seed."""

    mean: float
    deviation: float | None


@dataclass(frozen=True)
class Summary:
    """A system's place in a row and column, over all seeds.

    ``p_value`` is the largest of the seeds' if all their differences have one sign, else 1: significant is
    what is so in one direction for every seed. Numbers are None unless all seeds have them. An average over
    columns has no ``scores`` of its own and no ``p_value``.
    """

    row: str
    column: str
    system: str
    scores: tuple[CellScore, ...]
    bleu: Mean | None
    delta: Mean | None
    p_value: float | None

    @property
    def status(self) -> str:
        """Return finished if all seeds are, failed if one has, else missing."""
        found = {score.status for score in self.scores} or {"missing" if self.bleu is None else "finished"}
        return "failed" if "failed" in found else "missing" if "missing" in found else "finished"


def score_cells(
    cells: Sequence[Cell], runs: Sequence[Run], failures: Mapping[Run, Failure], *, resamples: int = 1000
) -> list[CellScore]:
    """Score whatever is decoded, and compare it with the first system of its row, column and seed.

    Raises DataError when two systems were not decoded on the same ids.
    """
    run_of = {cell.place: run for run in runs for cell in run.cells}
    scores = [score_cell(cell, run_of[cell.place], failures.get(run_of[cell.place])) for cell in cells]
    groups: dict[Place, list[CellScore]] = {}
    for score in scores:
        groups.setdefault(score.cell.place._replace(system=""), []).append(score)
    compared = {score.cell.place: score for group in groups.values() for score in compare(group, resamples)}
    return [compared[score.cell.place] for score in scores]


def score_cell(cell: Cell, run: Run, failure: Failure | None) -> CellScore:
    """Score a cell's translations, unless that was done, as stage 11 does; not those of other settings."""
    if failure or not run.is_finished():
        if failure is None and run.is_decoded():
            logger.warning("%s: decoded, but not known to be of this plan; --jobs 1 checks it", cell.place)
        return CellScore(cell, run, failure=failure)
    score_translator(run.model, run.data, [cell.test_set], run.tgt)
    result = read_row(run.model, run.data, cell.test_set, tgt=run.tgt)
    return CellScore(cell, run, result, failure=failure)


def compare(scores: Sequence[CellScore], resamples: int) -> list[CellScore]:
    """Compare the other systems of a row, column and seed with the first, on the first's test set."""
    first, *others = scores
    references = first.run.references(first.cell.test_set)
    rivals = [
        score
        for score in others
        if None not in (first.bleu, score.bleu) and score.run.references(score.cell.test_set) == references
    ]
    results = compare_systems(
        first.run.hypotheses(first.cell.test_set),
        [score.run.hypotheses(score.cell.test_set) for score in rivals],
        references,
        tgt=first.run.tgt,
        resamples=resamples,
    )
    bleu = {
        score.cell.place: result
        for score, result in zip(rivals, (r for r in results if r.metric == "BLEU"), strict=True)
    }
    found = {place: (result.delta, result.p_value) for place, result in bleu.items()}
    nothing = (None, None)
    deltas = [found.get(score.cell.place, nothing) for score in scores]
    return [
        replace(score, delta=delta, p_value=p_value)
        for score, (delta, p_value) in zip(scores, deltas, strict=True)
    ]


def sum_up(scores: Sequence[CellScore]) -> list[Summary]:
    """Put the seeds of each row, column and system together, in the order in which these come first."""
    groups: dict[tuple[str, str, str], list[CellScore]] = {}
    for score in scores:
        groups.setdefault(score.cell.place[:3], []).append(score)
    return [
        Summary(
            *place,
            scores=tuple(group),
            bleu=average([score.bleu for score in group]),
            delta=average([score.delta for score in group]),
            p_value=agree([score.delta for score in group], [score.p_value for score in group]),
        )
        for place, group in groups.items()
    ]


def average_columns(summaries: Sequence[Summary], name: str) -> list[Summary]:
    """Return, for each row and system, the column ``name``: each seed's mean over the columns, summed up."""
    groups: dict[tuple[str, str], list[Summary]] = {}
    for summary in summaries:
        groups.setdefault((summary.row, summary.system), []).append(summary)
    averages = []
    for (row, system), group in groups.items():
        seeds = list(zip(*(summary.scores for summary in group), strict=True))
        bleu = average_means([average([score.bleu for score in columns]) for columns in seeds])
        delta = average_means([average([score.delta for score in columns]) for columns in seeds])
        averages.append(Summary(row, name, system, (), bleu, delta, p_value=None))
    return averages


def average_means(means: Sequence[Mean | None]) -> Mean | None:
    """Return the mean and the deviation of means; None when one lacks."""
    return average([None if mean is None else mean.mean for mean in means])


def average(numbers: Sequence[float | None]) -> Mean | None:
    """Return the mean and the deviation over seeds; None when one lacks."""
    known = [number for number in numbers if number is not None]
    if not known or len(known) < len(numbers):
        return None
    return Mean(statistics.fmean(known), statistics.stdev(known) if len(known) > 1 else None)


def agree(deltas: Sequence[float | None], p_values: Sequence[float | None]) -> float | None:
    """Return the p-value that holds for every seed, 1 when they differ in direction; None when one lacks."""
    signs = {delta > 0 for delta in deltas if delta is not None}
    known = [p_value for p_value in p_values if p_value is not None]
    if not known or len(known) < len(p_values):
        return None
    return max(known) if len(signs) == 1 else 1.0


def score_teachers(runs: Sequence[Run]) -> list[ResultRow]:
    """Score the teachers that were decoded with the runs, each once for a test set."""
    seen: dict[tuple[str, str], ResultRow] = {}
    for run in runs:
        for model in run.others:
            for test_set in run.test_sets:
                key = (str(model), test_set)
                if key not in seen and run.hypotheses(test_set, model).is_file():
                    score_translator(model, run.data, [test_set], run.tgt)
                    seen[key] = read_row(model, run.data, test_set, tgt=run.tgt)
    return [row for row in seen.values() if row.targets == TEACHER]
