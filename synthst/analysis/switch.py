"""The command `synthst switch_plot`: BLEU while the targets change (the paper's Figure 2)."""

import logging
from pathlib import Path
from typing import Any

from synthst.analysis.models import name_models, read_training
from synthst.analysis.plots import Cell, add_legend, draw_line, label_axes, new_figure, save_figure
from synthst.errors import ConfigError
from synthst.espnet.bleu_curve import CurvePoint, read_curve

logger = logging.getLogger(__name__)

HEADER = ("model", "label", "step", "bleu", "targets", "switched_after_step")


def switch_plot(models: list[Path], out: Path, *, title: str = "") -> None:
    """Plot BLEU on the development set over the steps of ``models`` that were trained with dev_bleu.

    A vertical line stands where targets changed; up to there a model has the curve of the one that kept them.
    ``out``.png, ``out``.svg and ``out``.csv are written. Raises ConfigError when the models were measured on
    unlike development sets.
    """
    names, trainings = name_models(models), [read_training(model) for model in models]
    check_same_dev(models, [training["settings"] for training in trainings])
    curves = [read_curve(model) for model in models]
    switches = [training.get("switched_after_step") for training in trainings]
    figure, (axes,) = new_figure(title=title)
    rows: list[list[Cell]] = []
    for number, (model, name, curve, switch) in enumerate(zip(models, names, curves, switches, strict=True)):
        steps, scores = [point.step for point in curve], [point.bleu for point in curve]
        draw_line(axes, steps, scores, number=number, label=name)
        rows += [[str(model), name, point.step, point.bleu, point.targets, switch] for point in curve]
        print(f"{name}: {describe_curve(curve, switch)}")
    for step in sorted({step for step in switches if step is not None}):
        axes.axvline(step, color="#555555", linewidth=1.2, zorder=1)
        told, place = f" switch after step {step:,}", ("data", "axes fraction")
        axes.annotate(told, (step, 0.98), xycoords=place, verticalalignment="top")
    axes.set_ylim(bottom=0)
    label_axes(axes, x="optimiser steps", y="BLEU on the development set")
    add_legend(axes)
    save_figure(figure, out, rows, HEADER)
    logger.info("%s: %d models", out.with_name(f"{out.name}.png"), len(models))


def check_same_dev(models: list[Path], settings: list[dict[str, Any]]) -> None:
    """Raise ConfigError unless all models were measured on the same sentences."""
    sets = [one.get("valid_tokens", {}) for one in settings]
    for model, found in zip(models, sets, strict=True):
        if found != sets[0]:
            raise ConfigError(
                f"{model} was measured on {found.get('path')}, {models[0]} on {sets[0].get('path')}, made "
                "otherwise; compare models that share a development set"
            )


def describe_curve(curve: list[CurvePoint], switch: int | None) -> str:
    """Say in one line what BLEU did at the switch, or where it ended."""
    last = f"BLEU {curve[-1].bleu:.1f} after step {curve[-1].step:,}"
    before = [point for point in curve if switch is not None and point.step <= switch]
    after = [point for point in curve if switch is not None and point.step > switch]
    if not before or not after:
        return last
    first, next_ = before[-1], after[0]
    change = f"{first.bleu:.1f} after step {first.step:,}, {next_.bleu:.1f} after step {next_.step:,}"
    return f"BLEU {change}; at last {last.removeprefix('BLEU ')}"
