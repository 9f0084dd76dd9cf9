"""Say in sentences what stands out in an audit, the faults first."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from synthst.audit.numbers import show_change, show_percent
from synthst.audit.rows import Row

MUCH = 0.01  # of the pairs: a fault is a warning where so many more synthetic than real targets have it
FEW_KEPT = 0.5  # a vocabulary of which less is kept is a warning


@dataclass(frozen=True)
class Finding:
    """A sentence, and how much it matters: a warning, a note, or good news."""

    level: Literal["warning", "note", "good"]
    text: str
    advice: str = ""


def find_remarkable(rows: Sequence[Row], pairs: int) -> list[Finding]:
    """Return what stands out among the rows of ``pairs`` pairs, warnings first."""
    known = {row.key: row for row in rows}
    findings = [
        *_fault_findings(rows, pairs),
        *_duplicate_finding(known["duplicates"]),
        *_vocabulary_finding(known["types"], known.get("vocabulary_kept")),
        *_agreement_finding(known.get("agreement"), known.get("agreement_p5")),
        *_entropy_finding(known["entropy_by_token"]),
    ]
    order = {"warning": 0, "good": 1, "note": 2}
    return sorted(findings, key=lambda finding: order[finding.level])


def _fault_findings(rows: Sequence[Row], pairs: int) -> Iterator[Finding]:
    faults = [row for row in rows if row.synthetic_count is not None and row.group == "Faults"]
    single = [row for row in faults if row.key != "any"]
    much = False
    for row in sorted(single, key=lambda row: -(row.synthetic_count or 0)):
        assert row.synthetic_count is not None
        excess = row.synthetic_count - (row.real_count or 0)
        if excess <= 0:
            continue
        much = much or excess >= MUCH * pairs
        text = f"{row.title}: {row.synthetic_count:,} of {pairs:,} synthetic targets"
        text += f" ({show_percent(row.synthetic)})"
        text += "" if row.real_count is None else f", {row.real_count:,} of the references"
        level: Literal["warning", "note"] = "warning" if excess >= MUCH * pairs else "note"
        yield Finding(level, f"{text}.", f"The filter {row.key} drops them.")
    if single and not much:
        yield Finding("good", "No fault is more frequent than in the references by one percentage point.")


def _duplicate_finding(row: Row) -> Iterator[Finding]:
    if row.real is not None and row.synthetic is not None and row.synthetic - row.real >= MUCH:
        told = f"Duplicates: {show_percent(row.synthetic)} of the synthetic targets are another pair's, too"
        yield Finding("note", f"{told}, {show_percent(row.real)} of the references.")


def _vocabulary_finding(types: Row, kept: Row | None) -> Iterator[Finding]:
    if types.real and types.synthetic is not None and kept is not None and kept.synthetic is not None:
        text = (
            f"Vocabulary: {types.synthetic:,.0f} different words, against {types.real:,.0f} in the references"
        )
        text += f" ({show_change(types.real, types.synthetic)}); of theirs"
        text += f" {show_percent(kept.synthetic)} are kept."
        yield Finding("warning" if kept.synthetic < FEW_KEPT else "note", text)


def _agreement_finding(mean: Row | None, low: Row | None) -> Iterator[Finding]:
    if mean is not None and low is not None:
        text = f"Agreement: chrF2 to the references is {mean.synthetic:.1f} on average, and below"
        yield Finding("note", f"{text} {low.synthetic:.1f} for one sentence in twenty.")


def _entropy_finding(row: Row) -> Iterator[Finding]:
    if row.real and row.synthetic is not None:
        simpler = "simpler to learn" if row.synthetic < row.real else "no simpler to learn"
        text = f"Complexity: {row.synthetic:.2f} bits of conditional entropy, against {row.real:.2f}"
        text += f" ({show_change(row.real, row.synthetic)}): the synthetic targets are {simpler}."
        yield Finding("note", text)
