"""Training with a change of targets: where it sets in, what restarts, and that a kill changes nothing."""

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from espnet2.schedulers.exponential_decay_warmup import ExponentialDecayWarmup
from processes import run_and_die
from toy_task import TRAINING, make_sentences, make_task, write_pairs
from toy_trained import (
    assert_same_model,
    assert_same_tensors,
    die_in_step,
    die_measuring,
    epoch_losses,
    load,
    summary,
)

from synthst.errors import ConfigError, DataError
from synthst.espnet import finish, output_loss
from synthst.espnet.bleu_curve import DevBleuConfig, read_curve
from synthst.espnet.course import find_switch
from synthst.espnet.switch import Restart, Switch, SwitchConfig
from synthst.espnet.switch_trainer import restart
from synthst.espnet.train import train_model
from synthst.tokens import write_tokens

pytestmark = pytest.mark.usefixtures("one_thread")

Task = dict[str, Any]
MEASURED = {"dev_bleu": DevBleuConfig(every=3)}


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    """Make the copy task: 12 steps, a validation after each 4."""
    return make_task(tmp_path_factory.mktemp("task"))


@pytest.fixture(scope="module")
def other(task: Task) -> Path:
    """Tokenise the same sources with targets that are written backwards."""
    folder: Path = task["tokens"].parent
    pairs = [(sentence, " ".join(reversed(sentence.split()))) for sentence in make_sentences(200)]
    write_pairs(folder / "other", pairs)
    tokens = folder / "tokens_other"
    write_tokens(folder / "other", tokens, langs=["en", "de"], tokenizers=task["tokenizers"])
    return tokens


@pytest.fixture(scope="module")
def plain(task: Task) -> Path:
    out: Path = task["tokens"].parent / "plain"
    train_model(out=out, **task)
    return out


@pytest.fixture(scope="module")
def switch(other: Path) -> Task:
    """In the middle of an epoch, where all begins anew."""
    return {"switch_to": other, "switch_at": 6, "switch": SwitchConfig(restart="both"), **MEASURED}


@pytest.fixture(scope="module")
def switched(task: Task, switch: Task) -> Path:
    out: Path = task["tokens"].parent / "switched"
    train_model(out=out, **task, **switch)
    return out


# What a switch does


def test_measuring_bleu_changes_nothing(task: Task, plain: Path, tmp_path: Path) -> None:
    train_model(out=tmp_path / "measured", **task, **MEASURED)
    assert_same_tensors(load(tmp_path / "measured/model.pth"), load(plain / "model.pth"))
    assert epoch_losses(tmp_path / "measured", "train") == epoch_losses(plain, "train")
    points = read_curve(tmp_path / "measured")
    assert [(point.step, point.targets) for point in points] == [(s, "tokens_train") for s in (3, 6, 9, 12)]


def test_a_switch_to_the_same_targets_changes_nothing(task: Task, plain: Path, tmp_path: Path) -> None:
    train_model(out=tmp_path / "out", **task, switch_to=task["tokens"], switch_at=6)
    ours, wanted = load(tmp_path / "out/checkpoint.pth"), load(plain / "checkpoint.pth")
    assert_same_tensors(ours["model"], wanted["model"])
    assert ours["schedulers"] == wanted["schedulers"]


def test_up_to_the_switch_a_training_is_that_on_the_old_targets(plain: Path, switched: Path) -> None:
    ours, wanted = epoch_losses(switched, "train"), epoch_losses(plain, "train")
    assert ours[0] == wanted[0]  # steps 1 to 4; the switch comes after 6
    assert ours[1] != wanted[1] and ours[2] != wanted[2]


def test_a_switched_model_says_when_and_to_what(switched: Path, other: Path) -> None:
    found = summary(switched)
    assert found["switched_after_step"] == 6
    assert found["settings"]["switch"]["tokens"]["path"] == str(other)
    assert found["settings"]["switch"]["restart"] == "both"
    points = [(point.step, point.targets) for point in read_curve(switched)]
    assert points == [(3, "tokens_train"), (6, "tokens_train"), (9, "tokens_other"), (12, "tokens_other")]
    log = (switched / "train.log").read_text(encoding="utf-8")
    assert f"after step 6: targets of {other}, restarting both" in log


def test_only_checkpoints_after_the_switch_are_averaged(
    task: Task, switch: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first of three validations is made the best; it comes before the switch after step 6."""
    monkeypatch.setattr(finish, "tidy", lambda _: None)
    make_first_validation_best(monkeypatch)
    train_model(out=tmp_path / "out", **task, **switch)
    second, third = (load(tmp_path / f"out/{epoch}epoch.pth") for epoch in (2, 3))
    for name, tensor in load(tmp_path / "out/model.pth").items():
        torch.testing.assert_close(tensor, (second[name] + third[name]) / 2)
    assert summary(tmp_path / "out")["valid_loss"] > 10


def make_first_validation_best(patch: pytest.MonkeyPatch) -> None:
    """Add 10 to the loss of every batch of a validation but the very first."""
    forward, validations = output_loss.OutputLoss.__call__, iter(range(10**9))

    def raised(self: Any, *args: Any) -> output_loss.Scores:
        found = forward(self, *args)
        if torch.is_grad_enabled() or next(validations) < 1:
            return found
        return found._replace(loss=found.loss + 10)

    patch.setattr(output_loss.OutputLoss, "__call__", raised)


@pytest.mark.parametrize(
    ("what", "adam_steps", "last_epoch", "total_steps"),
    [("nothing", 12, 12, 12), ("optimiser", 6, 12, 12), ("schedule", 12, 6, 6), ("both", 6, 6, 6)],
)
def test_what_is_to_restart_restarts(
    task: Task, other: Path, tmp_path: Path, what: Restart, adam_steps: int, last_epoch: int, total_steps: int
) -> None:
    train_model(out=tmp_path / "out", **task, switch_to=other, switch_at=6, switch=SwitchConfig(restart=what))
    states = load(tmp_path / "out/checkpoint.pth")
    (optimizer,), (schedule,) = states["optimizers"], states["schedulers"]
    assert {int(state["step"]) for state in optimizer["state"].values()} == {adam_steps}
    assert (schedule["last_epoch"], schedule["total_steps"]) == (last_epoch, total_steps)


def test_a_schedule_begins_again_as_a_new_one_of_the_steps_that_are_left() -> None:
    def rates(optimizer: torch.optim.Optimizer, schedule: ExponentialDecayWarmup, steps: int) -> list[float]:
        found = []
        for _ in range(steps):
            found.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
        return found

    def make(steps: int) -> tuple[torch.optim.Optimizer, ExponentialDecayWarmup]:
        optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
        return optimizer, ExponentialDecayWarmup(
            optimizer, max_lr=0.1, min_lr=0.001, total_steps=steps, warmup_steps=2, warm_from_zero=True
        )

    optimizer, schedule = make(12)
    before = rates(optimizer, schedule, 5)
    restart("schedule", [optimizer], [schedule], steps_done=5)
    assert rates(optimizer, schedule, 7) == rates(*make(7), 7)
    assert before == rates(*make(12), 5)


# A plateau


def test_a_plateau_switches_at_the_validation_that_makes_it(task: Task, other: Path, tmp_path: Path) -> None:
    still = dataclasses.replace(TRAINING, learning_rate=1e-12, min_learning_rate=1e-13, average_best=1)
    patience = {"switch_to": other, "switch_at": "plateau", "switch": SwitchConfig(patience=1)}
    worse = {**task, "training": still}
    with pytest.MonkeyPatch.context() as patch:
        make_first_validation_best(patch)
        train_model(out=tmp_path / "out", **worse, **patience, dev_bleu=DevBleuConfig(every=4))
    assert summary(tmp_path / "out")["switched_after_step"] == 8
    assert [point.targets for point in read_curve(tmp_path / "out")] == [
        *("tokens_train", "tokens_train", "tokens_other")
    ]


def test_a_training_without_a_plateau_never_switches_and_says_so(
    task: Task, other: Path, plain: Path, tmp_path: Path
) -> None:
    once = {**task, "training": dataclasses.replace(TRAINING, average_best=1)}
    patience = {"switch_to": other, "switch_at": "plateau", "switch": SwitchConfig(patience=1)}
    train_model(out=tmp_path / "out", **once, **patience)
    assert summary(tmp_path / "out")["switched_after_step"] is None
    assert epoch_losses(tmp_path / "out", "train") == epoch_losses(plain, "train")
    assert_same_tensors(load(tmp_path / "out/model.pth"), load(plain / "checkpoint.pth")["model"])


def test_a_plateau_that_never_came_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    stats = {epoch: {"valid": {"loss": 5.0 - epoch}} for epoch in (1, 2, 3)}
    torch.save({"reporter": {"stats": stats}}, tmp_path / "checkpoint.pth")
    switch = Switch("other", None, latest=8, validate_every=4, restart="nothing", patience=1)
    assert find_switch(tmp_path, switch) is None
    assert "no plateau of 1 validations up to step 8, the targets never changed" in caplog.text


# Broken runs


MOMENTS = {  # 4 training steps and the batches of a validation make an epoch; the switch comes after step 6
    "in the first measurement": die_measuring(1),
    "before the switch, in its epoch": die_in_step(6),
    "in the measurement at the switch": die_measuring(2),
    "after the switch": die_measuring(3),
    "in the last measurement": die_measuring(4),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_broken_run_ends_like_an_unbroken_one(
    task: Task, switch: Task, switched: Path, tmp_path: Path, moment: str
) -> None:
    arguments = {"out": tmp_path / "out", **task, **switch}
    assert run_and_die(partial(train_model, **arguments), MOMENTS[moment]) == 9
    train_model(**arguments)
    assert_same_model(tmp_path / "out", switched)


def test_a_broken_run_finds_its_plateau_again(task: Task, other: Path, tmp_path: Path) -> None:
    training = dataclasses.replace(TRAINING, learning_rate=1e-12, min_learning_rate=1e-13, average_best=1)
    arguments = {**task, "training": training, "switch_to": other, "switch_at": "plateau"}
    arguments |= {"switch": SwitchConfig(patience=1, restart="optimiser"), "dev_bleu": DevBleuConfig(every=2)}
    still = {"out": tmp_path / "whole", **arguments}
    train_model(**still)
    broken = {**still, "out": tmp_path / "broken"}
    dead_after_step_10 = run_and_die(partial(train_model, **broken), die_measuring(5))
    assert dead_after_step_10 == 9  # of which 8 steps are in the checkpoint
    train_model(**broken)
    assert summary(tmp_path / "broken")["switched_after_step"] == 8
    assert_same_model(tmp_path / "broken", tmp_path / "whole")


# Settings


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ({"switch_at": 5}, "switch.fixed_step = 6, now 5"),
        ({"switch": SwitchConfig()}, 'switch.restart = "both", now "nothing"'),
        ({"dev_bleu": DevBleuConfig()}, "dev_bleu.every = 3, now null"),
    ],
)
def test_another_course_is_another_training(
    task: Task, switch: Task, switched: Path, changed: Task, key: str
) -> None:
    with pytest.raises(ConfigError, match=key):
        train_model(out=switched, **{**task, **switch, **changed})


def test_other_sources_are_refused_before_training(task: Task, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a switch changes the targets of the same sentences"):
        train_model(out=tmp_path / "out", **task, switch_to=task["valid_tokens"], switch_at=6)
    assert not list(tmp_path.iterdir())
