"""Find the figures below a folder: pictures that have their numbers as CSV beside them."""

import csv
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from synthst.errors import DataError
from synthst.html import data_uri
from synthst.page.models import list_files

MAX_ROWS = 200  # of a figure's numbers on the page; all are in the CSV


@dataclass(frozen=True)
class Figure:
    """A picture as a data: URI, and its numbers; ``left_out`` of their rows are not here."""

    name: str
    path: str
    image: str
    heading: list[str]
    rows: list[list[str]]
    left_out: int


def find_figures(exp: Path) -> list[Figure]:
    """Return the figures below ``exp`` in order of their paths; other pictures are no figures."""
    paths = [path for path in list_files(exp, "*.png") if path.with_suffix(".csv").is_file()]
    return [read_figure(path, exp) for path in paths]


def read_figure(path: Path, exp: Path) -> Figure:
    """Read a picture and the CSV beside it."""
    heading, *rows = read_rows(path.with_suffix(".csv")) or [[]]
    return Figure(
        name=path.stem.replace("_", " "),
        path=path.relative_to(exp).as_posix(),
        image=data_uri(path.read_bytes(), "image/png"),
        heading=heading,
        rows=list(islice(rows, MAX_ROWS)),
        left_out=max(0, len(rows) - MAX_ROWS),
    )


def read_rows(path: Path) -> list[list[str]]:
    """Read all rows of a CSV."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.reader(file))
    except (ValueError, csv.Error) as error:
        raise DataError(f"{path} is no CSV that can be read ({error}); make it again") from error
