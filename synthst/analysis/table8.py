"""The command `synthst entropy_table`: several models' entropies side by side (the paper's Table 8)."""

from pathlib import Path

from synthst.analysis.entropy import read_entropy
from synthst.analysis.plots import Cell, beside, write_rows
from synthst.atomic import atomic_file
from synthst.errors import ConfigError

PAPER = {  # average entropy in nats, by languages, targets and student
    ("en", "de", "real"): {"2x2": 2.4, "6x6": 2.4, "24x6": 2.5},
    ("en", "de", "synth"): {"2x2": 1.8, "6x6": 1.8, "24x6": 1.7},
    ("en", "ru", "real"): {"2x2": 2.6, "6x6": 2.4, "24x6": 2.3},
    ("en", "ru", "synth"): {"2x2": 1.8, "6x6": 1.8, "24x6": 1.9},
}
COLUMNS = {
    "targets": "Targets",
    "student": "Student",
    "subset": "Subset",
    "sentences": "Sentences",
    "reference": "Entropy along the reference",
    "own": "Entropy along its own output",
    "cut_off": "Cut off",
    "paper": "Paper",
}


def entropy_table(entropies: list[Path], out: Path) -> None:
    """Write what `entropy` measured in each of the directories ``entropies`` as one table.

    ``out``.md and ``out``.csv: entropies in nats per token, and the paper's number where it has a model of
    these languages, targets and size, which learnt from other data. Raises ConfigError when the test sets are
    not the same.
    """
    found = [read_entropy(directory) for directory in entropies]
    sets = {(one["data"], one["src"], one["tgt"]) for one in found}
    if len(sets) != 1:
        raise ConfigError(f"entropies of {len(sets)} test sets are no table; name those of one of them")
    rows = [make_row(one) for one in found]
    out.parent.mkdir(parents=True, exist_ok=True)
    write_rows(beside(out, "csv"), rows, list(COLUMNS))
    table = show_table(rows)
    with atomic_file(beside(out, "md")) as file:
        file.write(table.encode())
    print(table, end="")


def make_row(found: dict[str, object]) -> list[Cell]:
    """Return the cells of one model, in the order of COLUMNS."""
    labels, reference, own = (found[key] for key in ("labels", "reference", "own"))
    assert isinstance(labels, dict) and isinstance(reference, dict) and isinstance(own, dict)
    targets, student, subset = (labels.get(key) for key in ("targets", "student", "subset"))
    paper = PAPER.get((str(found["src"]), str(found["tgt"]), str(targets)), {}).get(str(student))
    counts = [int(str(found[key])) for key in ("sentences", "cut_off")]
    return [
        *(targets, student, subset, counts[0]),
        *(float(reference["entropy"]), float(own["entropy"]), counts[1], paper),
    ]


def show_table(rows: list[list[Cell]]) -> str:
    """Return the rows as Markdown."""
    lines = [list(COLUMNS.values()), ["---"] * 3 + ["---:"] * (len(COLUMNS) - 3)]
    lines += [[_show(cell) for cell in row] for row in rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _show(cell: Cell) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, float):
        return f"{cell:.2f}"
    return f"{cell:,}" if isinstance(cell, int) else cell.replace("|", "\\|")
