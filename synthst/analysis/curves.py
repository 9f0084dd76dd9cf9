"""The command `synthst curves`: training loss and its variance over the steps (the paper's Figure 1)."""

import logging
from pathlib import Path

import numpy as np

from synthst.analysis.losses import Losses, read_losses, smooth
from synthst.analysis.models import name_models, read_training
from synthst.analysis.plots import Cell, add_legend, draw_line, label_axes, new_figure, save_figure
from synthst.errors import DataError

logger = logging.getLogger(__name__)

HEADER = ("model", "label", "step", "loss", "variance", "values", "batches_in_value")


def curves(
    models: list[Path], out: Path, *, loss: str = "loss", windows: int | None = None, title: str = ""
) -> None:
    """Plot the training loss of ``models`` and its variance over the optimiser's steps.

    The loss is that of training, in nats per token: with label smoothing, less the smoothed target's entropy,
    and with dropout. Each point is a window of steps: its mean, and the variance between batches in it (see
    `smooth`). ``windows`` is their number, by default 50, and fewer for a short
    training. Another ``loss`` than the whole one is a part of it, as loss_st_att of a speech translator.

    ``out``.png, ``out``.svg and ``out``.csv are written. Raises DataError when the losses of the models are
    averages of unequal numbers of batches, for then their variances cannot be compared.
    """
    names = name_models(models)
    losses = [read_model_losses(model, loss) for model in models]
    check_comparable(models, losses)
    count = windows or default_windows(min(len(one.values) for one in losses))
    figure, axes = new_figure(2, title=title)
    rows: list[list[Cell]] = []
    for number, (model, name, one) in enumerate(zip(models, names, losses, strict=True)):
        steps, means, variances = smooth(one, count)
        draw_line(axes[0], steps, means, number=number, label=name, markers=False)
        draw_line(axes[1], steps, variances, number=number, markers=False)
        each = len(one.values) / count
        columns = zip(steps, means, variances, strict=True)
        rows += [[str(model), name, *map(float, point), round(each, 1), one.batches] for point in columns]
        told = np.median(variances[len(variances) // 2 :])
        print(f"{name}: last loss {means[-1]:.3f}, variance in the second half {told:.2g} (median)")
    label_axes(axes[0], y="training loss (nats per token)")
    label_axes(axes[1], x="optimiser steps", y=describe_variance(losses[0]))
    axes[1].set_yscale("log")
    add_legend(axes[0])
    save_figure(figure, out, rows, HEADER)
    logger.info("%s: %d models, %d windows", out.with_name(f"{out.name}.png"), len(models), count)


def read_model_losses(model: Path, loss: str) -> Losses:
    """Read a model's losses by optimiser step."""
    training = read_training(model)["settings"].get("training", {})
    return read_losses(model, loss=loss, accumulate=int(training.get("accumulate", 1)))


def check_comparable(models: list[Path], losses: list[Losses]) -> None:
    """Raise DataError when one model's values are averages of more batches than another's."""
    if len({one.batches for one in losses}) > 1:
        listed = ", ".join(
            f"{model}: {one.batches} batches" for model, one in zip(models, losses, strict=True)
        )
        raise DataError(
            f"an average of more batches varies less ({listed}); train these models with the same logging"
        )


def default_windows(values: int) -> int:
    """Return 50, or so few that each has 20 ``values``, but rather 10 of 5 than fewer windows."""
    return min(50, max(values // 20, min(10, values // 5), 1))


def describe_variance(losses: Losses) -> str:
    """Say between what the variance is, and its unit."""
    told = "variance between batches" if losses.batches == 1 else f"variance of {losses.batches}-batch means"
    return f"{told} (nats²)"
