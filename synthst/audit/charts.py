"""Work out the coordinates of a histogram's picture, for SVG."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 320.0, 150.0
LEFT, RIGHT, TOP, BOTTOM = 4.0, 4.0, 8.0, 30.0
MAX_TICKS = 6


@dataclass(frozen=True)
class Bar:
    """A bin: where its bar stands, and what it says when pointed at."""

    x: float
    width: float
    y: float
    height: float
    told: str


@dataclass(frozen=True)
class Chart:
    """Bars of the synthetic targets, an outline of the real ones ("" if there are none), ticks below."""

    bars: list[Bar]
    outline: str
    ticks: list[tuple[float, str]]
    base: float = HEIGHT - BOTTOM
    width: float = WIDTH
    height: float = HEIGHT


def draw_histogram(histogram: Mapping[str, Any]) -> Chart:
    """Place the bins of an entry of "histograms" in the report."""
    edges, counts = histogram["edges"], histogram["counts"]
    real, synthetic = counts.get("real"), counts["synthetic"]
    highest = max([1, *synthetic, *(real or [])])
    step = (WIDTH - LEFT - RIGHT) / len(synthetic)
    bars = [
        Bar(
            x=_round(LEFT + n * step + 0.5),
            width=_round(step - 1),
            y=_round(_level(count, highest)),
            height=_round(HEIGHT - BOTTOM - _level(count, highest)),
            told=_tell(edges[n], edges[n + 1], count, None if real is None else real[n]),
        )
        for n, count in enumerate(synthetic)
    ]
    return Chart(bars, _outline(real, highest, step) if real else "", _ticks(edges, step))


def _level(count: int, highest: int) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * count / highest


def _outline(counts: Sequence[int], highest: int, step: float) -> str:
    base = _round(HEIGHT - BOTTOM)
    path = f"M{LEFT} {base}"
    for n, count in enumerate(counts):
        path += f"V{_round(_level(count, highest))}H{_round(LEFT + (n + 1) * step)}"
    return f"{path}V{base}"


def _ticks(edges: Sequence[float], step: float) -> list[tuple[float, str]]:
    every = -(-(len(edges) - 1) // MAX_TICKS)
    return [(_round(LEFT + n * step), f"{edge:g}") for n, edge in enumerate(edges) if n % every == 0]


def _tell(low: float, high: float, synthetic: int, real: int | None) -> str:
    told = f"{low:g} to {high:g}: {synthetic:,} synthetic"
    return told if real is None else f"{told}, {real:,} real"


def _round(value: float) -> float:
    return round(value, 2)
