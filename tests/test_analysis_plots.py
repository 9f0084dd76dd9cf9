"""Figures: three files that belong together, one style, lines that can be told apart."""

import csv
import xml.etree.ElementTree as ET
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib import rcParams
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from synthst.analysis.plots import (
    COLOURS,
    PIXELS_PER_INCH,
    WIDTH_INCHES,
    add_legend,
    beside,
    draw_line,
    label_axes,
    line_style,
    new_figure,
    save_figure,
)

# Machado, Oliveira and Fernandes 2009, table 1, severity 1.0: what linear RGB looks like to the colour-blind
PROTANOPIA = [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
]
DEUTERANOPIA = [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.011820, 0.042940, 0.968881],
]


def draw(out: Path) -> None:
    figure, (axes,) = new_figure(title="A title")
    draw_line(axes, [1, 2, 3], [0.5, 1.5, 2.5], number=0, label="real", deviation=[0.1, 0.1, 0.1])
    draw_line(axes, [1, 2, 3], [1.0, 2.0, 3.0], number=1, label="synth", markers=False)
    label_axes(axes, x="steps", y="loss")
    add_legend(axes)
    save_figure(figure, out, [["real", 1, 0.5], ["a,b", 2, None]], ["label", "step", "loss"])


def test_a_figure_is_a_png_an_svg_and_its_numbers(tmp_path: Path) -> None:
    draw(tmp_path / "new" / "figure1.2")
    names = sorted(path.name for path in (tmp_path / "new").iterdir())
    assert names == ["figure1.2.csv", "figure1.2.png", "figure1.2.svg"]
    assert imread(tmp_path / "new/figure1.2.png").shape[1] == WIDTH_INCHES * PIXELS_PER_INCH
    root = ET.fromstring((tmp_path / "new/figure1.2.svg").read_text(encoding="utf-8"))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    with (tmp_path / "new/figure1.2.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [["label", "step", "loss"], ["real", "1", "0.5"], ["a,b", "2", ""]]


def test_the_same_figure_gives_the_same_files(tmp_path: Path) -> None:
    draw(tmp_path / "one")
    draw(tmp_path / "two")
    for suffix in ("png", "svg", "csv"):
        one, two = (beside(tmp_path / name, suffix).read_bytes() for name in ("one", "two"))
        assert one == two


def test_drawing_leaves_matplotlibs_settings_alone(tmp_path: Path) -> None:
    before = dict(rcParams)
    draw(tmp_path / "figure")
    assert dict(rcParams) == before


def test_thirty_lines_differ_in_colour_or_dashes() -> None:
    styles = [(style["color"], str(style["linestyle"])) for style in map(line_style, range(30))]
    assert len(set(styles)) == 30


@pytest.mark.parametrize("vision", [np.eye(3), PROTANOPIA, DEUTERANOPIA], ids=["all", "no red", "no green"])
def test_the_colours_of_the_first_lines_differ_for_every_eye(vision: list[list[float]]) -> None:
    linear = np.array([to_rgb(colour) for colour in COLOURS[:4]]) ** 2.2
    seen = np.clip(linear @ np.array(vision).T, 0, 1) ** (1 / 2.2)
    assert min(np.linalg.norm(one - other) for one, other in combinations(seen, 2)) > 0.4


def test_panels_stand_one_below_the_other_over_one_x_axis() -> None:
    figure, (upper, lower) = new_figure(2)
    figure.draw_without_rendering()
    assert upper.get_position().y0 > lower.get_position().y1
    draw_line(upper, [0, 7], [1, 2], number=0)
    assert lower.get_xlim() == upper.get_xlim()


def test_the_legend_covers_no_line(tmp_path: Path) -> None:
    figure, (axes,) = new_figure(title="A title")
    for number in range(7):
        draw_line(axes, [0, 1], [number, 7], number=number, label=f"synth 24x6 seed {number}")
    add_legend(axes)
    figure.draw_without_rendering()
    (legend,) = figure.legends
    assert legend.get_window_extent().y0 >= axes.title.get_window_extent().y1
    assert legend.get_window_extent().x1 <= figure.bbox.width
