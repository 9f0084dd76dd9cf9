"""Training: what it leaves behind, and that a broken run ends like an unbroken one, bit for bit."""

import dataclasses
import json
import math
import os
import random
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from processes import run_and_die, start
from toy_task import MODEL, TRAINING, make_task
from toy_trained import (
    assert_same_model,
    assert_same_tensors,
    die_calling,
    die_in_step,
    die_saving,
    epoch_losses,
    load,
    summary,
)

from synthst import unfinished
from synthst.errors import ConfigError, DataError, SynthstError
from synthst.espnet import finish, train
from synthst.espnet.config import ModelConfig, TrainingConfig
from synthst.espnet.files import read_config
from synthst.espnet.load import load_model
from synthst.espnet.task import TokenMTTask, is_whole, restore_checkpoint
from synthst.espnet.train import optimisation_config, train_model
from synthst.tokens import Tokenizer, train_tokenizers, write_tokens

pytestmark = pytest.mark.usefixtures("one_thread")

Task = dict[str, Any]


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    return make_task(tmp_path_factory.mktemp("task"))


@pytest.fixture(scope="module")
def trained(task: Task) -> Path:
    out: Path = task["tokens"].parent / "trained"
    train_model(out=out, **task, labels={"targets": "real", "subset": None})
    return out


def test_the_loss_falls(trained: Path) -> None:
    losses = epoch_losses(trained, "valid")
    assert len(losses) == 3
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.9 * losses[0]


def test_a_finished_directory_holds_what_the_documentation_says(trained: Path, task: Task) -> None:
    names = {path.name for path in trained.iterdir()}
    documented = {"model.pth", "config.yaml", "src.model", "tgt.model", "train.json", "train.log"}
    documented |= {"train_losses.tsv"}
    assert names - documented == {"checkpoint.pth", "espnet.yaml", "settings.json", "tensorboard"}
    assert documented <= names
    assert not trained.with_name("trained.training").exists()
    assert (trained / "src.model").read_bytes() == (task["tokenizers"] / "en.model").read_bytes()
    log = (trained / "train.log").read_text(encoding="utf-8")
    assert "validation 3 of 3: loss" in log


def test_the_loss_of_every_batch_is_kept(trained: Path) -> None:
    header, *lines = (trained / "train_losses.tsv").read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines]
    assert header.split("\t") == ["epoch", "batch", "loss"]
    assert [(row[0], row[1]) for row in rows] == [(str(e), str(b)) for e in "123" for b in range(1, 5)]
    assert float(rows[-1][2]) < float(rows[0][2])


def test_the_model_is_the_mean_of_the_best_checkpoints(
    task: Task, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finish, "tidy", lambda _: None)
    out = tmp_path / "out"
    train_model(out=out, **task)
    best = sorted(range(3), key=lambda index: epoch_losses(out, "valid")[index])[:2]
    first, second = (load(out / f"{index + 1}epoch.pth") for index in best)
    model = load(trained / "model.pth")
    assert_same_tensors(load(out / "model.pth"), model)
    for name, tensor in model.items():
        torch.testing.assert_close(tensor, (first[name] + second[name]) / 2)


def test_train_json_tells_what_was_trained(trained: Path) -> None:
    found = summary(trained)
    assert found["steps"] == 12 and found["train_sentences"] == 200
    assert found["targets"] == "real" and found["subset"] is None
    assert found["valid_loss"] == min(epoch_losses(trained, "valid"))
    assert found["parameters"] == sum(p.numel() for p in load_model(trained).model.parameters())
    assert found["settings"]["model"] == dataclasses.asdict(MODEL)
    assert "workers" not in found["settings"]["training"]


def test_a_second_call_does_nothing(trained: Path, task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "run_espnet", lambda *_: pytest.fail("trained again"))
    before = {path.name: path.lstat().st_mtime_ns for path in trained.iterdir()}
    train_model(out=trained, **task)
    assert {path.name: path.lstat().st_mtime_ns for path in trained.iterdir()} == before


@pytest.mark.parametrize(
    ("key", "changed"),
    [
        ("training.learning_rate", {"training": dataclasses.replace(TRAINING, learning_rate=0.5)}),
        ("model.feedforward", {"model": dataclasses.replace(MODEL, feedforward=64)}),
        ("tgt", {"tgt": "en"}),
    ],
)
def test_other_settings_are_refused_by_name(trained: Path, task: Task, key: str, changed: Task) -> None:
    with pytest.raises(ConfigError, match=f"trained was trained with {key} = .*another"):
        train_model(out=trained, **{**task, **changed})


def test_an_unfinished_training_goes_on_with_its_own_settings_only(task: Task, tmp_path: Path) -> None:
    assert run_and_die(partial(train_model, out=tmp_path / "out", **task), die_in_step(6)) == 9
    faster = {**task, "training": dataclasses.replace(TRAINING, max_steps=8)}
    with pytest.raises(ConfigError, match=r"out.training was trained with training.max_steps = 12, now 8"):
        train_model(out=tmp_path / "out", **faster)


def test_a_directory_that_is_no_model_is_refused_before_training(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "run_espnet", lambda *_: pytest.fail("trained"))
    (tmp_path / "out").mkdir()
    with pytest.raises(ConfigError, match="out is there and no trained model"):
        train_model(out=tmp_path / "out", **task)


@pytest.mark.parametrize("which", ["tokens", "valid_tokens"])
def test_tokens_of_another_tokeniser_are_refused(task: Task, tmp_path: Path, which: str) -> None:
    data = task["tokens"].parent / "dev"
    train_tokenizers(
        task["tokens"].parent / "train", tmp_path / "other", langs=["en", "de"], vocabulary_size=290
    )
    write_tokens(data, tmp_path / "tokens", langs=["en", "de"], tokenizers=tmp_path / "other")
    with pytest.raises(DataError, match=f"{tmp_path}/tokens was made with another tokeniser"):
        train_model(out=tmp_path / "out", **{**task, which: tmp_path / "tokens"})
    assert not (tmp_path / "out").exists()


def test_a_training_that_diverges_is_no_finished_model(task: Task, tmp_path: Path) -> None:
    wild = dataclasses.replace(TRAINING, learning_rate=1e30, clip_norm=1e30)
    for _ in range(2):
        with pytest.raises(ConfigError, match="diverged.*learning_rate 1e"):
            train_model(out=tmp_path / "out", **{**task, "training": wild})
    assert not (tmp_path / "out").exists()


# Broken runs


MOMENTS = {
    "before the first step": die_in_step(1),
    "in the first epoch": die_in_step(3),
    "in the second epoch": die_in_step(7),
    "no byte of the first checkpoint": die_saving("checkpoint.pth", 1, 0),
    "half of the first checkpoint": die_saving("checkpoint.pth", 1, 0.5),
    "half of the second checkpoint": die_saving("checkpoint.pth", 2, 0.5),
    "all but little of the last checkpoint": die_saving("checkpoint.pth", 3, 0.999),
    "after the second checkpoint": die_saving("checkpoint.pth", 2, 1),
    "half of the first epoch's model": die_saving("1epoch.pth", 1, 0.5),
    "half of the last epoch's model": die_saving("3epoch.pth", 1, 0.5),
    "half of the average": die_saving("valid.loss.ave_2best.pth", 1, 0.5),
    "after the average": die_saving("valid.loss.ave_2best.pth", 1, 1),
    "half of the finished model": die_saving(".model.pth.tmp", 1, 0.5),
    "before train.json": die_calling(finish.json, "dumps"),
    "before the last rename": die_calling(os, "rename"),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_broken_run_ends_like_an_unbroken_one(
    task: Task, trained: Path, tmp_path: Path, moment: str
) -> None:
    assert run_and_die(partial(train_model, out=tmp_path / "out", **task), MOMENTS[moment]) == 9
    assert not (tmp_path / "out").exists()
    train_model(out=tmp_path / "out", **task)
    assert_same_model(tmp_path / "out", trained)


def test_a_run_broken_again_and_again_ends_like_an_unbroken_one(
    task: Task, trained: Path, tmp_path: Path
) -> None:
    breaks = ["half of the first checkpoint", "after the second checkpoint", "in the first epoch"]
    for moment in [*breaks, "all but little of the last checkpoint", "half of the average"]:
        run_and_die(partial(train_model, out=tmp_path / "out", **task), MOMENTS[moment])
    train_model(out=tmp_path / "out", **task)
    assert_same_model(tmp_path / "out", trained)


@pytest.mark.system
@pytest.mark.parametrize("seed", range(3))
def test_sigkill_at_any_moment_changes_nothing(task: Task, trained: Path, tmp_path: Path, seed: int) -> None:
    out, draw = tmp_path / "out", random.Random(seed)
    for _ in range(2):
        process = start(train_model, out=out, **task)
        time.sleep(draw.uniform(0.05, 0.4))
        process.kill()
        process.join(60)
        assert process.exitcode in (0, -signal.SIGKILL)
    train_model(out=out, **task)
    assert_same_model(out, trained)


def test_restoring_prefers_the_newest_whole_checkpoint(tmp_path: Path) -> None:
    newest, before = tmp_path / "checkpoint.pth", tmp_path / "resume.pth"
    restore_checkpoint(tmp_path)
    assert not newest.exists()
    torch.save({"epoch": 1}, before)
    newest.write_bytes(before.read_bytes()[:-1])
    assert not is_whole(newest)
    restore_checkpoint(tmp_path)
    assert load(newest) == {"epoch": 1} and not before.exists()
    torch.save({"epoch": 0}, before)
    restore_checkpoint(tmp_path)
    assert load(newest) == {"epoch": 1} and before.exists()


# Variants


def test_workers_do_not_change_the_model(task: Task, trained: Path, tmp_path: Path) -> None:
    train_model(out=tmp_path / "out", **{**task, "training": dataclasses.replace(TRAINING, workers=1)})
    assert_same_model(tmp_path / "out", trained)


def test_another_seed_gives_another_model(task: Task, trained: Path, tmp_path: Path) -> None:
    train_model(out=tmp_path / "out", **{**task, "training": dataclasses.replace(TRAINING, seed=2)})
    assert epoch_losses(tmp_path / "out", "valid") != epoch_losses(trained, "valid")


def test_tied_embeddings_are_one_matrix(task: Task, trained: Path, tmp_path: Path) -> None:
    tied = {**task, "model": dataclasses.replace(MODEL, tied_embeddings=True)}
    train_model(out=tmp_path / "out", **tied)
    model = load_model(tmp_path / "out").model
    assert model.decoder.output_layer.weight is model.decoder.embed[0].weight
    assert model.frontend.embed[0].weight is model.decoder.embed[0].weight
    matrix = model.decoder.output_layer.weight.numel()
    assert summary(tmp_path / "out")["parameters"] == summary(trained)["parameters"] - 2 * matrix


def test_separate_vocabularies_tie_the_targets_matrices_only(tmp_path: Path) -> None:
    separate = make_task(tmp_path, shared=False)
    tied = {**separate, "model": dataclasses.replace(MODEL, tied_embeddings=True)}
    train_model(out=tmp_path / "out", **tied)
    loaded = load_model(tmp_path / "out")
    assert loaded.src_tokenizer.checksum != loaded.tgt_tokenizer.checksum
    assert loaded.model.decoder.output_layer.weight is loaded.model.decoder.embed[0].weight
    assert loaded.model.frontend.embed[0].weight is not loaded.model.decoder.embed[0].weight
    german = Tokenizer(tmp_path / "tokenizers" / "de.model")
    assert loaded.model.token_list == german.token_list()


def test_bfloat16_on_a_cpu_learns_too(task: Task, trained: Path, tmp_path: Path) -> None:
    training = dataclasses.replace(TRAINING, bfloat16=True)
    train_model(out=tmp_path / "out", **{**task, "training": training})
    assert epoch_losses(tmp_path / "out", "valid") == pytest.approx(epoch_losses(trained, "valid"), rel=0.05)
    assert all(tensor.dtype == torch.float32 for tensor in load(tmp_path / "out/model.pth").values())


def test_accumulating_cuts_a_step_into_batches() -> None:
    training = dataclasses.replace(TRAINING, accumulate=3)
    config = optimisation_config(training, ngpu=0)
    assert training.tokens_per_batch == 134  # 400 / 3, rounded up
    assert (config["batches_per_epoch"], config["max_batches"], config["accum_grad"]) == (12, 36, 3)
    assert config["max_epoch"] == 3


def test_embeddings_begin_as_large_as_positions(trained: Path) -> None:
    """Times sqrt(width), as ESPnet scales them, the embeddings have variance 1; positions have 1 / 2."""
    model = TokenMTTask.build_model(read_config(trained / "config.yaml"))
    for module in (model.frontend.embed[0], model.decoder.embed[0]):
        assert module.weight.std().item() * math.sqrt(16) == pytest.approx(1, rel=0.05)


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        (lambda: ModelConfig(width=20, heads=3), "model.width 20 is no multiple of model.heads 3"),
        (lambda: ModelConfig(heads=0), "model.heads must be at least 1, not 0"),
        (lambda: ModelConfig(encoder_layers=0), "model.encoder_layers must be at least 1"),
        (lambda: ModelConfig(dropout=1.0), r"model.dropout must be in \[0, 1\), not 1.0"),
        (lambda: ModelConfig(label_smoothing=-0.1), "model.label_smoothing"),
        (lambda: TrainingConfig(max_steps=10, warmup_steps=10), "training.warmup_steps 10 must be above 0"),
        (lambda: TrainingConfig(validate_every=0), "training.validate_every must be at least 1, not 0"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(settings: Callable[[], object], wanted: str) -> None:
    with pytest.raises(SynthstError, match=wanted):
        settings()


def test_fine_tuning_begins_with_the_weights_of_init(task: Task, trained: Path, tmp_path: Path) -> None:
    still = dataclasses.replace(TRAINING, learning_rate=1e-12, min_learning_rate=1e-13)
    train_model(out=tmp_path / "tuned", **{**task, "training": still}, init=trained)
    begun, tuned = load(trained / "model.pth"), load(tmp_path / "tuned/model.pth")
    assert begun.keys() == tuned.keys()
    assert all(torch.allclose(begun[name], tuned[name], atol=1e-6) for name in begun)
    assert summary(tmp_path / "tuned")["settings"]["init"] == load_model(trained).checksum
    proof = json.loads((tmp_path / "tuned/init.json").read_text(encoding="utf-8"))
    assert sum(part["tensors"] for part in proof["parts"].values()) == len(begun)


def test_fine_tuning_refuses_a_model_of_another_shape(task: Task, trained: Path, tmp_path: Path) -> None:
    wider = {**task, "model": dataclasses.replace(MODEL, feedforward=64)}
    with pytest.raises(ConfigError, match=r"another shape \(model.feedforward: 32 there, 64 here\)"):
        train_model(out=tmp_path / "tuned", **wider, init=trained)


def test_fine_tuning_refuses_other_tokenisers(task: Task, trained: Path, tmp_path: Path) -> None:
    other = make_task(tmp_path / "other", shared=False)
    with pytest.raises(ConfigError, match="another tgt tokeniser"):
        train_model(out=tmp_path / "tuned", **other, init=trained)


def test_fine_tuning_refuses_a_model_that_is_not_there(task: Task, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere/model.pth is not there"):
        train_model(out=tmp_path / "tuned", **task, init=tmp_path / "nowhere")


def test_two_trainings_in_one_folder_are_refused(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unfinished, "LOCK_SECONDS", 0.1)
    with (
        unfinished.alone_in(tmp_path / "out.training"),
        pytest.raises(DataError, match="out.training is in use; wait for the process that writes there"),
    ):
        train_model(out=tmp_path / "out", **task)
    train_model(out=tmp_path / "out", **task)
    assert (tmp_path / "out/model.pth").is_file()


@pytest.mark.parametrize("number", unfinished.NO_LOCKS)
def test_where_directories_cannot_be_locked_they_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(unfinished.fcntl, "flock", refuse)
    with unfinished.alone_in(tmp_path / "folder"):
        assert (tmp_path / "folder").is_dir()
    assert "cannot be locked" in caplog.text
