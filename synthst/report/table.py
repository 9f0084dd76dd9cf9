"""Show the rows of a results table: as Markdown, on a terminal and in words."""

import re
import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from synthst.report.rows import ResultRow
from synthst.testsets import set_name

TERMINAL_COLUMNS = 100
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Column:
    """A column: its heading in Markdown and on a terminal, and the text of a row's cell."""

    heading: str
    short: str
    cell: Callable[[ResultRow], str]
    is_number: bool = True


def show_number(value: float | None, digits: int = 0) -> str:
    """Write a number with thousands separated, or "-" when it is not known."""
    return "-" if value is None else f"{value:,.{digits}f}"


def show_p_value(p_value: float) -> str:
    """Write a p-value with the digits that matter near 0.05."""
    if p_value < 0.001:
        return "p < 0.001"
    return f"p = {p_value:.3f}" if p_value < 0.1 else f"p = {p_value:.2f}"


def show_verdict(delta: float, p_value: float) -> str:
    """Say in words what a difference and its p-value allow to say."""
    if p_value >= SIGNIFICANT:
        return f"no significant difference, {show_p_value(p_value)}"
    return f"{'better' if delta > 0 else 'worse'}, {show_p_value(p_value)}"


def _delta_cell(row: ResultRow) -> str:
    if row.is_baseline:
        return "baseline"
    if row.bleu_delta is None or row.bleu_p_value is None:
        return "-"
    return f"{row.bleu_delta:+.1f} ({show_verdict(row.bleu_delta, row.bleu_p_value)})"


def _short_delta_cell(row: ResultRow) -> str:
    if row.is_baseline or row.bleu_delta is None or row.bleu_p_value is None:
        return _delta_cell(row)
    return f"{row.bleu_delta:+.1f} {show_p_value(row.bleu_p_value).replace(' ', '')}"


def _minutes_cell(row: ResultRow) -> str:
    return show_number(None if row.train_seconds is None else row.train_seconds / 60, 1)


COLUMNS = (
    Column("Targets", "Targets", lambda row: row.targets, is_number=False),
    Column("Student", "Student", lambda row: row.student, is_number=False),
    Column("Subset", "Subset", lambda row: "all" if row.subset is None else show_number(row.subset)),
    Column("Test set", "Test", lambda row: set_name(row.test_set), is_number=False),
    Column("BLEU", "BLEU", lambda row: show_number(row.bleu, 1)),
    Column("chrF2", "chrF2", lambda row: show_number(row.chrf2, 1)),
    Column("BLEU to {baseline}", "to {baseline}", _delta_cell, is_number=False),
    Column("Training sentences", "Sentences", lambda row: show_number(row.train_sentences)),
    Column("Parameters", "Params", lambda row: show_number(row.parameters)),
    Column("Training minutes", "Minutes", _minutes_cell),
    Column("Decoded sentences/s", "Sent/s", lambda row: show_number(row.speed, 1)),
)


def result_table(rows: Sequence[ResultRow], *, baseline: str = "real") -> str:
    """Return the rows as a Markdown table."""
    headings = [column.heading.format(baseline=baseline) for column in COLUMNS]
    rules = ["---:" if column.is_number else "---" for column in COLUMNS]
    lines = [headings, rules]
    lines += [[column.cell(row).replace("|", "\\|") for column in COLUMNS] for row in rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def terminal_table(rows: Sequence[ResultRow], *, baseline: str = "real") -> str:
    """Return the rows in aligned columns, at most 100 characters wide, then what they show in words."""
    lines = [[column.short.format(baseline=baseline) for column in COLUMNS]]
    lines += [[_terminal_cell(column, row) for column in COLUMNS] for row in rows]
    widths = _fit_widths([max(map(len, cells)) for cells in zip(*lines, strict=True)])
    lines.insert(1, ["-" * width for width in widths])
    text = "".join(f"{_align(cells, widths)}\n" for cells in lines)
    for finding in find_differences(rows, baseline=baseline) + find_notes(rows):
        text += _wrap(finding) + "\n"
    return text


def print_table(rows: Sequence[ResultRow], *, baseline: str = "real") -> None:
    """Print the rows as terminal_table makes them."""
    sys.stdout.write(terminal_table(rows, baseline=baseline))


def find_differences(rows: Sequence[ResultRow], *, baseline: str = "real") -> list[str]:
    """Say for every row that was compared whether it differs from the baseline, in one sentence each."""
    findings = []
    for row in rows:
        parts = [
            f"{name} {delta:+.1f} ({show_verdict(delta, p_value)})"
            for name, delta, p_value in (
                ("BLEU", row.bleu_delta, row.bleu_p_value),
                ("chrF2", row.chrf2_delta, row.chrf2_p_value),
            )
            if delta is not None and p_value is not None
        ]
        if parts:
            findings.append(f"{_name(row)}, against {baseline} targets: {', '.join(parts)}.")
    return findings or [f"Nothing was compared with {baseline} targets: that takes two scored students."]


def find_notes(rows: Sequence[ResultRow]) -> list[str]:
    """Return what a reader must know beside the numbers: unequal steps, sentences cut off and the like."""
    notes = [f"{_name(row)}: {note}." for row in rows for note in row.notes]
    return list(dict.fromkeys(notes))


def _wrap(finding: str) -> str:
    """Break a sentence into lines, but not within a p-value."""
    held = re.sub(r"p ([=<]) ", "p\u00a0\\1\u00a0", finding)
    return textwrap.fill(held, TERMINAL_COLUMNS, subsequent_indent="  ").replace("\u00a0", " ")


def _name(row: ResultRow) -> str:
    subset = "all sentences" if row.subset is None else f"subset {row.subset:,}"
    return f"{row.targets} ({row.student}, {subset}, {set_name(row.test_set)})"


def _terminal_cell(column: Column, row: ResultRow) -> str:
    if column.short == "Params" and row.parameters is not None and row.parameters >= 1_000_000:
        return f"{row.parameters / 1e6:,.1f}M"
    return _short_delta_cell(row) if column.cell is _delta_cell else column.cell(row)


def _fit_widths(widths: Sequence[int]) -> list[int]:
    """Narrow the columns of names, the widest first, until a line with two blanks between fits."""
    fitted = list(widths)
    names = [n for n, column in enumerate(COLUMNS) if column.short in ("Targets", "Student", "Test")]
    while sum(fitted) + 2 * (len(fitted) - 1) > TERMINAL_COLUMNS:
        widest = max(names, key=lambda number: fitted[number])
        if fitted[widest] <= 4:
            break
        fitted[widest] -= 1
    return fitted


def _align(cells: Sequence[str], widths: Sequence[int]) -> str:
    aligned = []
    for column, cell, width in zip(COLUMNS, cells, widths, strict=True):
        shown = cell if len(cell) <= width else f"{cell[: width - 1]}…"
        aligned.append(shown.rjust(width) if column.is_number else shown.ljust(width))
    return "  ".join(aligned).rstrip()
