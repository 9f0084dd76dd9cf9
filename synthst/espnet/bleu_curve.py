"""When BLEU on the development set is measured during a training, and what it was."""

import csv
import io
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from synthst.atomic import atomic_file
from synthst.errors import ConfigError, DataError

FILE = "dev_bleu.csv"


@dataclass(frozen=True)
class DevBleuConfig:
    """At which steps of a training BLEU on the development set is measured; the steps stay the same."""

    every: int = 0
    """Steps between two measurements; 0: none."""
    first: int = 0
    """No measurement before this step."""
    last: int | None = None
    """No measurement after this step; by default up to the end."""
    choose: bool = False
    """Measure at each validation too, and average the checkpoints with the highest BLEU instead of the lowest
    loss."""

    def __post_init__(self) -> None:
        """Refuse what measures nothing."""
        if self.every < 0:
            raise ConfigError(f"dev_bleu.every must be 0 (never) or more, not {self.every}")
        if self.last is not None and self.last < self.first:
            raise ConfigError(f"dev_bleu.last {self.last} comes before dev_bleu.first {self.first}")

    @property
    def is_on(self) -> bool:
        """Tell whether anything is measured."""
        return self.every > 0 or self.choose

    def steps(self, after: int, until: int) -> list[int]:
        """Return the steps to measure at, above ``after`` and up to ``until``, where a validation comes."""
        validation = {until} if self.choose else set()
        if not self.every:
            return sorted(validation)
        first, last = max(after + 1, self.first), min(until, until if self.last is None else self.last)
        return sorted(validation | set(range(-(-first // self.every) * self.every, last + 1, self.every)))


@dataclass(frozen=True)
class CurvePoint:
    """BLEU (0..100) after ``step`` optimiser steps; ``targets`` is what was learnt from in that step."""

    step: int
    bleu: float
    targets: str


def record_bleu(folder: Path, point: CurvePoint) -> None:
    """Write a point behind those of earlier steps; later ones are of a run that was killed, and go."""
    kept = [one for one in read_curve(folder) if one.step < point.step] if (folder / FILE).exists() else []
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in fields(CurvePoint)])
    writer.writerows([step, f"{bleu:.4f}", targets] for step, bleu, targets in map(astuple, [*kept, point]))
    with atomic_file(folder / FILE) as file:
        file.write(text.getvalue().encode())


def read_curve(model: Path) -> list[CurvePoint]:
    """Read the points of a model directory; raises DataError when there are none."""
    path = model / FILE
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [
                CurvePoint(int(row["step"]), float(row["bleu"]), row["targets"])
                for row in csv.DictReader(file)
            ]
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise DataError(f"{path}: no BLEU by step ({error}); train with --dev_bleu.every N") from error
    if not rows:
        raise DataError(f"{path} has no row; train with --dev_bleu.every N below --training.max_steps")
    return rows
