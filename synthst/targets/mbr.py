"""Compare the texts of an n-best list with each other or with a reference: sentence chrF and BLEU.

The numbers are those of sacreBLEU's sentence scores, made for a whole list at once. The mean over a list is
what minimum-Bayes-risk decoding maximises (Kumar and Byrne, "Minimum Bayes-Risk Decoding for Statistical
Machine Translation", NAACL 2004; Eikema and Aziz, "Sampling-Based Approximations to Minimum Bayes Risk
Decoding for Neural Machine Translation", EMNLP 2022).
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from synthst.errors import ConfigError

Metric = Literal["bleu", "chrf"]
Symbols = NDArray[np.int64]
Matrix = NDArray[np.float64]

CHRF_ORDER, CHRF_BETA, BLEU_ORDER = 6, 2, 4


def expected_utility(texts: Sequence[str], metric: Metric, tgt: str) -> NDArray[np.float64]:
    """Return for each text the mean of its scores (0..100) with every text of the list as the reference.

    All texts weigh the same, so a text that is there twice weighs double, and each is compared with itself
    too: that changes no order.
    """
    return pairwise_scores(texts, texts, metric, tgt).mean(axis=1)


def pairwise_scores(hyps: Sequence[str], refs: Sequence[str], metric: Metric, tgt: str) -> Matrix:
    """Return sentence scores (0..100) of every hypothesis, by row, with every reference, by column.

    ``metric`` is chrF2 or BLEU (4-grams, effective order, exponential smoothing), with sacreBLEU's tokenizer
    for the language ``tgt``.
    """
    texts = list(dict.fromkeys([*hyps, *refs]))
    number = {text: index for index, text in enumerate(texts)}
    rows, columns = ([number[text] for text in part] for part in (hyps, refs))
    scores = _chrf(texts) if metric == "chrf" else _bleu(texts, tgt)
    return scores[np.ix_(rows, columns)]


def signature(metric: Metric, tgt: str) -> str:
    """Return sacreBLEU's signature of the sentence scores."""
    scorer = CHRF() if metric == "chrf" else _sacrebleu(tgt)
    scorer.num_refs = 1
    return str(scorer.get_signature())


def _chrf(texts: Sequence[str]) -> Matrix:
    """Score all pairs: the mean precision and recall of the orders that both have, as F2 (Popovic 2015)."""
    symbols = [_characters(text) for text in texts]
    matches = count_matches(symbols, CHRF_ORDER)
    totals = _count_ngrams(symbols, CHRF_ORDER)
    in_hyp, in_ref = totals[:, :, None], totals[:, None, :]
    both = (in_hyp > 0) & (in_ref > 0)
    orders = np.maximum(both.sum(axis=0), 1)
    precision = np.where(both, matches / np.maximum(in_hyp, 1), 0.0).sum(axis=0) / orders
    recall = np.where(both, matches / np.maximum(in_ref, 1), 0.0).sum(axis=0) / orders
    below = CHRF_BETA**2 * precision + recall
    f_score = (1 + CHRF_BETA**2) * precision * recall / np.where(below > 0, below, 1.0)
    return np.asarray(100.0 * f_score)


def _bleu(texts: Sequence[str], tgt: str) -> Matrix:
    """Score all pairs (Papineni et al. 2002; orders without a match count as 1/2, 1/4, ..., as in mteval)."""
    symbols = _words(texts, tgt)
    matches = count_matches(symbols, BLEU_ORDER)
    totals = np.broadcast_to(_count_ngrams(symbols, BLEU_ORDER)[:, :, None], matches.shape)
    smoothing = np.cumprod(np.where(matches > 0, 1.0, 0.5), axis=0)
    correct = np.where(matches > 0, matches, smoothing)
    logarithms = np.where(totals > 0, np.log(correct / np.maximum(totals, 1)), 0.0)
    orders = np.maximum((totals > 0).sum(axis=0), 1)
    lengths = totals[0]
    brevity = np.exp(np.minimum(0.0, 1.0 - lengths.T / np.maximum(lengths, 1)))
    scores = 100.0 * brevity * np.exp(logarithms.sum(axis=0) / orders)
    return np.asarray(np.where(matches.any(axis=0), scores, 0.0))


def count_matches(symbols: Sequence[Symbols], max_order: int) -> Matrix:
    """Count the n-grams that two texts share, each as often as in the one that has fewer.

    Returns [order, text, text] for orders 1 to ``max_order``; ``symbols`` are the texts as numbers.
    """
    texts, lengths = len(symbols), np.array([part.size for part in symbols])
    alphabet, flat = np.unique(np.concatenate(symbols), return_inverse=True)
    owner = np.repeat(np.arange(texts), lengths)
    end, start = np.cumsum(lengths)[owner], np.arange(flat.size)
    grams, kinds = flat, alphabet.size
    matches = np.zeros((max_order, texts, texts))
    for order in range(1, max_order + 1):
        if order > 1:  # an n-gram is the one before it, by number, and the symbol after that
            inside = np.flatnonzero(start + (order - 1) < end)
            start, end, owner = start[inside], end[inside], owner[inside]
            following = flat[start + (order - 1)]
            grams, kinds = _renumber(grams[inside] * alphabet.size + following, kinds * alphabet.size)
        counts = np.bincount(owner * kinds + grams, minlength=texts * kinds).reshape(texts, kinds)
        matches[order - 1] = _sum_of_least(counts.astype(np.int32))
    return matches


def _renumber(keys: Symbols, size: int, max_table: int = 2**20) -> tuple[Symbols, int]:
    """Number the keys, all below ``size``, from 0 without gaps; return them and how many differ."""
    if size > max_table:
        different, numbers = np.unique(keys, return_inverse=True)
        return numbers, different.size
    is_there = np.zeros(size, dtype=bool)  # faster than to sort
    is_there[keys] = True
    found = np.flatnonzero(is_there)
    table = np.empty(size, dtype=np.int64)
    table[found] = np.arange(found.size)
    return table[keys], found.size


def _sum_of_least(counts: NDArray[np.int32], max_values: int = 2**22) -> NDArray[np.int64]:
    """Add up, for each pair of rows, the lesser of their values in every column."""
    if counts.size * len(counts) <= max_values:
        return np.asarray(np.minimum(counts[:, None], counts[None]).sum(axis=-1))
    return np.stack([np.minimum(row, counts).sum(axis=-1) for row in counts])


def _count_ngrams(symbols: Sequence[Symbols], max_order: int) -> NDArray[np.int64]:
    """Return [order, text]: how many n-grams a text has."""
    lengths = np.array([part.size for part in symbols])
    return np.maximum(lengths[None] - np.arange(max_order)[:, None], 0)


def _characters(text: str) -> Symbols:
    """Number the characters but blanks by their code points."""
    bare = "".join(text.split())
    return np.frombuffer(bare.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.int64)


def _words(texts: Sequence[str], tgt: str) -> list[Symbols]:
    """Number the words of all texts."""
    tokenizer: Callable[[str], str] = _sacrebleu(tgt).tokenizer
    numbers: dict[str, int] = {}
    words = [tokenizer(text.rstrip()).split() for text in texts]
    return [
        np.array([numbers.setdefault(word, len(numbers)) for word in part], dtype=np.int64) for part in words
    ]


@cache
def _sacrebleu(tgt: str) -> BLEU:
    """Build sentence BLEU with the tokenizer for ``tgt``; "zh_TW" counts as "zh"."""
    language = tgt.replace("_", "-").split("-")[0].lower()
    try:
        return BLEU(trg_lang=language, effective_order=True)
    except (RuntimeError, ImportError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"sacreBLEU cannot load its tokenizer for {tgt!r}: {reason}") from error
