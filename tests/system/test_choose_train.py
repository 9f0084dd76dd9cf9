"""Checkpoints that are chosen by BLEU on the development set instead of the loss there."""

import itertools
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from processes import run_and_die
from toy_speech import make_speech_task, recogniser_task
from toy_task import make_task
from toy_trained import assert_same_model, assert_same_tensors, die_measuring, epoch_losses, load, summary

from synthst.espnet import dev_bleu, finish, speech_dev_bleu
from synthst.espnet.bleu_curve import DevBleuConfig, read_curve
from synthst.espnet.search import Hypothesis
from synthst.espnet.speech_config import InitConfig
from synthst.espnet.speech_dev_bleu import SpokenDevBleu
from synthst.espnet.speech_search import FoundSpeech
from synthst.espnet.speech_train import train_recogniser, train_speech_translator
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


# Speech


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Task:
    """Make 6 steps of speech, a validation after each 2."""
    return make_speech_task(tmp_path_factory.mktemp("spoken"))


def test_measuring_changes_no_step_of_a_training_on_speech(spoken: Task, tmp_path: Path) -> None:
    """The encoder stays frozen for three steps, also after a measurement in between."""
    train_recogniser(out=tmp_path / "asr", **recogniser_task(spoken))
    begun = {**spoken, "asr": tmp_path / "asr", "init": InitConfig(frozen_steps=3)}
    train_speech_translator(out=tmp_path / "plain", **begun)
    train_speech_translator(out=tmp_path / "out", **begun, dev_bleu=DevBleuConfig(every=1, choose=True))
    ours, plain = (load(tmp_path / name / "checkpoint.pth")["model"] for name in ("out", "plain"))
    assert_same_tensors(ours, plain)
    assert [point.step for point in read_curve(tmp_path / "out")] == [1, 2, 3, 4, 5, 6]
    assert summary(tmp_path / "out")["settings"]["dev_bleu"]["choose"] is True
    assert "dev_bleu" not in summary(tmp_path / "plain")["settings"]


def test_the_checkpoints_of_speech_with_the_highest_bleu_are_averaged(
    spoken: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finish, "tidy", lambda _: None)
    scores = itertools.cycle([30.0, 10.0, 20.0])
    monkeypatch.setattr(SpokenDevBleu, "measure", lambda *_: next(scores))
    train_speech_translator(out=tmp_path / "out", **spoken, **CHOOSE)
    first, third = (load(tmp_path / f"out/{epoch}epoch.pth") for epoch in (1, 3))
    for name, tensor in load(tmp_path / "out/model.pth").items():
        if tensor.is_floating_point():
            torch.testing.assert_close(tensor, (first[name] + third[name]) / 2)


def test_the_right_translations_of_recordings_have_a_bleu_of_100(
    spoken: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The search gives them back in another order."""
    tokenizer = spoken["tokenizers"] / f"{spoken['tgt']}.model"
    dev = SpokenDevBleu(spoken["valid_tokens"], spoken["valid_audio"], tgt=spoken["tgt"], tokenizer=tokenizer)
    rows, references = dev.recordings.spoken.rows, dev.recordings.texts["text"]
    right = [tuple(references[row].tolist()) for row in rows.tolist()]

    def find(_: object, audio: Any, *__: object, **___: object) -> list[FoundSpeech]:
        names = [name for name, samples in audio if len(samples)]
        found = {name: Hypothesis(right[int(name)], 0.0, finished=True, ranked_by=0.0) for name in names}
        return [FoundSpeech(name, [found[name]], too_short=False) for name in reversed(names)]

    monkeypatch.setattr(speech_dev_bleu, "search_speech", find)
    assert dev.measure(torch.nn.Linear(1, 1)) == pytest.approx(100.0)
    right[0] = right[1]
    assert dev.measure(torch.nn.Linear(1, 1)) < 99.0
