"""Choose among the stored hypotheses of each source, without decoding again."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from tqdm import tqdm

from synthst.datadir import text_path
from synthst.errors import ConfigError, DataError
from synthst.nbest import NBest
from synthst.store import read_manifest
from synthst.tables import join_tables, read_table
from synthst.targets.candidates import Candidate, Choice, list_candidates
from synthst.targets.scorers import read_scores, run_scorer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from synthst.targets.mbr import Metric

By = Literal["first", "bleu", "chrf", "mbr_bleu", "mbr_chrf", "scores", "scorer"]


@dataclass(frozen=True)
class SelectOptions:
    """What makes a hypothesis the best of its source; equals stay in the teacher's order.

    first: the teacher's score, as in the paper. bleu, chrf: sentence BLEU or chrF2 against the data's own
    target. mbr_bleu, mbr_chrf: the mean of these against all hypotheses of the source (minimum Bayes risk).
    scores: numbers in the file ``scores``, see `read_scores`. scorer: numbers that the command ``scorer``
    writes, see `run_scorer`. Higher is better.
    """

    by: By = "first"
    scores: Path | None = None
    scorer: str | None = None

    def __post_init__(self) -> None:
        if self.by not in get_args(By):
            raise ConfigError(f"select.by is {self.by!r}; give one of {', '.join(get_args(By))}")
        for name, value in (("scores", self.scores), ("scorer", self.scorer)):
            if (self.by == name) != (value is not None):
                found = f"select.by is {self.by} and select.{name} is {value}"
                raise ConfigError(f"{found}; give select.{name} with select.by {name}, and only then")


def check_choice(store: Path, options: SelectOptions, nbest_targets: int) -> None:
    """Raise an error when the lists of ``store`` are too short for what is to be chosen of them."""
    if nbest_targets < 1:
        raise ConfigError(f"nbest_targets is {nbest_targets}; give 1 or more")
    settings = read_manifest(store)["settings"]
    stored = settings.get("nbest") if isinstance(settings, dict) else None
    wanted = max(nbest_targets, 1 if options.by == "first" else 2)
    if isinstance(stored, int) and stored < wanted:
        raise DataError(
            f"{store} has lists of {stored} for each source, too short to choose {nbest_targets} by "
            f"{options.by}; decode to another store with --search.nbest {max(wanted, 4)}"
        )


def select_targets(
    nbest: NBest,
    options: SelectOptions,
    *,
    nbest_targets: int,
    data: Path,
    tgt: str,
    scratch: Path,
    counts: Counter[str],
) -> Iterator[Choice]:
    """Yield for each utterance its best hypotheses, ``nbest_targets`` or as many as differ.

    An empty hypothesis is chosen only where its list has no other. Nothing of ``data`` is read but, for bleu
    and chrf, its text.``tgt``. ``counts`` gets the utterances whose best is not the teacher's first
    ("reranked"), and those with fewer hypotheses than wanted ("fewer_targets"), unless there is no choice.
    """
    is_choice = options.by != "first" or nbest_targets > 1
    scored = _score(nbest, options, data, tgt, scratch)
    for choice, scores in tqdm(scored, desc="selecting", unit=" sources", disable=None):
        best = _best(choice.candidates, scores, nbest_targets)
        if is_choice:
            counts["reranked"] += best[0].rank > 0
            counts["fewer_targets"] += len(best) < nbest_targets
        yield choice._replace(candidates=best)


def describe_selection(options: SelectOptions, tgt: str) -> dict[str, str]:
    """Say for info.json how targets were chosen, with sacreBLEU's signature; nothing for the first."""
    if options.by in ("first", "scores", "scorer"):
        return {} if options.by == "first" else {"by": options.by}
    from synthst.targets.mbr import signature

    return {"by": options.by, "signature": signature(_metric(options), tgt)}


def _metric(options: SelectOptions) -> "Metric":
    return "bleu" if options.by in ("bleu", "mbr_bleu") else "chrf"


def _best(candidates: Sequence[Candidate], scores: Sequence[float], number: int) -> list[Candidate]:
    """Return the best of those that differ in text."""
    pairs = sorted(zip(scores, candidates, strict=True), key=lambda pair: (-pair[0], pair[1].rank))
    different: dict[str, Candidate] = {}
    for _, candidate in pairs:
        different.setdefault(candidate.text, candidate)
    return list(different.values())[:number]


def _score(
    nbest: NBest, options: SelectOptions, data: Path, tgt: str, scratch: Path
) -> Iterable[tuple[Choice, Sequence[float]]]:
    """Give every candidate of every utterance a number."""

    def choices() -> Iterator[Choice]:
        return map(list_candidates, nbest.lists())

    if options.scores is not None:
        return read_scores(options.scores, choices(), scratch)
    if options.scorer is not None:
        return run_scorer(options.scorer, choices, scratch)
    if options.by == "first":
        return ((choice, [-one.rank for one in choice.candidates]) for choice in choices())
    from synthst.targets.mbr import expected_utility, pairwise_scores  # numpy and sacreBLEU

    metric = _metric(options)
    if options.by.startswith("mbr"):
        return ((one, _round(expected_utility(_texts(one), metric, tgt))) for one in choices())
    references = _read_references(nbest.text, text_path(data, tgt))
    return (
        (one, _round(pairwise_scores(_texts(one), [reference], metric, tgt)[:, 0]))
        for one, reference in zip(choices(), references, strict=True)
    )


def _texts(choice: Choice) -> list[str]:
    return [one.text for one in choice.candidates]


def _round(scores: "NDArray[np.float64]") -> list[float]:
    """Make scores that differ by the order of additions only equal, on every machine."""
    return [float(score) for score in scores.round(6)]


def _read_references(text: Path, target: Path) -> Iterator[str]:
    """Yield the data's own targets in the order of ``text``; refuse tables that differ in ids at once."""
    for _ in join_tables([text, target]):
        pass
    return (reference for _, reference in read_table(target))
