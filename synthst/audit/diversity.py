"""Measure how varied the words of a corpus are, and find the words that one corpus has too often."""

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain

import numpy as np

from synthst.audit.aligner import Integers, Sentences
from synthst.audit.words import is_word

WINDOW = 1000  # words; a plain type-token ratio falls with the size of a corpus
N_GRAMS = (1, 2, 3, 4)
PRIOR = 1000.0  # words that the prior of a word's rate is worth
SURE = 1.96  # standard deviations


@dataclass(frozen=True)
class Diversity:
    """Words in all and different ones; a type-token ratio and shares of distinct n-grams, in 0..1.

    ``type_token_ratio`` is the mean over windows of 1,000 words (MATTR; Covington and McFall, 2010),
    ``distinct`` maps n to different n-grams over all n-grams (distinct-n; Li et al., 2016).
    """

    words: int
    types: int
    type_token_ratio: float
    distinct: dict[int, float]


@dataclass(frozen=True)
class Overuse:
    """A word, how often real and synthetic targets have it, and how surely they differ.

    ``z`` is the log-odds ratio over its standard deviation, above 0 where the synthetic targets have more.
    """

    word: str
    real: int
    synthetic: int
    z: float


def measure_diversity(sentences: Sentences) -> Diversity:
    """Count words and n-grams; n-grams do not cross sentences."""
    numbers: dict[str, int] = {}
    words = [numbers.setdefault(word, len(numbers)) for word in chain.from_iterable(sentences)]
    ratio = moving_type_token_ratio(words)
    lengths = np.array([len(sentence) for sentence in sentences], np.int64)
    distinct = count_distinct(np.array(words, np.int64), lengths)
    return Diversity(len(words), len(numbers), ratio, distinct)


def moving_type_token_ratio(words: Iterable[int], *, window: int = WINDOW) -> float:
    """Return the mean share of different words over all windows; over all words if they fill no window."""
    inside: deque[int] = deque()
    counts: Counter[int] = Counter()
    total, windows = 0, 0
    for word in words:
        inside.append(word)
        counts[word] += 1
        if len(inside) > window:
            oldest = inside.popleft()
            counts[oldest] -= 1
            if not counts[oldest]:
                del counts[oldest]
        if len(inside) == window:
            total, windows = total + len(counts), windows + 1
    return total / windows / window if windows else len(counts) / max(1, len(inside))


def count_distinct(words: Integers, lengths: Integers) -> dict[int, float]:
    """Return, for each n, the share of n-grams that differ; 0 where no sentence is long enough.

    ``words`` are numbers, shape (words,), one sentence after the other; ``lengths`` has shape (sentences,).
    """
    kinds = int(words.max(initial=0)) + 1
    left = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(words))  # in the sentence, from a word on
    number, shares = np.zeros(len(words), np.int64), dict.fromkeys(N_GRAMS, 0.0)
    for n in N_GRAMS:
        starts = np.flatnonzero(left >= n)
        if len(starts):
            longer = number[starts] * kinds + words[starts + n - 1]  # the (n - 1)-gram, then one word
            different, number[starts] = np.unique(longer, return_inverse=True)
            shares[n] = len(different) / len(starts)
    return shares


def find_overuse(real: Sentences, synthetic: Sentences, *, size: int = 15) -> dict[str, list[Overuse]]:
    """Return the words that synthetic targets have most surely too often ("over") and too seldom ("under").

    Words are compared in lower case, by log-odds with the corpora's sum as prior (Monroe, Colaresi and
    Quinn, 2008, "Fightin' Words"); a difference of less than 1.96 standard deviations is not returned.
    """
    counts = [
        Counter(word.lower() for word in chain.from_iterable(side) if is_word(word))
        for side in (real, synthetic)
    ]
    found = sorted(_compare_counts(*counts), key=lambda word: (-word.z, word.word))
    over = [word for word in found if word.z > SURE][:size]
    return {"over": over, "under": [word for word in reversed(found) if word.z < -SURE][:size]}


def _compare_counts(real: Mapping[str, int], synthetic: Mapping[str, int]) -> list[Overuse]:
    words = sorted(set(real) | set(synthetic))
    counts = np.array([[side.get(word, 0) for word in words] for side in (real, synthetic)], float)
    if len(words) < 2:
        return []
    prior = PRIOR * counts.sum(axis=0) / counts.sum()
    with_prior = counts + prior
    odds = with_prior / (with_prior.sum(axis=1, keepdims=True) - with_prior)
    z = np.log(odds[1] / odds[0]) / np.sqrt((1 / with_prior).sum(axis=0))
    return [
        Overuse(word, int(one), int(other), float(score))
        for word, one, other, score in zip(words, *counts, z, strict=True)
    ]
