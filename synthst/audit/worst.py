"""Rank the pairs by each measure and describe the worst, to be read."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from synthst.audit.faults import FAULTS, Flags
from synthst.audit.measures import Measures
from synthst.audit.pairs import Floats
from synthst.audit.sample import Pair, Sample
from synthst.audit.stored import Stored

MIN_WORDS = 3  # of a target whose surprise is a mean worth ranking
_WORDS = re.compile(r"\w+|[^\w\s]|\s+")


@dataclass(frozen=True)
class Ranking:
    """A measure by which pairs are bad: ``badness`` is higher where worse, where ``eligible``.

    ``values`` are what is shown, by ``form``.
    """

    key: str
    title: str
    explanation: str
    form: str
    values: Floats
    badness: Floats
    eligible: Flags


@dataclass(frozen=True)
class WorstPair:
    """A bad pair; ``value`` is the measure's, ``shown`` the same in words, ``faults`` are labels."""

    id: str
    source: str
    real: str | None
    synthetic: str
    value: float
    shown: str
    faults: list[str]


def rank_pairs(measures: Measures, stored: Stored | None) -> list[Ranking]:
    """Return the rankings for which there are data; the worst pairs of different measures may be the same."""
    return [
        *_reference_rankings(measures),
        *_target_rankings(measures),
        *_model_rankings(measures),
        *_store_rankings(measures, stored),
    ]


def list_worst(ranking: Ranking, sample: Sample, measures: Measures, *, size: int) -> list[WorstPair]:
    """Return the ``size`` worst of the eligible pairs, the worst first; equal ones in order of id."""
    eligible = np.flatnonzero(ranking.eligible).tolist()
    chosen = sorted(eligible, key=lambda n: (-ranking.badness[n], sample.pairs[n].id))[:size]
    return [
        _describe(sample.pairs[n], float(ranking.values[n]), ranking, fault_labels(measures, n))
        for n in chosen
    ]


def fault_labels(measures: Measures, pair: int) -> list[str]:
    """Return the labels of what is wrong with a pair's synthetic target."""
    faults = measures.sides["synthetic"].faults
    return [fault.label for fault in FAULTS if fault.name in faults and faults[fault.name][pair]]


def mark_new(synthetic: str, real: str | None) -> list[tuple[str, bool]]:
    """Cut a target into pieces, each with whether it is new: words that the reference has not so often."""
    if real is None:
        return [(synthetic, False)]
    left = Counter(word.lower() for word in _WORDS.findall(real))
    pieces: list[tuple[str, bool]] = []
    for word in _WORDS.findall(synthetic):
        is_new = bool(word.strip()) and left[word.lower()] < 1
        left[word.lower()] -= 1
        if pieces and (pieces[-1][1] == is_new or word.isspace()):
            pieces[-1] = (pieces[-1][0] + word, pieces[-1][1])
        else:
            pieces.append((word, is_new))
    return pieces


def _describe(pair: Pair, value: float, ranking: Ranking, faults: list[str]) -> WorstPair:
    shown = ranking.form.format(value)
    return WorstPair(pair.id, pair.source, pair.real, pair.synthetic, value, shown, faults)


def _reference_rankings(measures: Measures) -> Iterator[Ranking]:
    if measures.agreement is not None:
        yield Ranking(
            *("agreement", "Least like the reference"),
            "Lowest chrF2. Not always wrong: a free translation looks the same, or a wrong reference.",
            "chrF {:.1f}",
            measures.agreement,
            -measures.agreement,
            np.ones(len(measures.agreement), bool),
        )


def _target_rankings(measures: Measures) -> Iterator[Ranking]:
    side = measures.sides["synthetic"]
    usual = float(np.median(measures.sides.get("real", side).ratio))
    everything = np.ones(len(side.ratio), bool)
    yield Ranking(
        *("length", "Strangest length"),
        f"Length ratio farthest from the usual {usual:.2f}, too long or too short.",
        "{:.2f} × the source's length",
        side.ratio,
        abs(np.log2(side.ratio / usual)),
        everything,
    )
    yield Ranking(
        *("repetition", "Most repetitive", "Most 8-grams of characters that came before.", "{:.0%} repeated"),
        side.repetition,
        side.repetition,
        side.repetition > 0,
    )
    yield Ranking(
        *(
            "copy",
            "Most copied",
            "Most words that the source has, too; longer copies first.",
            "{:.0%} copied",
        ),
        side.copied,
        side.copied + side.words / 1e6,
        side.copied > 0,
    )


def _model_rankings(measures: Measures) -> Iterator[Ranking]:
    """Rank by what the detector of languages and the aligner say."""
    side = measures.sides["synthetic"]
    bits = np.full(len(side.ratio), -1.0)
    bits[: measures.aligned] = side.complexity.bits
    if side.other_language is not None:
        yield Ranking(
            *("language", "Least like the language", "The detector is surest of another language."),
            "{:.0%} another language",
            side.other_language,
            side.other_language,
            side.other_language > 0,
        )
    yield Ranking(
        *("surprise", "Least explained by the source"),
        f"Most bits per word, given the source's words, in targets of {MIN_WORDS} words or more: here are"
        " hallucinations, and free translations too.",
        "{:.1f} bits per word",
        bits,
        bits,
        (bits >= 0) & (side.words >= MIN_WORDS),
    )


def _store_rankings(measures: Measures, stored: Stored | None) -> Iterator[Ranking]:
    if stored is None or not stored.found.any():
        return
    ratio = measures.sides["synthetic"].ratio
    yield Ranking(
        *("cut_off", "Cut off", "Cut off at the length limit; the longest for their source first."),
        "{:.2f} × the source's length",
        ratio,
        ratio,
        stored.cut_off,
    )
    yield Ranking(
        *("score", "Lowest score", "What the teacher itself was least sure of.", "score {:.2f}"),
        stored.score,
        -stored.score,
        stored.found,
    )
