"""Turn a training directory of ESPnet's into a finished model directory."""

import json
import logging
import math
import os
import time
from pathlib import Path
from typing import Any

import synthst.espnet.lean  # noqa: F401

# isort: split
import torch
from espnet2.train.reporter import Reporter

from synthst.errors import ConfigError
from synthst.espnet.course import Criterion
from synthst.espnet.settings import VERSIONS, read_versions
from synthst.espnet.task import save_whole

logger = logging.getLogger(__name__)


def finish_training(
    folder: Path,
    out: Path,
    settings: dict[str, Any],
    labels: dict[str, str | int | None],
    *,
    criterion: Criterion = Criterion(),  # noqa: B008 (frozen)
) -> None:
    """Write model.pth and train.json, give the directory its name, and remove what it needs no more.

    ``criterion`` is what of the validations chose the checkpoints that ESPnet averaged.
    Raises ConfigError when the training diverged, so that no broken model counts as finished.
    """
    last = torch.load(folder / "checkpoint.pth", map_location="cpu", weights_only=True)
    reporter = Reporter()
    reporter.load_state_dict(last["reporter"])
    epochs = list(reporter.stats.values())
    refuse_divergence(folder, [epoch["valid"]["loss"] for epoch in epochs], settings["training"])
    states = torch.load(folder / criterion.file, map_location="cpu", weights_only=True)
    save_whole(states, folder / "model.pth")
    seconds = sum(epoch[phase]["time"].total_seconds() for epoch in epochs for phase in ("train", "valid"))
    counts = settings["tokens"]["counts"]
    summary = {
        "parameters": sum(tensor.numel() for tensor in unique_tensors(last["model"])),
        "steps": settings["training"]["max_steps"],
        "seconds": round(seconds),
        "train_sentences": counts["rows"],
        "valid_loss": criterion.best(epochs)["loss"],
        **labels,
        "finished": time.strftime("%Y-%m-%d %H:%M:%S"),
        "versions": read_versions(folder),
        "settings": settings,
    }
    (folder / "train.json").write_text(json.dumps(summary, indent=1), encoding="utf-8")
    os.rename(folder, out)
    tidy(out)
    logger.info("%s: %d parameters, validation loss %.3f", out, summary["parameters"], summary["valid_loss"])


def tidy(out: Path) -> None:
    """Remove what only a training that goes on needs, and what one that was killed had half written."""
    for pattern in ("resume.pth", "latest.pth", "*epoch.pth", "valid.*.pth", ".*.tmp", "*.tmp-*", VERSIONS):
        for path in out.glob(pattern):
            path.unlink()


def refuse_divergence(folder: Path, losses: list[float], training: dict[str, Any]) -> None:
    """Raise ConfigError when ESPnet stopped early, for all gradients were invalid, or a loss is no number."""
    wanted = -(-training["max_steps"] // training["validate_every"])
    if len(losses) < wanted or not all(map(math.isfinite, losses)):
        raise ConfigError(
            f"{folder}: the training diverged, the loss is {losses[-1]} at validation {len(losses)} of "
            f"{wanted}; lower training.learning_rate {training['learning_rate']} and remove the directory"
        )


def unique_tensors(states: dict[str, torch.Tensor]) -> list[torch.Tensor]:
    """Return the tensors of a state dict, a shared one once."""
    return list({tensor.data_ptr(): tensor for tensor in states.values()}.values())
