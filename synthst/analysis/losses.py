"""Read a training's losses, batch by batch, from our record of them or from ESPnet's log."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from synthst.errors import ConfigError, DataError
from synthst.espnet.losses import FILE

Numbers = np.ndarray[Any, np.dtype[np.float64]]

_STRETCH = re.compile(r": (\d+)epoch:train:(\d+)-(\d+)batch: (.*)")
_EPOCH = re.compile(r": (\d+)epoch results: \[train\].*?total_count=(\d+)")
_VALUE = re.compile(r"(\w+)=(nan|inf|-?\d+(?:\.\d+)?(?:e[+-]\d+)?)")


@dataclass(frozen=True)
class Losses:
    """A training's losses, each of one batch or the average of several that follow each other.

    ``steps`` (values,) is the optimiser's step, from 1 and rising, with which each ends; ``values``
    (values,) are in nats per token; ``batches`` is how many one value averages, 1 if every batch is known.
    """

    steps: Numbers
    values: Numbers
    batches: int


def read_losses(model: Path, *, loss: str = "loss", accumulate: int = 1) -> Losses:
    """Read the training losses of a model directory; ``accumulate`` batches make an optimiser's step.

    train_losses.tsv has one for every batch, or for as many as several processes trained on at a time.
    Without it train.log has averages, by default of 10 batches or of a twentieth of the steps between two
    validations. Raises DataError when neither has any of ``loss``.
    """
    recorded, log = model / FILE, model / "train.log"
    if recorded.is_file():
        rows, batches = _read_recorded(recorded, loss)
    elif log.is_file():
        rows, batches = _read_log(log, loss)
    else:
        raise DataError(f"{model} has neither {FILE} nor train.log; train it again to see its losses")
    if len(rows) < 2:
        raise DataError(f"{model}: {len(rows)} values of {loss} are no curve; train for more steps")
    ends, values = np.array(rows, np.float64).T
    if not np.isfinite(values).all():
        raise DataError(f"{model}: the {loss} of batch {ends[~np.isfinite(values)][0]:,.0f} is no number")
    return Losses(ends / accumulate, values, batches)


def _read_recorded(path: Path, loss: str) -> tuple[list[tuple[int, float]], int]:
    """Return (batches so far, loss) of every row, and how many batches a row averages, at most."""
    header, *lines = path.read_text(encoding="utf-8").splitlines() or [""]
    names = header.split("\t")
    if loss not in names[2:]:
        raise ConfigError(f"{path} has no {loss!r}; give --loss one of {', '.join(names[2:])}")
    column, before, epoch, last, most = names.index(loss), 0, "", 0, 1
    rows = []
    for fields in (line.split("\t") for line in lines):
        if fields[0] != epoch:
            before, epoch, last = before + last, fields[0], 0
        most = max(most, int(fields[1]) - last)
        last = int(fields[1])
        rows.append((before + last, float(fields[column])))
    return rows, most


def _read_log(path: Path, loss: str) -> tuple[list[tuple[int, float]], int]:
    """Return (batches so far, average loss) of every logged stretch, and how many batches a stretch has.

    A training that was killed and went on logs some stretches twice; the later ones count.
    """
    before, stretches = _scan_log(path)
    lengths = {last - first + 1 for _, first, last in stretches}
    if len(lengths) != 1:
        found = (
            f"averages over stretches of {sorted(lengths)} batches" if lengths else "tells no training loss"
        )
        raise DataError(f"{path} {found}; train again, for more steps, to see the losses")
    rows = []
    for (epoch, _, last), told in sorted(stretches.items()):
        values = dict(_VALUE.findall(told))
        if loss not in values:
            known = ", ".join(name for name in values if name.startswith("loss") and name != "loss_scale")
            raise ConfigError(f"{path} has no {loss!r}; give --loss one of {known}")
        if epoch not in before:
            raise DataError(f"{path} does not tell the end of epoch {epoch - 1}; was a part of it cut out?")
        rows.append((before[epoch] + last, float(values[loss])))
    return rows, lengths.pop()


def _scan_log(path: Path) -> tuple[dict[int, int], dict[tuple[int, int, int], str]]:
    """Return the batches before each epoch, and by epoch, first and last batch what is told of a stretch."""
    before, stretches = {1: 0}, {}
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            if match := _STRETCH.search(line):
                epoch, first, last = map(int, match.groups()[:3])
                stretches[epoch, first, last] = match[4]
            elif match := _EPOCH.search(line):
                before[int(match[1]) + 1] = int(match[2])
    return before, stretches


def smooth(losses: Losses, windows: int) -> tuple[Numbers, Numbers, Numbers]:
    """Return the last step, the mean and the variance of each of ``windows`` windows of about equal length.

    The variance is that of one value (of a batch, or of an average of ``losses.batches``) about the curve:
    half the mean square of the difference of two that follow each other (von Neumann, "Distribution of the
    Ratio of the Mean Square Successive Difference to the Variance", 1941). Unlike the variance about the
    window's mean it does not grow because the loss falls within a window.
    """
    if not 1 <= windows <= len(losses.values) // 2:
        raise ConfigError(
            f"--windows {windows} of {len(losses.values)} losses; give 1 to {len(losses.values) // 2}"
        )
    edges = np.linspace(0, len(losses.values), windows + 1).round().astype(int)
    parts: Sequence[Numbers] = [losses.values[a:b] for a, b in zip(edges, edges[1:], strict=False)]
    means = np.array([part.mean() for part in parts])
    variances = np.array([np.square(np.diff(part)).mean() / 2 for part in parts])
    return losses.steps[edges[1:] - 1], means, variances
