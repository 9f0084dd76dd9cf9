"""Align words by IBM Model 1 (Brown et al., 1993), with numpy, in bounded memory."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Sentences = Sequence[Sequence[str]]
Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

MAX_WORDS = 200  # of a sentence; the rest is left out, for the cells grow with the square
_NULL = 0  # the number of the empty source word, at the start of every source


@dataclass(frozen=True)
class Alignment:
    """Each target word's likeliest source word, and how well each sentence is explained.

    ``sources`` and ``targets`` are the two words' numbers, shape (target words,), without those that are
    linked to no source word; ``bits`` is the mean of -log2 p(target word | source), shape (sentences,).
    """

    sources: Integers
    targets: Integers
    bits: Floats


@dataclass(frozen=True)
class _Cells:
    """Every target word beside every source word of its sentence, one target word after the other.

    ``pair`` numbers the distinct (source word, target word) of a cell, shape (cells,); ``start`` is the first
    cell of each target word and ``width`` its number of cells, shape (target words,); ``pair_source`` and
    ``pair_target`` are the words of a pair, shape (pairs,).
    """

    pair: Integers
    start: Integers
    width: Integers
    pair_source: Integers
    pair_target: Integers


def count_cells(sources: Sentences, targets: Sentences) -> Integers:
    """Return the memory that each sentence needs, in cells of some 50 bytes."""
    sizes = [
        (min(len(source), MAX_WORDS) + 1) * min(len(target), MAX_WORDS)
        for source, target in zip(sources, targets, strict=True)
    ]
    return np.array(sizes, np.int64)


def align_words(sources: Sentences, targets: Sentences, *, iterations: int = 5) -> Alignment:
    """Train Model 1 on the sentences by ``iterations`` of expectation maximisation and link their words."""
    source_words, source_lengths = _number_words([["", *source[:MAX_WORDS]] for source in sources])
    target_words, target_lengths = _number_words([target[:MAX_WORDS] for target in targets])
    cells = _make_cells(source_words, source_lengths, target_words, target_lengths)
    probability = np.full(len(cells.pair_source), 1 / (target_words.max(initial=0) + 1))
    for _ in range(iterations):
        probability = _expect_and_maximise(cells, probability)
    return _link(cells, probability, target_lengths)


def _number_words(sentences: Sentences) -> tuple[Integers, Integers]:
    """Return the words' numbers, one sentence after the other, and the sentences' lengths."""
    numbers: dict[str, int] = {}
    words = [numbers.setdefault(word, len(numbers)) for sentence in sentences for word in sentence]
    return np.array(words, np.int64), np.array([len(sentence) for sentence in sentences], np.int64)


def _make_cells(
    source_words: Integers, source_lengths: Integers, target_words: Integers, target_lengths: Integers
) -> _Cells:
    sentence = np.repeat(np.arange(len(target_lengths)), target_lengths)
    width = source_lengths[sentence]
    start = np.cumsum(width) - width
    first_source = (np.cumsum(source_lengths) - source_lengths)[sentence]
    position = np.arange(int(width.sum())) - np.repeat(start - first_source, width)
    kinds = int(target_words.max(initial=0)) + 1
    key = source_words[position] * kinds + np.repeat(target_words, width)
    pairs, pair = np.unique(key, return_inverse=True)
    return _Cells(pair, start, width, pairs // kinds, pairs % kinds)


def _expect_and_maximise(cells: _Cells, probability: Floats) -> Floats:
    """Return p(target word | source word) by pair, from what each cell was expected to be a link."""
    share = probability[cells.pair]
    share /= np.repeat(np.add.reduceat(share, cells.start), cells.width)
    counts = np.bincount(cells.pair, share, len(probability))
    return counts / np.bincount(cells.pair_source, counts)[cells.pair_source]


def _link(cells: _Cells, probability: Floats, target_lengths: Integers) -> Alignment:
    likelihood = probability[cells.pair]
    mean = np.add.reduceat(likelihood, cells.start) / cells.width
    best = np.repeat(np.maximum.reduceat(likelihood, cells.start), cells.width)
    last = len(likelihood)
    candidates = np.where(likelihood == best, np.arange(last), last)
    chosen = cells.pair[np.minimum.reduceat(candidates, cells.start)]
    chosen = chosen[cells.pair_source[chosen] != _NULL]
    sentence = np.repeat(np.arange(len(target_lengths)), target_lengths)
    bits = np.bincount(sentence, -np.log2(mean), len(target_lengths)) / np.maximum(target_lengths, 1)
    return Alignment(cells.pair_source[chosen], cells.pair_target[chosen], bits)
