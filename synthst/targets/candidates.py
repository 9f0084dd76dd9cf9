"""Make of the stored hypotheses of a source what can stand in a table."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from synthst.atomic import atomic_file
from synthst.datadir import text_path
from synthst.nbest import NBestList, read_nbest

_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


class Candidate(NamedTuple):
    """A cleaned hypothesis, ``is_cleaned`` if that changed it; rank 0 is the teacher's best."""

    rank: int
    text: str
    is_cleaned: bool
    score: float
    tokens: int
    finished: bool


class Choice(NamedTuple):
    """An utterance and the candidates for its target: all in the teacher's order, or those chosen."""

    id: str
    source: str
    candidates: list[Candidate]


Choices = Callable[[], Iterator[Choice]]


def clean(hypothesis: str) -> str:
    """Put one blank in place of control characters and remove blanks at the ends."""
    return _CONTROL.sub(" ", hypothesis).strip()


def list_candidates(nbest: NBestList) -> Choice:
    """Clean the hypotheses of an utterance and leave the empty ones out, but for the first if all are."""
    cleaned = [
        Candidate(rank, text := clean(raw), text != raw, score, tokens, finished)
        for rank, raw, score, tokens, finished in nbest.hypotheses
    ]
    return Choice(nbest.id, nbest.source, [one for one in cleaned if one.text] or cleaned[:1])


def write_candidates(data: Path, store: Path, out: Path, *, src: str) -> None:
    """List all hypotheses for ``data``'s text.<src> in a TSV file, to read or to judge elsewhere.

    The first line names the columns: id, rank, teacher_score, source, hypothesis. Hypotheses are cleaned, and
    empty ones left out, as when targets are chosen. Raises DataError when the store lacks a source.
    """
    with read_nbest(store, text_path(data, src)) as nbest, atomic_file(out) as file:
        file.write(b"id\trank\tteacher_score\tsource\thypothesis\n")
        for choice in map(list_candidates, nbest.lists()):
            for one in choice.candidates:
                line = f"{choice.id}\t{one.rank}\t{one.score!r}\t{choice.source}\t{one.text}\n"
                file.write(line.encode())
