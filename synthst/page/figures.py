"""Find the figures below a folder: pictures that have their numbers as CSV beside them."""

import csv
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from synthst.errors import DataError
from synthst.html import data_uri
from synthst.page.models import list_files

MAX_ROWS = 200  # of a figure's numbers on the page; all are in the CSV


KINDS: tuple[tuple[set[str], str, str], ...] = (  # columns of the numbers, then name and caption
    (
        {"step", "loss", "variance"},
        "Figure 1: training loss and its variance",
        "Above the training loss over the steps, below its variance between batches. The paper reports that "
        "both are lower with synthetic targets than with real ones.",
    ),
    (
        {"step", "bleu", "switched_after_step"},
        "Figure 2: targets that change during training",
        "BLEU on the development set over the steps; targets change at the vertical line. The paper reports "
        "that BLEU falls at once where real follow synthetic targets, and rises at once where synthetic "
        "follow real ones.",
    ),
    (
        {"k", "bleu", "deviation"},
        "Figure 3: BLEU in top-k sampling",
        "BLEU when each token is drawn among the k likeliest, with the standard deviation over drawings. The "
        "paper reports that it falls less with k for models that learnt from synthetic targets.",
    ),
)


@dataclass(frozen=True)
class Figure:
    """A picture as a data: URI, and its numbers; ``left_out`` of their rows are not here.

    ``caption`` says what is drawn and what the paper reports, "" if this is none of its figures.
    """

    name: str
    caption: str
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
    name, caption = name_figure(path, heading)
    return Figure(
        name=name,
        caption=caption,
        path=path.relative_to(exp).as_posix(),
        image=data_uri(path.read_bytes(), "image/png"),
        heading=heading,
        rows=list(islice(rows, MAX_ROWS)),
        left_out=max(0, len(rows) - MAX_ROWS),
    )


def name_figure(path: Path, heading: list[str]) -> tuple[str, str]:
    """Return a figure's name and caption; it is known by the columns of its numbers."""
    kinds = ((name, caption) for columns, name, caption in KINDS if columns <= set(heading))
    return next(kinds, (path.stem.replace("_", " "), ""))


def read_rows(path: Path) -> list[list[str]]:
    """Read all rows of a CSV."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.reader(file))
    except (ValueError, csv.Error) as error:
        raise DataError(f"{path} is no CSV that can be read ({error}); make it again") from error
