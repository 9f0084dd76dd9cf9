"""Estimate how much a corpus leaves open: the conditional entropy of its target words given the source's.

The measure is that of Zhou, Neubig and Gu ("Understanding Knowledge Distillation in Non-autoregressive
Machine Translation", ICLR 2020), with IBM Model 1 in place of fast_align: each target word is linked to its
likeliest source word, and H(y|x) is taken over the links of a source word x. Targets of a teacher usually
have less of it than references, for a teacher translates the same words more alike.
"""

from dataclasses import dataclass

import numpy as np

from synthst.audit.aligner import Alignment, Floats, Sentences, align_words, count_cells

MAX_CELLS = 16_000_000  # of the aligner; 0.9 GB


@dataclass(frozen=True)
class Complexity:
    """Bits. ``by_type`` is Zhou et al.'s C(d), the mean of H(y|x) over the source vocabulary.

    ``by_token`` weighs each source word by its links, so that frequent words count more. ``bits`` is, by
    sentence, the mean surprise of its target words under Model 1.
    """

    by_type: float
    by_token: float
    bits: Floats


def choose_aligned(sources: Sentences, targets: list[Sentences], *, max_cells: int = MAX_CELLS) -> int:
    """Return how many sentences, from the first, fit into the aligner's memory on all sides, at least 1."""
    most = np.max([count_cells(sources, side) for side in targets], axis=0)
    return max(1, int(np.searchsorted(np.cumsum(most), max_cells, side="right")))


def measure_complexity(sources: Sentences, targets: Sentences) -> Complexity:
    """Align the sentences and measure the entropy of the links."""
    alignment = align_words(sources, targets)
    by_word, links = _entropies(alignment)
    by_token = float(np.average(by_word, weights=links)) if len(links) else 0.0
    return Complexity(float(by_word.mean()) if len(links) else 0.0, by_token, alignment.bits)


def _entropies(alignment: Alignment) -> tuple[Floats, Floats]:
    """Return H(y|x) in bits and the number of links, for each source word x that has one."""
    kinds = int(alignment.targets.max(initial=0)) + 1
    pairs, counts = np.unique(alignment.sources * kinds + alignment.targets, return_counts=True)
    source = np.unique(pairs // kinds, return_inverse=True)[1]
    links = np.bincount(source, counts)
    share = counts / links[source]
    return np.bincount(source, -share * np.log2(share)), links.astype(float)
