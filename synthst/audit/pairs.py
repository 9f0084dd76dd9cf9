"""Measure each pair by itself: length ratio, repetition, copied words, agreement with the reference."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sacrebleu.metrics.chrf import CHRF

from synthst.audit.words import is_word
from synthst.processes import forked_pool

Floats = NDArray[np.float64]

GRAM = 8  # characters: longer than a usual suffix, so that ordinary language repeats few of them
_MIN_CHUNK = 2000  # pairs, that starting a process is worth


def measure_ratio(sources: Sequence[str], targets: Sequence[str]) -> Floats:
    """Return the target's characters over the source's, shape (pairs,)."""
    return np.array([len(target) / len(source) for source, target in zip(sources, targets, strict=True)])


def measure_repetition(targets: Sequence[str]) -> Floats:
    """Return `repetition` of each target, shape (pairs,)."""
    return np.array([repetition(target) for target in targets])


def repetition(text: str) -> float:
    """Return the share of a text's 8-grams of characters that came already, in 0..1.

    It is rep-n of Welleck et al. ("Neural Text Generation with Unlikelihood Training", ICLR 2020) on
    characters instead of tokens: so it needs no words, and sees loops inside a word.
    """
    grams = [text[start : start + GRAM] for start in range(len(text) - GRAM + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def measure_copies(sources: Sequence[Sequence[str]], targets: Sequence[Sequence[str]]) -> Floats:
    """Return `copied_share` of each pair of word lists, shape (pairs,)."""
    return np.array([copied_share(source, target) for source, target in zip(sources, targets, strict=True)])


def copied_share(source: Sequence[str], target: Sequence[str]) -> float:
    """Return the share of the target's words that the source has too, but for case, in 0..1.

    Numbers and punctuation do not count, and a target of a single word copies nothing: it may be a name.
    """
    known = {word.lower() for word in source}
    words = [word.lower() for word in target if is_word(word)]
    return sum(word in known for word in words) / len(words) if len(words) > 1 else 0.0


def measure_agreement(synthetic: Sequence[str], real: Sequence[str], *, workers: int = 1) -> Floats:
    """Return sacreBLEU's sentence chrF2 of each synthetic target against the real one, in 0..100."""
    return in_processes(_measure_chrf, synthetic, real, workers=workers)


def agreement_signature() -> str:
    """Return sacreBLEU's signature of the agreement."""
    chrf = CHRF()
    chrf.sentence_score("a", ["a"])
    return str(chrf.get_signature())


def in_processes(measure: Callable[..., NDArray[Any]], *columns: Sequence[str], workers: int) -> NDArray[Any]:
    """Return ``measure(*columns)``, worked out piece by piece in ``workers`` processes."""
    size = max(_MIN_CHUNK, -(-len(columns[0]) // (4 * workers)))
    pieces = [[column[at : at + size] for column in columns] for at in range(0, len(columns[0]), size)]
    if workers == 1 or len(pieces) == 1:
        return measure(*columns)
    with forked_pool(workers) as pool:
        return np.concatenate(list(pool.map(measure, *zip(*pieces, strict=True))))


def _measure_chrf(synthetic: Sequence[str], real: Sequence[str]) -> Floats:
    chrf = CHRF()
    pairs = zip(synthetic, real, strict=True)
    return np.array([chrf.sentence_score(hypothesis, [target]).score for hypothesis, target in pairs], float)
