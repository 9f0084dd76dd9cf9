"""Read what `synthst table` and `synthst entropy_table` have written, to be shown as grids."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from synthst.errors import DataError
from synthst.page.figures import read_rows
from synthst.page.models import list_files
from synthst.report.table import SIGNIFICANT

EXPERIMENT = {
    *("table", "preset", "row", "column", "system", "seed", "status", "bleu", "bleu_deviation", "delta"),
    *("delta_deviation", "p_value", "paper_row", "paper_column", "paper", "paper_delta"),
}
ENTROPIES = {"targets", "student", "subset", "sentences", "reference", "own", "cut_off", "paper"}

type Row = dict[str, str]


@dataclass(frozen=True)
class Shown:
    """A system's score in a cell, and its difference to the first system's, in words; "" for none."""

    score: str
    difference: str = ""


@dataclass(frozen=True)
class Cell:
    """What we have in a row and column, by system, and what the paper has there; [] for nothing."""

    ours: list[Shown]
    paper: list[Shown]


@dataclass(frozen=True)
class Table:
    """An experiment's grid. Columns and rows have a name of ours and the paper's ("" if it has none).

    ``averages`` are the columns that are means of others. ``deltas`` are the BLEU differences that were
    tested, each with whether it is significant.
    """

    title: str
    path: str
    systems: list[str]
    columns: list[tuple[str, str]]
    rows: list[tuple[str, str, list[Cell]]]
    seeds: list[str]
    averages: list[str]
    deltas: list[tuple[float, bool]]


@dataclass(frozen=True)
class Entropies:
    """The average entropies of models, as they were written."""

    path: str
    rows: list[Row]


def find_tables(exp: Path) -> list[Table | Entropies]:
    """Return the tables below ``exp`` in order of their paths; they are known by their columns."""
    found: list[Table | Entropies] = []
    for path in list_files(exp, "*.csv"):
        heading, *rows = read_rows(path) or [[]]
        relative = path.relative_to(exp).as_posix()
        if set(heading) >= EXPERIMENT and rows:
            found.append(make_table(to_rows(path, heading, rows), read_title(path), relative))
        elif set(heading) >= ENTROPIES and rows:
            found.append(Entropies(relative, to_rows(path, heading, rows)))
    return found


def to_rows(path: Path, heading: Sequence[str], rows: Sequence[Sequence[str]]) -> list[Row]:
    """Return each row by column name."""
    for number, row in enumerate(rows, 2):
        if len(row) != len(heading):
            raise DataError(f"{path}:{number} has {len(row)} cells of {len(heading)}; make the table again")
    return [dict(zip(heading, row, strict=True)) for row in rows]


def read_title(path: Path) -> str:
    """Return the heading of the Markdown beside a CSV, or the file's name."""
    try:
        first = path.with_suffix(".md").read_text(encoding="utf-8").partition("\n")[0]
    except OSError:
        first = ""
    return first.removeprefix("# ") if first.startswith("# ") else path.stem.replace("_", " ")


def make_table(rows: Sequence[Row], title: str, path: str) -> Table:
    """Lay rows out as a grid, in the order in which names come first; of several seeds the mean is shown."""
    names = {key: list(dict.fromkeys(row[key] for row in rows)) for key in ("row", "column", "system")}
    places: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        places.setdefault((row["row"], row["column"], row["system"]), []).append(row)
    try:
        cells = {
            (row, column): make_cell([places.get((row, column, system), []) for system in names["system"]])
            for row in names["row"]
            for column in names["column"]
        }
        chosen = [row for row in map(choose_row, places.values()) if row is not None and row["p_value"]]
        deltas = [(float(row["delta"]), is_significant(row)) for row in chosen]
    except ValueError as error:
        raise DataError(f"{path}: {error}; make the table again") from error
    return Table(
        *(title, path, names["system"]),
        columns=[(name, name_in_paper(rows, "column", name)) for name in names["column"]],
        rows=[
            (name, name_in_paper(rows, "row", name), [cells[name, column] for column in names["column"]])
            for name in names["row"]
        ],
        seeds=[seed for seed in dict.fromkeys(row["seed"] for row in rows) if seed not in ("", "all")],
        averages=[name for name in names["column"] if is_average(rows, name)],
        deltas=deltas,
    )


def make_cell(systems: Sequence[Sequence[Row]]) -> Cell:
    """Make a cell of the rows of each system."""
    chosen = [choose_row(rows) for rows in systems]
    ours = [Shown("–") if row is None else show_score(row) for row in chosen]
    paper = [row for row in chosen if row is not None and row["paper"]]
    return Cell(ours, [Shown(row["paper"], signed(row["paper_delta"])) for row in paper])


def choose_row(rows: Sequence[Row]) -> Row | None:
    """Return the row of all seeds, if there is one, else the only one."""
    return next((row for row in rows if row["seed"] == "all"), rows[0] if rows else None)


def is_average(rows: Sequence[Row], column: str) -> bool:
    """Tell whether a column is the mean of the others: no row of it is of a training."""
    return {row["seed"] for row in rows if row["column"] == column} == {"all"}


def is_significant(row: Row) -> bool:
    """Tell whether a difference was tested and found significant."""
    return bool(row["p_value"]) and float(row["p_value"]) < SIGNIFICANT


def count_significant(tables: Sequence[Table]) -> tuple[int, int, int]:
    """Return how many BLEU differences are significantly above 0, how many below, of how many tested."""
    deltas = [delta for table in tables for delta in table.deltas]
    significant = [delta for delta, is_told in deltas if is_told]
    return sum(delta > 0 for delta in significant), sum(delta < 0 for delta in significant), len(deltas)


def show_score(row: Row) -> Shown:
    """Show a score with its deviation; a difference that is significant gets a star."""
    if not row["bleu"]:
        return Shown("failed" if row["status"] == "failed" else "–")
    if not row["delta"]:
        return Shown(with_deviation(row, "bleu"))
    star = "*" if is_significant(row) else ""
    return Shown(with_deviation(row, "bleu"), f"{with_deviation(row, 'delta', '+.1f')}{star}")


def with_deviation(row: Row, key: str, form: str = ".1f") -> str:
    """Write a number, and its deviation over seeds if known."""
    deviation = row[f"{key}_deviation"]
    return f"{float(row[key]):{form}}" + (f" ± {float(deviation):.1f}" if deviation else "")


def signed(number: str) -> str:
    """Write a difference with its sign; nothing for nothing."""
    return f"{float(number):+.1f}" if number else ""


def name_in_paper(rows: Sequence[Row], axis: str, name: str) -> str:
    """Return what stands in the paper in place of a row or column, if it is called otherwise there."""
    names = {row[f"paper_{axis}"] for row in rows if row[axis] == name} - {"", name}
    return " or ".join(sorted(names))
