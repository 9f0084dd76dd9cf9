"""Training in several processes on this machine: the same as in one, and it goes on in another number."""

import dataclasses
import json
import multiprocessing
import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from toy_speech import MODEL as SPEECH_MODEL
from toy_speech import TRAINING as SPEECH_TRAINING
from toy_speech import make_speech_task, recogniser_task
from toy_task import MODEL, TRAINING, make_task

from synthst.analysis.losses import read_losses
from synthst.errors import SynthstError
from synthst.espnet import launch
from synthst.espnet.bleu_curve import DevBleuConfig, read_curve
from synthst.espnet.speech_train import train_recogniser
from synthst.espnet.train import train_model

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("one_thread")]

PLAIN = dataclasses.replace(MODEL, dropout=0.0, attention_dropout=0.0)  # each process draws its own dropout
Task = dict[str, Any]


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    return {**make_task(tmp_path_factory.mktemp("task")), "model": PLAIN}


def train(task: Task, out: Path, *, accumulate: int = 1, max_steps: int = 12, **options: Any) -> Path:
    training = dataclasses.replace(TRAINING, accumulate=accumulate, max_steps=max_steps)
    train_model(out=out, **{**task, "training": training}, **options)
    return out


def steps_of(model: Path, accumulate: int) -> list[float]:
    """Return the loss of every step: the mean of its batches'."""
    losses = read_losses(model, accumulate=accumulate)
    assert losses.steps[-1] == round(losses.steps[-1])
    return losses.values.reshape(round(losses.steps[-1]), -1).mean(1).tolist()


def assert_same_training(found: Path, wanted: Path, accumulate: int = 1) -> None:
    """Compare the loss of every step, the validations' losses and the weights."""
    assert steps_of(found, accumulate) == pytest.approx(steps_of(wanted, accumulate), rel=1e-4)
    ours, theirs = (torch.load(model / "checkpoint.pth", weights_only=True) for model in (found, wanted))
    for epoch, stats in theirs["reporter"]["stats"].items():
        loss = ours["reporter"]["stats"][epoch]["valid"]["loss"]
        assert loss == pytest.approx(stats["valid"]["loss"], rel=1e-4)
    for name, tensor in theirs["model"].items():
        if name.endswith(
            "linear_k.bias"
        ):  # softmax does not see it: its gradient is rounding, Adam makes steps of it
            continue
        torch.testing.assert_close(ours["model"][name], tensor, rtol=0.01, atol=2e-3)


@pytest.mark.usefixtures("served_processes")
@pytest.mark.parametrize("accumulate", [1, 3, 4])
def test_two_processes_train_as_one_does(task: Task, tmp_path: Path, accumulate: int) -> None:
    """1: the batch is shared by sentences; 3: each of three in turn is; 4: two in turn for each process."""
    one = train(task, tmp_path / "one", accumulate=accumulate)
    two = train(task, tmp_path / "two", accumulate=accumulate, cpu_processes=2)
    assert len(steps_of(one, accumulate)) == 12
    assert_same_training(two, one, accumulate)
    settings = [json.loads((model / "train.json").read_text())["settings"] for model in (one, two)]
    assert settings[0] == settings[1]


@pytest.mark.usefixtures("served_processes")
def test_bfloat16_in_two_processes_learns_too(task: Task, tmp_path: Path) -> None:
    training = dataclasses.replace(TRAINING, bfloat16=True)
    train_model(out=tmp_path / "two", **{**task, "training": training}, cpu_processes=2)
    one = steps_of(train(task, tmp_path / "one"), 1)
    assert steps_of(tmp_path / "two", 1) == pytest.approx(one, rel=0.05)


@pytest.mark.usefixtures("served_processes")
def test_the_first_of_two_processes_measures_bleu_and_chooses(task: Task, tmp_path: Path) -> None:
    out = train(task, tmp_path / "two", cpu_processes=2, dev_bleu=DevBleuConfig(choose=True))
    assert [point.step for point in read_curve(out)] == [4, 8, 12]
    stats = torch.load(out / "checkpoint.pth", weights_only=True)["reporter"]["stats"]
    assert [stats[epoch]["valid"]["dev_bleu"] for epoch in (1, 2, 3)] == pytest.approx(
        [point.bleu for point in read_curve(out)], abs=1e-4
    )


@pytest.mark.usefixtures("served_processes")
def test_two_processes_train_a_recogniser_as_one_does(tmp_path: Path) -> None:
    """Whole batches each, so that batch normalisation sees the same; its running means are one process's."""
    quiet = {"dropout": 0.0, "attention_dropout": 0.0, "spec_augment": False}
    given: Task = recogniser_task(make_speech_task(tmp_path / "task"))
    given["model"] = dataclasses.replace(SPEECH_MODEL, **quiet)
    given["training"] = dataclasses.replace(SPEECH_TRAINING, accumulate=2)
    train_recogniser(out=tmp_path / "one", **given)
    train_recogniser(out=tmp_path / "two", **given, cpu_processes=2)
    assert len(steps_of(tmp_path / "one", 2)) == 6
    assert steps_of(tmp_path / "two", 2) == pytest.approx(steps_of(tmp_path / "one", 2), rel=1e-3)


def kill_a_process_after(checkpoint: Path, ended: threading.Event) -> None:
    """Kill the process that this one started last, as soon as ``checkpoint`` is there."""
    while not checkpoint.exists():
        if ended.wait(0.01):
            return
    max(multiprocessing.active_children(), key=lambda process: process.pid or 0).kill()


@pytest.mark.usefixtures("served_processes")
def test_a_training_that_lost_a_process_goes_on_in_another_number(task: Task, tmp_path: Path) -> None:
    out, steps = tmp_path / "out", 160
    ended = threading.Event()
    killer = threading.Thread(target=kill_a_process_after, args=[tmp_path / "out.training/2epoch.pth", ended])
    killer.start()
    with pytest.raises(SynthstError, match="process . of 2 ended with .*goes on"):
        try:
            train(task, out, max_steps=steps, accumulate=2, cpu_processes=2)
        finally:
            ended.set()
            killer.join()
    assert (tmp_path / "out.training").is_dir() and not out.exists()
    train(task, out, max_steps=steps, accumulate=2)
    whole = train(task, tmp_path / "whole", max_steps=steps, accumulate=2)
    found, wanted = (read_losses(model, accumulate=2) for model in (out, whole))
    assert found.batches == 2 and wanted.batches == 1  # rows of two processes are about two batches each
    assert found.steps[-1] == wanted.steps[-1] == steps
    assert steps_of(whole, 2)[0] == pytest.approx(found.values[0], rel=1e-4)
    assert found.values[-20:].mean() == pytest.approx(wanted.values[-20:].mean(), rel=0.01)


def test_the_nodes_of_a_slurm_job_train_as_one_process_does(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A made-up srun runs two nodes on this machine."""
    folder = tmp_path / "bin"
    folder.mkdir()
    body = 'while [ "${1#--}" != "$1" ]; do shift; done; SLURM_NODEID=1 "$@" & SLURM_NODEID=0 "$@" && wait $!'
    for name, command in (("scontrol", "echo 127.0.0.1; echo 127.0.0.1"), ("srun", body)):
        (folder / name).write_text(f"#!/bin/sh\n{command}\n", encoding="utf-8")
        (folder / name).chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_ID", str(os.getpid()))
    monkeypatch.setenv("MASTER_PORT", str(launch.find_free_port()))
    monkeypatch.setenv("SYNTHST_SECONDS_TO_JOIN", "300")
    two = train(task, tmp_path / "two", num_nodes=2)
    assert_same_training(two, train(task, tmp_path / "one"))
