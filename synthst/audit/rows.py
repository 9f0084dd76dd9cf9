"""The corpus-wide measures of real and synthetic targets: a table's rows, with what they mean."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from synthst.audit.diversity import N_GRAMS
from synthst.audit.faults import FAULTS, Flags
from synthst.audit.measures import Measures, Side
from synthst.audit.stored import Stored


@dataclass(frozen=True)
class Row:
    """One measure of both sides, None where it cannot be told.

    ``kind`` is "count", "points" (0 to 100, or lengths), "decimal" or "percent": that is in 0..1, perhaps
    with the counts.
    """

    group: str
    key: str
    title: str
    kind: str
    explanation: str
    real: float | None
    synthetic: float | None
    real_count: int | None = None
    synthetic_count: int | None = None


@dataclass(frozen=True)
class Measure:
    """A number that each side has: its row but for the values."""

    group: str
    key: str
    title: str
    kind: str
    explanation: str
    value: Callable[[Side], float]

    def row(self, sides: dict[str, Side]) -> Row:
        """Measure both sides."""
        values = {side: float(self.value(measured)) for side, measured in sides.items()}
        described = (self.group, self.key, self.title, self.kind, self.explanation)
        return Row(*described, values.get("real"), values["synthetic"])


def _ratio_percentile(percentile: int, side: Side) -> float:
    return float(np.percentile(side.ratio, percentile))


def _distinct(n: int, side: Side) -> float:
    return side.diversity.distinct[n]


LENGTHS = (
    Measure(
        *("Lengths", "words", "Words", "points", "Mean of a target; punctuation marks count."),
        lambda side: side.words.mean(),
    ),
    Measure(
        *("Lengths", "characters", "Characters", "points", "Mean of a target."),
        lambda side: side.characters.mean(),
    ),
    Measure(
        *("Lengths", "ratio_p50", "Length ratio, median", "decimal"),
        "Characters of the target for one of the source.",
        partial(_ratio_percentile, 50),
    ),
    Measure(
        *("Lengths", "ratio_p5", "Length ratio, 5th percentile", "decimal"),
        "Where it is low, something is left out.",
        partial(_ratio_percentile, 5),
    ),
    Measure(
        *("Lengths", "ratio_p95", "Length ratio, 95th percentile", "decimal"),
        "Where it is high, something is added.",
        partial(_ratio_percentile, 95),
    ),
)
SHARES = (
    Measure(
        *("Faults", "repetition_mean", "Repeated characters", "percent"),
        "Mean share of a target's 8-grams of characters that came before in it.",
        lambda side: side.repetition.mean(),
    ),
    Measure(
        *("Faults", "copied_mean", "Words of the source", "percent"),
        "Mean share of a target's words that its source has too; names and terms are among them.",
        lambda side: side.copied.mean(),
    ),
    Measure(
        *("Faults", "duplicates", "Duplicates", "percent"),
        "Targets that another pair has, too.",
        lambda side: 1 - side.distinct_targets / len(side.ratio),
    ),
)
DIVERSITY = (
    Measure(
        *("Diversity", "types", "Different words", "count"),
        "A teacher prefers frequent words; a student never sees the others.",
        lambda side: side.diversity.types,
    ),
    Measure(
        *("Diversity", "type_token_ratio", "Type-token ratio", "percent"),
        "Different words among 1,000 in a row, the mean over all such windows.",
        lambda side: side.diversity.type_token_ratio,
    ),
    *(
        Measure(
            *("Diversity", f"distinct_{n}", f"Distinct {n}-grams", "percent"),
            f"Different sequences of {n} words among all of them.",
            partial(_distinct, n),
        )
        for n in N_GRAMS
        if n > 1
    ),
)
COMPLEXITY = (
    Measure(
        *("Complexity", "entropy_by_token", "Conditional entropy, by occurrence", "decimal"),
        "Bits that stay open about a target word when its source word is known.",
        lambda side: side.complexity.by_token,
    ),
    Measure(
        *("Complexity", "entropy_by_type", "Conditional entropy, by source word", "decimal"),
        "The same as a mean over the source's vocabulary. Less is easier to learn; far less may mean that"
        " wrong translations are uniform, too.",
        lambda side: side.complexity.by_type,
    ),
    Measure(
        *("Complexity", "surprise", "Surprise", "decimal"),
        "Bits of a target word, given all words of the source.",
        lambda side: side.complexity.bits.mean(),
    ),
)


def list_rows(measures: Measures, stored: Stored | None) -> list[Row]:
    """Return all rows, those of a group together."""
    return [
        *_fault_rows(measures),
        *(measure.row(measures.sides) for measure in SHARES),
        *_agreement_rows(measures, stored),
        *(measure.row(measures.sides) for measure in LENGTHS),
        *(measure.row(measures.sides) for measure in DIVERSITY),
        *_vocabulary_rows(measures),
        *(measure.row(measures.sides) for measure in COMPLEXITY),
    ]


def _fault_rows(measures: Measures) -> Iterator[Row]:
    """List the shares of targets with each fault, and with any; what cannot be told has no values."""
    for fault in FAULTS:
        flags = {side: measured.faults.get(fault.name) for side, measured in measures.sides.items()}
        described = (
            "Faults",
            fault.name,
            fault.title,
            "percent",
            f"{fault.explanation} Filter {fault.name}.",
        )
        yield _share_row(described, flags)
    any_fault = {side: _any_fault(measured) for side, measured in measures.sides.items()}
    described = ("Faults", "any", "Any of these", "percent", "Targets with one fault or more.")
    yield _share_row(described, any_fault)


def _any_fault(side: Side) -> Flags:
    any_fault: Flags = np.logical_or.reduce(list(side.faults.values()))
    return any_fault


def _share_row(described: tuple[str, str, str, str, str], flags: Mapping[str, Flags | None]) -> Row:
    counts = {side: None if found is None else int(found.sum()) for side, found in flags.items()}
    shares = {side: None if found is None else float(found.mean()) for side, found in flags.items()}
    real, synthetic = ((shares.get(side), counts.get(side)) for side in ("real", "synthetic"))
    return Row(*described, real[0], synthetic[0], real[1], synthetic[1])


def _agreement_rows(measures: Measures, stored: Stored | None) -> Iterator[Row]:
    group, agreement = "Agreement", measures.agreement
    if agreement is not None:
        described = (group, "agreement", "chrF2 to the reference", "points")
        yield Row(*described, "Mean over sentences, 0 to 100.", None, float(agreement.mean()))
        for percentile, title in ((5, "chrF2, 5th percentile"), (95, "chrF2, 95th percentile")):
            value = float(np.percentile(agreement, percentile))
            yield Row(group, f"agreement_p{percentile}", title, "points", "", None, value)
        count = int((agreement >= 100).sum())
        share = count / len(agreement)
        row = (group, "identical", "Equal to the reference", "percent", "But for blanks.", None, share)
        yield Row(*row, None, count)
    if stored is not None and stored.found.any():
        score = float(stored.score[stored.found].mean())
        told = "Mean of what the store says; with length normalisation, a token's log-probability."
        yield Row(group, "score", "Teacher's score", "decimal", told, None, score)


def _vocabulary_rows(measures: Measures) -> Iterator[Row]:
    if measures.vocabulary_kept is not None:
        described = ("Diversity", "vocabulary_kept", "Vocabulary kept", "percent")
        told = "Share of the references' different words that the synthetic targets have, too."
        yield Row(*described, told, None, measures.vocabulary_kept)
