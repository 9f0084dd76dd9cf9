"""Measure synthetic targets, and the real ones of the same ids, in every way that an audit shows."""

import logging
from dataclasses import dataclass

import numpy as np

from synthst.audit.complexity import Complexity, choose_aligned, measure_complexity
from synthst.audit.diversity import Diversity, Overuse, find_overuse, measure_diversity
from synthst.audit.faults import Flags, find_faults
from synthst.audit.languages import measure_other_language, why_not_detected
from synthst.audit.pairs import (
    Floats,
    measure_agreement,
    measure_copies,
    measure_ratio,
    measure_repetition,
)
from synthst.audit.sample import Sample
from synthst.audit.stored import Stored
from synthst.audit.words import split_words

logger = logging.getLogger(__name__)

Words = list[list[str]]


@dataclass(frozen=True)
class Side:
    """What was measured of the targets of one side; arrays have shape (pairs,).

    ``characters`` and ``words`` are lengths, ``ratio`` is the target's characters over the source's,
    ``repetition``, ``copied`` and ``other_language`` are in 0..1. ``distinct_targets`` counts unlike texts.
    """

    characters: Floats
    words: Floats
    ratio: Floats
    repetition: Floats
    copied: Floats
    other_language: Floats | None
    faults: dict[str, Flags]
    distinct_targets: int
    diversity: Diversity
    complexity: Complexity


@dataclass(frozen=True)
class Measures:
    """All measures: by side, "real" (if there are references) and "synthetic"; and of both together.

    ``aligned`` is how many pairs, the first, the aligner saw. ``agreement`` is chrF2, 0..100.
    ``overuse`` lists words of the synthetic side that are too frequent ("over") and too rare ("under"),
    ``vocabulary_kept`` is the share of the real targets' different words that the synthetic ones have, too.
    """

    sides: dict[str, Side]
    aligned: int
    no_language: str
    agreement: Floats | None
    overuse: dict[str, list[Overuse]]
    vocabulary_kept: float | None


def measure_sample(
    sample: Sample, stored: Stored | None, *, src: str, tgt: str, workers: int = 1
) -> Measures:
    """Measure a sample; ``stored`` is what its translation store says of it, if there is one."""
    texts, sources = sample.sides, [split_words(source) for source in sample.sources]
    words = {side: [split_words(target) for target in targets] for side, targets in texts.items()}
    logger.info("measuring %d pairs", len(sources))
    agreement = (
        measure_agreement(texts["synthetic"], texts["real"], workers=workers) if "real" in texts else None
    )
    no_language = why_not_detected(tgt)
    aligned = choose_aligned(sources, [*words.values()])
    sides = {}
    for side, targets in texts.items():
        logger.info("measuring the %s targets", side)
        other = None if no_language else measure_other_language(targets, tgt, workers=workers)
        cut_off = stored.cut_off if stored and side == "synthetic" else None
        faults = find_faults(
            sample.sources, targets, src=src, tgt=tgt, other_language=other, cut_off=cut_off, workers=workers
        )
        sides[side] = _measure_side(sample.sources, targets, sources, words[side], other, faults, aligned)
    overuse = find_overuse(words["real"], words["synthetic"]) if "real" in words else {}
    return Measures(sides, aligned, no_language, agreement, overuse, _vocabulary_kept(words))


def _measure_side(
    sources: list[str],
    targets: list[str],
    source_words: Words,
    target_words: Words,
    other_language: Floats | None,
    faults: dict[str, Flags],
    aligned: int,
) -> Side:
    return Side(
        characters=np.array([len(target) for target in targets], float),
        words=np.array([len(words) for words in target_words], float),
        ratio=measure_ratio(sources, targets),
        repetition=measure_repetition(targets),
        copied=measure_copies(source_words, target_words),
        other_language=other_language,
        faults=faults,
        distinct_targets=len(set(targets)),
        diversity=measure_diversity(target_words),
        complexity=measure_complexity(_lower(source_words[:aligned]), _lower(target_words[:aligned])),
    )


def _lower(sentences: Words) -> Words:
    return [[word.lower() for word in words] for words in sentences]


def _vocabulary_kept(words: dict[str, Words]) -> float | None:
    if "real" not in words:
        return None
    real, synthetic = (
        {word for sentence in words[side] for word in sentence} for side in ("real", "synthetic")
    )
    return len(real & synthetic) / len(real)
