"""Checkpoints that are chosen by BLEU on the development set instead of the loss there."""

import itertools
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from processes import run_and_die
from toy_task import make_task
from toy_trained import assert_same_model, die_measuring, epoch_losses, load, summary

from synthst.espnet import dev_bleu, finish
from synthst.espnet.bleu_curve import DevBleuConfig, read_curve
from synthst.espnet.train import train_model

pytestmark = pytest.mark.usefixtures("one_thread")

Task = dict[str, Any]
CHOOSE = {"dev_bleu": DevBleuConfig(choose=True)}


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    """Make the copy task: 12 steps, a validation after each 4, the two best checkpoints averaged."""
    return make_task(tmp_path_factory.mktemp("task"))


def pretend(patch: pytest.MonkeyPatch, *scores: float) -> None:
    """Give the measurements of BLEU these values, over and over."""
    values = itertools.cycle(scores)
    patch.setattr(dev_bleu.DevBleu, "measure", lambda *_: next(values))


@pytest.mark.parametrize(
    ("scores", "chosen"),
    [((30.0, 10.0, 20.0), (1, 3)), ((20.0, 30.0, 10.0), (1, 2)), ((10.0, 20.0, 30.0), (2, 3))],
)
def test_the_checkpoints_with_the_highest_bleu_are_averaged(
    task: Task,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    scores: tuple[float, ...],
    chosen: tuple[int, int],
) -> None:
    monkeypatch.setattr(finish, "tidy", lambda _: None)
    pretend(monkeypatch, *scores)
    train_model(out=tmp_path / "out", **task, **CHOOSE)
    states = [load(tmp_path / f"out/{epoch}epoch.pth") for epoch in chosen]
    for name, tensor in load(tmp_path / "out/model.pth").items():
        torch.testing.assert_close(tensor, (states[0][name] + states[1][name]) / 2)
    assert [(point.step, point.bleu) for point in read_curve(tmp_path / "out")] == list(
        zip((4, 8, 12), scores, strict=True)
    )
    best = scores.index(max(scores))
    assert summary(tmp_path / "out")["valid_loss"] == epoch_losses(tmp_path / "out", "valid")[best]


def test_with_a_switch_only_checkpoints_after_it_are_chosen(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The switch comes after step 6, so the first of the three validations does not count."""
    monkeypatch.setattr(finish, "tidy", lambda _: None)
    pretend(monkeypatch, 90.0, 10.0, 20.0)
    train_model(out=tmp_path / "out", **task, **CHOOSE, switch_to=task["tokens"], switch_at=6)
    second, third = (load(tmp_path / f"out/{epoch}epoch.pth") for epoch in (2, 3))
    for name, tensor in load(tmp_path / "out/model.pth").items():
        torch.testing.assert_close(tensor, (second[name] + third[name]) / 2)


def test_validations_are_measured_beside_the_other_steps(task: Task, tmp_path: Path) -> None:
    train_model(out=tmp_path / "out", **task, dev_bleu=DevBleuConfig(every=3, last=9, choose=True))
    assert [point.step for point in read_curve(tmp_path / "out")] == [3, 4, 6, 8, 9, 12]


def test_a_broken_run_chooses_as_an_unbroken_one(task: Task, tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    train_model(out=whole, **task, **CHOOSE)
    assert run_and_die(partial(train_model, out=broken, **task, **CHOOSE), die_measuring(2)) == 9
    train_model(out=broken, **task, **CHOOSE)
    assert_same_model(broken, whole)
