"""Plan a change of targets in the middle of a training (the paper's Figure 2)."""

import filecmp
import heapq
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Literal

from synthst.errors import ConfigError, DataError
from synthst.espnet.config import ScheduleConfig

Restart = Literal["nothing", "optimiser", "schedule", "both"]


@dataclass(frozen=True)
class SwitchConfig:
    """What happens to the rest of the training when its targets change."""

    restart: Restart = "nothing"
    """What begins anew at the switch: Adam's moments, the learning rate's schedule, both, or nothing. A new
    schedule warms up again and spans the steps that are left."""
    patience: int = 3
    """Validations without a lower loss that make a plateau."""

    def __post_init__(self) -> None:
        """Refuse a plateau that is none."""
        if self.patience < 1:
            raise ConfigError(f"switch.patience must be at least 1, not {self.patience}")


@dataclass(frozen=True)
class Switch:
    """When a training goes on with the targets of ``tokens``; ``fixed_step`` None waits for a plateau."""

    tokens: str
    fixed_step: int | None
    latest: int
    """No switch comes after this step: too little of the training would be left."""
    validate_every: int
    restart: Restart
    patience: int

    def step(self, valid_losses: Sequence[float]) -> int | None:
        """Return the last step with the old targets, None while it is not known.

        ``valid_losses`` are those of the validations so far, which alone decide: a training that goes on
        after a kill switches at the same step.
        """
        if self.fixed_step is not None:
            return self.fixed_step
        for count in range(1, min(len(valid_losses), self.latest // self.validate_every) + 1):
            losses = valid_losses[:count]
            if count - 1 - losses.index(min(losses)) >= self.patience:
                return count * self.validate_every
        return None


def plan_switch(
    to: Path | None, at: int | str | None, config: SwitchConfig, training: ScheduleConfig
) -> Switch | None:
    """Return the switch that was asked for, if there is one; raises ConfigError when it cannot be."""
    if to is None and at is None:
        if config != SwitchConfig():
            raise ConfigError("switch is about a change of targets; give --switch_to and --switch_at, too")
        return None
    if to is None or at is None:
        raise ConfigError(
            f"--switch_to is {to}, --switch_at is {at}; give both: the other targets' tokens, and a step, "
            "epoch:N or plateau"
        )
    latest = latest_step(training, config.restart)
    step = read_step(at, training.validate_every)
    first = (config.patience + 1) * training.validate_every if step is None else step
    if not 0 < first <= latest:
        found = f"--switch_at {at}" + (f" comes after step {first} at the earliest" if step is None else "")
        raise ConfigError(
            f"{found}; wanted is a switch after step 1 to {latest}, so that training.max_steps "
            f"{training.max_steps} leave {describe_rest(training, config.restart)}"
        )
    return Switch(str(to), step, latest, training.validate_every, config.restart, config.patience)


def read_step(at: int | str, validate_every: int) -> int | None:
    """Return the step that ``at`` means, None for a plateau."""
    kind, _, number = str(at).rpartition(":")
    if at == "plateau":
        return None
    if kind not in ("", "epoch") or not number.isascii() or not number.isdigit():
        raise ConfigError(
            f"--switch_at is {at!r}, wanted is a number of steps, epoch:N for the N-th validation, or plateau"
        )
    return int(number) * (validate_every if kind else 1)


def latest_step(training: ScheduleConfig, restart: Restart) -> int:
    """Return the last step after which enough validations follow, and steps for a schedule that restarts."""
    averaged = min(training.average_best, training.epochs)
    latest = (training.epochs - averaged + 1) * training.validate_every - 1
    if restart in ("schedule", "both"):
        latest = min(latest, training.max_steps - training.warmup_steps - 1)
    return min(latest, training.max_steps - 1)


def describe_rest(training: ScheduleConfig, restart: Restart) -> str:
    """Say what must fit between the switch and the end."""
    checkpoints = f"training.average_best {training.average_best} validations of training.validate_every"
    warmup = f" and a warm-up of {training.warmup_steps} steps" if restart in ("schedule", "both") else ""
    return f"{checkpoints} {training.validate_every} steps{warmup}"


def refuse_other_sources(before: Path, after: Path, src: str) -> None:
    """Raise DataError unless two directories of tokens hold the same ids and source sentences."""
    if same_files(before, after, ["ids.txt", f"{src}.offsets", f"{src}.tokens"]):
        return
    there, lacking, first = compare_ids(before / "ids.txt", after / "ids.txt")
    reason = (
        f"{lacking:,} of the ids are in one of them only, the first is {first}"
        if lacking
        else f"their sentences in {src!r} differ"
    )
    raise DataError(
        f"{after} holds {there[1]:,} sentences and {before} {there[0]:,}, {reason}; a switch changes "
        "the targets of the same sentences"
    )


def compare_ids(before: Path, after: Path) -> tuple[list[int], int, str]:
    """Return how many ids each of two sorted files holds, how many only one of them, and the first of these.

    Files are read line by line: of 300 million ids two lists and two sets would take 100 GB.
    """
    counts, lacking, first = [0, 0], 0, ""
    with ExitStack() as stack:
        files = [stack.enter_context(open(path, encoding="utf-8", newline="\n")) for path in (before, after)]
        for line, group in groupby(heapq.merge(*map(_labelled, files, (0, 1))), key=itemgetter(0)):
            holders = [number for _, number in group]
            for number in holders:
                counts[number] += 1
            if len(holders) == 1:
                lacking += 1
                first = first or line.removesuffix("\n")
    return counts, lacking, first


def _labelled(lines: Iterable[str], number: int) -> Iterator[tuple[str, int]]:
    return ((line, number) for line in lines)


def same_files(before: Path, after: Path, names: list[str]) -> bool:
    """Compare files byte by byte; raises DataError when one lacks."""
    for folder in (before, after):
        for name in names:
            if not (folder / name).is_file():
                raise DataError(f"{folder / name} is not there; make the tokens with stage 6")
    return all(filecmp.cmp(before / name, after / name, shallow=False) for name in names)
