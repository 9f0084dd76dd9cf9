"""What tests look at in a trained model, and moments at which its training can break off."""

import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from synthst.espnet import dev_bleu, output_loss

Arrange = Callable[[pytest.MonkeyPatch], None]


def load(path: Path) -> Any:
    """Read a checkpoint."""
    return torch.load(path, map_location="cpu", weights_only=True)


def summary(model: Path) -> dict[str, Any]:
    """Read train.json."""
    found: dict[str, Any] = json.loads((model / "train.json").read_text(encoding="utf-8"))
    return found


def epoch_losses(model: Path, part: str) -> list[float]:
    """Return the loss of every epoch in the part "train" or "valid"."""
    stats = load(model / "checkpoint.pth")["reporter"]["stats"]
    return [stats[epoch][part]["loss"] for epoch in sorted(stats)]


def assert_same_tensors(ours: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> None:
    """Compare bit by bit."""
    assert ours.keys() == wanted.keys()
    assert all(torch.equal(ours[name], wanted[name]) for name in wanted)


def assert_same_model(model: Path, wanted: Path) -> None:
    """Compare averaged and last weights, optimiser, schedule, losses, curve, and the files that are there."""
    assert sorted(path.name for path in model.iterdir()) == sorted(path.name for path in wanted.iterdir())
    assert_same_tensors(load(model / "model.pth"), load(wanted / "model.pth"))
    ours, theirs = load(model / "checkpoint.pth"), load(wanted / "checkpoint.pth")
    assert_same_tensors(ours["model"], theirs["model"])
    for mine, other in zip(ours["optimizers"], theirs["optimizers"], strict=True):
        assert mine["param_groups"] == other["param_groups"]
        for index in other["state"]:
            assert_same_tensors(mine["state"][index], other["state"][index])
    assert ours["schedulers"] == theirs["schedulers"]
    for name in ("valid_loss", "switched_after_step"):
        assert summary(model).get(name) == summary(wanted).get(name)
    for path in [wanted / "train_losses.tsv", *wanted.glob("dev_bleu.csv")]:
        assert (model / path.name).read_bytes() == path.read_bytes()


def die_in_step(number: int) -> Arrange:
    """Die in the ``number``-th forward pass, training or validation."""

    def arrange(patch: pytest.MonkeyPatch) -> None:
        forward, calls = output_loss.OutputLoss.__call__, iter(range(1, 10**9))

        def count(*args: Any) -> output_loss.Scores:
            if next(calls) == number:
                os._exit(9)
            return forward(*args)

        patch.setattr(output_loss.OutputLoss, "__call__", count)

    return arrange


def die_saving(name: str, occurrence: int, share: float) -> Arrange:
    """Die when ``share`` of the bytes of a file are written, at its ``occurrence``-th time."""

    def arrange(patch: pytest.MonkeyPatch) -> None:
        save, seen = torch.save, iter(range(1, 10**9))

        def save_part(states: Any, path: Path) -> None:
            if Path(path).name != name or next(seen) != occurrence:
                save(states, path)
                return
            buffer = io.BytesIO()
            save(states, buffer)
            Path(path).write_bytes(buffer.getvalue()[: int(share * len(buffer.getvalue()))])
            os._exit(9)

        patch.setattr(torch, "save", save_part)

    return arrange


def die_calling(module: Any, name: str) -> Arrange:
    """Die instead of calling a function."""
    return lambda patch: patch.setattr(module, name, lambda *_, **__: os._exit(9))


def die_measuring(number: int) -> Arrange:
    """Die in the ``number``-th measurement of BLEU."""

    def arrange(patch: pytest.MonkeyPatch) -> None:
        measure, calls = dev_bleu.DevBleu.measure, iter(range(1, 10**9))
        patch.setattr(
            dev_bleu.DevBleu,
            "measure",
            lambda *args: os._exit(9) if next(calls) == number else measure(*args),
        )

    return arrange
