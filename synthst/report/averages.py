"""Put the scores of several test sets side by side, with their average, as in the paper's Tables 3 and 4."""

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from synthst.report.rows import ResultRow


def average_table(rows: Sequence[ResultRow]) -> str:
    """Return BLEU on each test set and the mean over them as a Markdown table, a line per system.

    Only systems that are scored on all test sets are in it; it is empty when there are fewer than two sets.
    """
    sets = list(dict.fromkeys(row.test_set for row in rows))
    systems: dict[Path, dict[str, ResultRow]] = {}
    for row in rows:
        systems.setdefault(row.directory, {})[row.test_set] = row
    lines = [_line([found[name] for name in sets]) for found in systems.values() if found.keys() == set(sets)]
    lines = [line for line in lines if line]
    if len(sets) < 2 or not lines:
        return ""
    heading = f"| BLEU: targets | Student | Subset | {' | '.join(sets)} | Average |\n"
    return heading + "| --- | --- |" + " ---: |" * (len(sets) + 2) + "\n" + "".join(lines)


def _line(rows: Sequence[ResultRow]) -> str:
    """Return a system's line, or nothing when a score lacks."""
    scores = [row.bleu for row in rows if row.bleu is not None]
    if len(scores) < len(rows):
        return ""
    first = rows[0]
    subset = "all" if first.subset is None else f"{first.subset:,}"
    cells = [first.targets.replace("|", "\\|"), first.student, subset]
    return f"| {' | '.join([*cells, *(f'{score:.1f}' for score in [*scores, fmean(scores)])])} |\n"
