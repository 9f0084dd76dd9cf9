"""Lay an experiment's scores out as the paper does: a grid of rows and columns, ours above the paper's."""

from collections.abc import Sequence

from synthst.experiments.definition import Entry, Experiment
from synthst.experiments.scores import Mean, Summary
from synthst.report.table import SIGNIFICANT

type Grid = list[list[str]]


def make_grid(experiment: Experiment, preset: str, summaries: Sequence[Summary]) -> Grid:
    """Return the lines of the table, the first its headings; a cell has the scores of all systems.

    A score is followed by its difference to the first system's, with * where that is significant.
    """
    columns, systems = experiment.at("columns", preset), experiment.at("systems", preset)
    columns += [Entry(experiment.average)] if experiment.average else []
    found: dict[tuple[str, str], list[Summary]] = {}
    for summary in summaries:
        found.setdefault((summary.row, summary.column), []).append(summary)
    positions = [experiment.systems.index(system) for system in systems]
    grid = [[" / ".join(system.name for system in systems), "", *map(_heading, columns)]]
    for row in experiment.at("rows", preset):
        ours = [_show_ours(found[row.name, column.name]) for column in columns]
        grid.append([row.name, "ours", *ours])
        numbers = [experiment.paper_scores(row.name, column.name, preset) for column in columns]
        if any(numbers):
            paper = [_show_paper(scores and [scores[n] for n in positions]) for scores in numbers]
            grid.append(["", f"paper, {row.paper}" if row.paper else "paper", *paper])
    return grid


def explain_grid(systems: Sequence[Entry], scores: Sequence[Summary]) -> str:
    """Say in words what a cell of the grid holds."""
    first, *others = systems
    told = f"BLEU of {' / '.join(system.name for system in systems)}."
    if others:
        told += (
            f" In brackets the difference to {first.name}, with * where it is significant (p < {SIGNIFICANT},"
            " paired bootstrap over the test sentences)."
        )
    seeds = [str(score.cell.place.seed) for score in scores[0].scores] if scores else []
    if len(seeds) > 1:
        told += (
            f" Mean ± standard deviation over seeds {', '.join(seeds)}; significant is what is so, in one "
            "direction, for every seed."
        )
    elif others:
        told += " One training seed: the significance does not tell how far another would move the scores."
    averages = dict.fromkeys(summary.column for summary in scores if not summary.scores)
    if others and averages:
        told += f" The column {', '.join(averages)} is the mean of the others: not tested, so it has no *."
    return told


def show_mean(number: Mean | None, form: str = ".1f") -> str:
    """Write a mean with its deviation, if there is one, or a dash."""
    if number is None:
        return "-"
    deviation = "" if number.deviation is None else f" ± {number.deviation:.1f}"
    return f"{number.mean:{form}}{deviation}"


def paper_delta(scores: Sequence[float] | None, system: int) -> float | None:
    """Return the paper's difference of a system to the first, by the system's number."""
    return None if scores is None or system == 0 else scores[system] - scores[0]


def _heading(column: Entry) -> str:
    return f"{column.name} (paper: {column.paper})" if column.paper else column.name


def _show_ours(summaries: Sequence[Summary]) -> str:
    return " / ".join(map(_show_summary, summaries))


def _show_summary(summary: Summary) -> str:
    if summary.bleu is None:
        return "failed" if summary.status == "failed" else "-"
    if summary.delta is None:
        return show_mean(summary.bleu)
    mark = "*" if summary.p_value is not None and summary.p_value < SIGNIFICANT else ""
    return f"{show_mean(summary.bleu)} ({show_mean(summary.delta, '+.1f')}{mark})"


def _show_paper(scores: Sequence[float] | None) -> str:
    if not scores:
        return "-"
    first, *others = scores
    return " / ".join([f"{first:.1f}", *(f"{score:.1f} ({score - first:+.1f})" for score in others)])
