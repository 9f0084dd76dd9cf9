"""Count how measures are distributed over the pairs, for both sides in the same bins."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from synthst.audit.measures import Measures
from synthst.audit.pairs import Floats
from synthst.audit.stored import Stored

BINS = 24


@dataclass(frozen=True)
class Histogram:
    """Counts by side in bins between ``edges``; what is beyond the first or last edge is in that bin."""

    key: str
    title: str
    explanation: str
    unit: str
    edges: list[float]
    counts: dict[str, list[int]]


def count_histograms(measures: Measures, stored: Stored | None) -> list[Histogram]:
    """Return the histograms for which there are data."""
    return list(_histograms(measures, stored))


def _histograms(measures: Measures, stored: Stored | None) -> Iterator[Histogram]:
    sides = measures.sides
    if measures.agreement is not None:
        yield _count(
            *("agreement", "Agreement", "chrF2 of each synthetic target to its reference.", "chrF2"),
            {"synthetic": measures.agreement},
            np.linspace(0, 100, 21),
        )
    ratios = {side: measured.ratio for side, measured in sides.items()}
    yield _count(
        *("ratio", "Length ratio", "Characters of the target for one of the source.", "target / source"),
        ratios,
        _edges(ratios, 0.05),
    )
    words = {side: measured.words for side, measured in sides.items()}
    told = ("words", "Length", "Words of a target, punctuation marks included.", "words")
    yield _count(*told, words, _edges(words, 1.0))
    bits = {side: measured.complexity.bits for side, measured in sides.items()}
    told = (
        "surprise",
        "Surprise",
        "Bits of a target word, given the source: how much is left open.",
        "bits per word",
    )
    yield _count(*told, bits, _edges(bits, 0.25))
    if stored is not None and stored.found.any():
        score = {"synthetic": stored.score[stored.found]}
        told = ("score", "Teacher's score", "How sure the teacher was, as the store says.", "score")
        yield _count(*told, score, _edges(score, 0.05))


def _edges(values: dict[str, Floats], step: float) -> Floats:
    """Return edges at multiples of ``step``, for some 24 bins with all but the outermost hundredth or so."""
    every = np.concatenate(list(values.values()))
    low, high = np.percentile(every, [0.5, 99])
    width = step * max(1, np.ceil((high - low) / step / BINS))
    first, last = np.floor(low / width), max(np.ceil(high / width), np.floor(low / width) + 1)
    edges: Floats = np.arange(first, last + 1) * width
    return edges


def _count(
    key: str, title: str, explanation: str, unit: str, values: dict[str, Floats], edges: Floats
) -> Histogram:
    inside = {side: np.clip(found, edges[0], edges[-1]) for side, found in values.items()}
    counts = {side: np.histogram(found, edges)[0].tolist() for side, found in inside.items()}
    return Histogram(key, title, explanation, unit, [round(float(edge), 6) for edge in edges], counts)
