"""What happens on the way through a training: a change of targets, and measurements of BLEU."""

import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from synthst.espnet.bleu_curve import DevBleuConfig
from synthst.espnet.settings import describe_tokens
from synthst.espnet.switch import Switch

logger = logging.getLogger(__name__)

DEV_BLEU = "dev_bleu"  # ESPnet's own "bleu" is of teacher forcing
AFTER_SWITCH = "_since_switch"
"""Behind the name of a statistic by which only checkpoints after the switch are chosen."""


@dataclass(frozen=True)
class Criterion:
    """What of ESPnet's statistics of the validations chooses the checkpoints that are averaged."""

    name: str = "loss"
    mode: Literal["min", "max"] = "min"

    @property
    def file(self) -> str:
        """Return the name of the file that ESPnet averages them into."""
        return f"valid.{self.name}.ave.pth"

    def best(self, epochs: list[dict[str, Any]]) -> dict[str, Any]:
        """Return the statistics of the best of the validations, the first of equal ones."""
        pick = min if self.mode == "min" else max
        return pick((epoch["valid"] for epoch in epochs), key=lambda valid: float(valid[self.name]))


@dataclass(frozen=True)
class Course:
    """The switch of a training, if it has one, and where BLEU is measured."""

    switch: Switch | None = None
    dev_bleu: DevBleuConfig = DevBleuConfig()  # noqa: RUF009 (frozen)

    @property
    def is_special(self) -> bool:
        """Tell whether anything happens on the way."""
        return self.switch is not None or self.dev_bleu.is_on

    @property
    def tokens(self) -> Path | None:
        """Return the tokens that are switched to."""
        return Path(self.switch.tokens) if self.switch else None

    @property
    def criterion(self) -> Criterion:
        """Return what chooses checkpoints: with a switch, of those after it."""
        after = AFTER_SWITCH if self.switch else ""
        return Criterion(DEV_BLEU + after, "max") if self.dev_bleu.choose else Criterion("loss" + after)

    def describe(self) -> dict[str, Any]:
        """Return the settings that determine the result; none of an ordinary training."""
        described: dict[str, Any] = {}
        if self.switch:
            described["switch"] = {**asdict(self.switch), "tokens": describe_tokens(Path(self.switch.tokens))}
        if self.dev_bleu.is_on:
            described["dev_bleu"] = asdict(self.dev_bleu)
        return described

    def options(self) -> dict[str, Any]:
        """Return what chooses checkpoints, and the options of `SwitchTask` that other tasks do not have."""
        options: dict[str, Any] = {"dev_bleu": asdict(self.dev_bleu)} if self.is_special else {}
        if self.switch:
            options["switch"] = asdict(self.switch)
        criterion = self.criterion
        return {**options, "best_model_criterion": [["valid", criterion.name, criterion.mode]]}

    def labels(self, folder: Path) -> dict[str, int | None]:
        """Return what train.json says of a training that is over: where it switched, None if it never did."""
        return {"switched_after_step": find_switch(folder, self.switch)} if self.switch else {}


def find_switch(folder: Path, switch: Switch) -> int | None:
    """Return the last step with the old targets; None, and a warning, when no plateau came."""
    if switch.fixed_step is not None:
        return switch.fixed_step
    states = torch.load(folder / "checkpoint.pth", map_location="cpu", weights_only=True)
    step = switch.step(valid_losses(states["reporter"]["stats"]))
    if step is None:
        logger.warning(
            "%s: no plateau of %d validations up to step %d, the targets never changed",
            *(folder, switch.patience, switch.latest),
        )
    return step


def valid_losses(stats: dict[int, dict[str, dict[str, Any]]]) -> list[float]:
    """Return the losses of all validations, in order, from the statistics of ESPnet's reporter."""
    return [float(stats[epoch]["valid"]["loss"]) for epoch in sorted(stats)]
