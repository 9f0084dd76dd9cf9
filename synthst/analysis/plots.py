"""Draw every figure in one style, for print and screen, and write its numbers beside it.

Colours are those of Okabe and Ito ("Color Universal Design", 2008), which people with any kind of colour
vision tell apart; each line also has dashes and a marker of its own, for print in black and white.
"""

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from synthst.atomic import atomic_file

WIDTH_INCHES = 6.0
PANEL_INCHES = 3.2
PIXELS_PER_INCH = 200
COLOURS = ("#0072B2", "#D55E00", "#56B4E9", "#000000", "#009E73", "#E69F00", "#CC79A7")
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
STYLE: dict[Any, Any] = {
    "font.size": 10.0,
    "axes.labelsize": 10.0,
    "axes.titlesize": 10.0,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#D9D9D9",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.6,
    "lines.markersize": 5.0,
    "legend.fontsize": 9.0,
    "legend.frameon": False,
    "errorbar.capsize": 3.0,
    "svg.hashsalt": "synthst",  # the same figure gives the same file
}

Numbers = Sequence[float] | np.ndarray[Any, np.dtype[np.float64]]
Cell = str | int | float | None


def new_figure(panels: int = 1, *, title: str = "", share_x: bool = True) -> tuple[Figure, list[Axes]]:
    """Make a figure of ``panels`` axes, one below the other, with one x axis for all if ``share_x``."""
    with rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_INCHES, 0.6 + PANEL_INCHES * panels**0.75), layout="constrained")
        axes = figure.subplots(panels, 1, sharex=share_x, squeeze=False)[:, 0]
        if title:
            axes[0].set_title(title)
    return figure, list(axes)


def line_style(number: int) -> dict[str, Any]:
    """Return colour, dashes and marker of the line ``number``, counted from 0, for `Axes.plot`."""
    marker = MARKERS[number % len(MARKERS)]
    return {
        "color": COLOURS[number % len(COLOURS)],
        "linestyle": DASHES[number % len(DASHES)],
        "marker": marker,
    }


def draw_line(
    axes: Axes,
    x: Numbers,
    y: Numbers,
    *,
    number: int,
    label: str = "",
    deviation: Numbers | None = None,
    markers: bool = True,
) -> None:
    """Draw line ``number``, with bars of ``deviation`` up and down if given; NaN leaves a gap."""
    style = line_style(number) | ({} if markers else {"marker": ""})
    with rc_context(STYLE):
        if deviation is None:
            axes.plot(x, y, label=label or None, **style)
        else:
            axes.errorbar(x, y, yerr=deviation, label=label or None, elinewidth=1.0, **style)


def label_axes(axes: Axes, *, x: str = "", y: str = "") -> None:
    """Name the axes, with their units."""
    axes.set_xlabel(x)
    axes.set_ylabel(y)


def add_legend(axes: Axes, *, place: Any = None) -> None:
    """Explain the lines that have a label: above the figure, where it covers none, or at ``place`` inside."""
    handles, labels = axes.get_legend_handles_labels()
    with rc_context(STYLE):
        if place is not None:
            axes.legend(handles, labels, loc=place, handlelength=3.2)
            return
        columns = next((n for n in (4, 3, 2) if n * max(map(len, labels), default=0) <= 60), 1)
        axes.figure.legend(handles, labels, loc="outside upper center", ncols=columns, handlelength=3.2)


def save_figure(figure: Figure, out: Path, rows: Iterable[Sequence[Cell]], header: Sequence[str]) -> None:
    """Write ``out``.png, ``out``.svg and ``out``.csv, each whole or not at all.

    ``rows`` under ``header`` are the numbers that the figure shows; None is an empty cell.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    write_rows(beside(out, "csv"), rows, header)
    with rc_context(STYLE):
        _write(beside(out, "png"), lambda file: figure.savefig(file, format="png", dpi=PIXELS_PER_INCH))
        _write(beside(out, "svg"), lambda file: figure.savefig(file, format="svg", metadata={"Date": None}))


def beside(out: Path, suffix: str) -> Path:
    """Name a figure's file; a dot in ``out`` is part of its name."""
    return out.with_name(f"{out.name}.{suffix}")


def write_rows(out: Path, rows: Iterable[Sequence[Cell]], header: Sequence[str]) -> None:
    """Write numbers as CSV, floats to 6 digits."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([f"{cell:.6g}" if isinstance(cell, float) else cell for cell in row] for row in rows)
    _write(out, lambda file: file.write(text.getvalue().encode()))


def _write(path: Path, write: Callable[[BinaryIO], object]) -> None:
    with atomic_file(path) as file:
        write(file)
