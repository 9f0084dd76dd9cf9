"""Training on speech: what it leaves, that a broken run ends like an unbroken one, and the frozen encoder."""

import dataclasses
import itertools
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import toy_task
import yaml
from processes import run_and_die
from toy_speech import MODEL, RATE, TRAINING, make_speech_task, read_json, recogniser_task, speak, write_dump
from toy_task import make_sentences
from toy_trained import assert_same_model, die_in_step, die_saving, epoch_losses, load, summary

from synthst.errors import ConfigError, DataError
from synthst.espnet import speech_train
from synthst.espnet.loss import SmoothedCrossEntropy
from synthst.espnet.speech_config import InitConfig
from synthst.espnet.speech_load import load_speech_model
from synthst.espnet.speech_options import translator_options
from synthst.espnet.speech_train import train_recogniser, train_speech_translator
from synthst.espnet.train import train_model
from synthst.tokens import Tokenizer, train_tokenizers

pytestmark = pytest.mark.usefixtures("one_thread")

Task = dict[str, Any]
FROZEN = InitConfig(frozen_steps=3, encoder_learning_rate=0.5)


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    return make_speech_task(tmp_path_factory.mktemp("task"))


@pytest.fixture(scope="module")
def recogniser(task: Task) -> Path:
    out: Path = task["tokens"].parent / "asr"
    train_recogniser(out=out, **recogniser_task(task), labels={"size": "toy"})
    return out


@pytest.fixture(scope="module")
def translator(task: Task, recogniser: Path) -> Path:
    """Train with the encoder frozen in the first epoch and half of the second."""
    out: Path = task["tokens"].parent / "st"
    train_speech_translator(out=out, asr=recogniser, init=FROZEN, **task, labels={"targets": "real"})
    return out


def encoder_of(states: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in states.items() if name.startswith("encoder.")}


def changed(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> set[str]:
    return {name for name in before if not torch.equal(before[name], after[name])}


# What is left


def test_the_recognisers_loss_falls(recogniser: Path) -> None:
    losses = epoch_losses(recogniser, "valid")
    assert len(losses) == 3 and losses[-1] < 0.95 * losses[0]


def test_a_finished_recogniser_holds_what_the_documentation_says(recogniser: Path, task: Task) -> None:
    names = {path.name for path in recogniser.iterdir()}
    documented = {"model.pth", "config.yaml", "tgt.model", "train.json", "train.log", "train_losses.tsv"}
    assert names - documented == {"checkpoint.pth", "espnet.yaml", "settings.json", "tensorboard"}
    assert documented <= names
    assert (recogniser / "tgt.model").read_bytes() == (task["tokenizers"] / "en.model").read_bytes()
    found = summary(recogniser)
    assert found["steps"] == 6 and found["train_sentences"] == 60 and found["size"] == "toy"
    assert found["settings"]["task"] == "asr" and found["settings"]["model"] == dataclasses.asdict(MODEL)
    assert found["train_audio_seconds"] == pytest.approx(60 * 4.5 * 0.12, rel=0.2)


def test_the_models_load_with_their_tokenisers(recogniser: Path, translator: Path, task: Task) -> None:
    german = task["tokenizers"] / "de.model"
    for directory, kind, has_source in ((recogniser, "asr", False), (translator, "st", True)):
        loaded = load_speech_model(directory)
        assert loaded.task == kind and (loaded.src_tokenizer is not None) == has_source
        assert not loaded.model.training
        assert not changed(load(directory / "model.pth"), loaded.model.state_dict())
        assert summary(directory)["parameters"] == sum(p.numel() for p in loaded.model.state_dict().values())
    assert loaded.tgt_tokenizer.path.read_bytes() == german.read_bytes()


@pytest.mark.parametrize(
    ("spoil", "wanted"),
    [
        (lambda folder: (folder / "model.pth").unlink(), "none of model.pth, .* is there"),
        (lambda folder: (folder / "config.yaml").unlink(), "config.yaml: no configuration .* is not there"),
        (lambda folder: (folder / "config.yaml").write_text("a: 1"), "it lacks bpemodel, token_list"),
        (lambda folder: (folder / "config.yaml").write_text("- 1"), "no configuration of an ESPnet model"),
        (lambda folder: (folder / "tgt.model").unlink(), "no SentencePiece model at .*tgt.model"),
        (lambda folder: torch.save({}, folder / "model.pth"), r"(?s)does not fit .*Missing key"),
    ],
)
def test_a_model_that_lacks_something_does_not_load(
    recogniser: Path, tmp_path: Path, spoil: Callable[[Path], Any], wanted: str
) -> None:
    folder = Path(shutil.copytree(recogniser, tmp_path / "asr"))
    spoil(folder)
    with pytest.raises(DataError, match=wanted):
        load_speech_model(folder)


def test_our_losses_are_in_the_model(task: Task, translator: Path) -> None:
    """The reported loss is the weighted sum of both, per token."""
    loaded = load_speech_model(translator).model
    assert isinstance(loaded.criterion_st, SmoothedCrossEntropy)
    assert translator_options(MODEL, RATE)["model_conf"]["asr_weight"] == 0.3
    speech, lengths = torch.randn(2, RATE), torch.tensor([RATE, RATE])
    tokens, token_lengths = torch.tensor([[2, 3, 4], [5, 6, -1]]), torch.tensor([3, 2])
    loss, stats, _ = loaded(speech, lengths, tokens.clone(), token_lengths, tokens.clone(), token_lengths)
    torch.testing.assert_close(loss, 0.7 * stats["loss_st"] + 0.3 * stats["loss_asr"])
    encoded, encoded_lengths = loaded.encode(speech, lengths)
    probabilities = loaded.ctc.log_softmax(encoded).transpose(0, 1)
    total = torch.nn.functional.ctc_loss(
        probabilities, tokens.clamp(min=0), encoded_lengths, token_lengths, reduction="sum"
    )
    torch.testing.assert_close(stats["loss_asr"].squeeze(), total.detach() / 5)


def test_without_ctc_nothing_is_left_of_it(task: Task, tmp_path: Path) -> None:
    model = dataclasses.replace(MODEL, ctc_weight=0.0)
    for train, arguments in (
        (train_recogniser, recogniser_task({**task, "model": model})),
        (train_speech_translator, {**task, "model": model}),
    ):
        out = tmp_path / train.__name__
        train(out=out, **arguments)
        assert not any(name.startswith("ctc.") for name in load(out / "model.pth"))


def test_tokens_without_alignment_are_counted(
    task: Task, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speech_train, "run_training", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        train_recogniser(out=tmp_path / "out", **recogniser_task(task))
    assert re.search("(?<![0-9])10 of 60 recordings have more tokens than frames", caplog.text)
    tokenizer = Tokenizer(task["tokenizers"] / "en.model")
    lacking = 0
    for sentence in make_sentences(60, seed=0):
        frames = len(speak(sentence)) // 80 + 1  # 80 samples are 10 ms
        tokens = tokenizer.encode(sentence)
        repeats = sum(one == other for one, other in itertools.pairwise(tokens))
        lacking += len(tokens) + repeats > ((frames - 1) // 2 - 1) // 2
    assert lacking == 10


# Settings


def test_a_second_call_does_nothing(
    recogniser: Path, translator: Path, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speech_train, "run_training", lambda *_: pytest.fail("trained again"))
    train_recogniser(out=recogniser, **recogniser_task(task))
    train_speech_translator(out=translator, asr=recogniser, init=FROZEN, **task)


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("training.batch_seconds", {"training": dataclasses.replace(TRAINING, batch_seconds=9.0)}),
        ("model.kernel", {"model": dataclasses.replace(MODEL, kernel=5)}),
        ("init.frozen_steps", {"init": InitConfig(frozen_steps=1, encoder_learning_rate=0.5)}),
        ("init", {"asr": None, "init": InitConfig()}),
        ("tgt", {"tgt": "en"}),
    ],
)
def test_other_settings_are_refused_by_name(
    translator: Path, recogniser: Path, task: Task, key: str, change: Task
) -> None:
    with pytest.raises(ConfigError, match=f"st was trained with {key}.* = .*another"):
        train_speech_translator(out=translator, **{**task, "asr": recogniser, "init": FROZEN, **change})


def test_init_without_a_recogniser_is_refused(task: Task, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="none is given; name one as asr"):
        train_speech_translator(out=tmp_path / "out", init=FROZEN, **task)


def test_a_recording_without_a_frame_is_refused_before_training(task: Task, tmp_path: Path) -> None:
    whole = make_speech_task(tmp_path, utterances=3)
    recordings = {f"u{number:06d}": speak("cat") for number in range(3)}
    recordings["u000001"] = recordings["u000001"][:400]
    short = write_dump(tmp_path / "short", recordings)
    with pytest.raises(DataError, match="1 of 3 recordings are shorter than the 0.060 s .* u000001 .0.050 s"):
        train_recogniser(out=tmp_path / "out", **recogniser_task({**whole, "audio": [short]}))
    assert not list(tmp_path.glob("out*"))


def test_tokens_of_another_tokeniser_leave_nothing(task: Task, tmp_path: Path) -> None:
    data = task["tokens"].parent / "train"
    train_tokenizers(data, tmp_path / "other", langs=["en", "de"], vocabulary_size=290)
    with pytest.raises(DataError, match="was made with another tokeniser of 'en'"):
        train_recogniser(out=tmp_path / "out", **recogniser_task({**task, "tokenizers": tmp_path / "other"}))
    assert not list(tmp_path.glob("out*"))


# Broken runs


def test_a_broken_recogniser_ends_like_an_unbroken_one(task: Task, recogniser: Path, tmp_path: Path) -> None:
    arguments = {**recogniser_task(task), "out": tmp_path / "out"}
    assert run_and_die(lambda: train_recogniser(**arguments), die_saving("checkpoint.pth", 2, 0.5)) == 9
    train_recogniser(**arguments)
    assert_same_model(tmp_path / "out", recogniser)


MOMENTS = {
    "in the first epoch, frozen": die_in_step(2),
    "in the second epoch, frozen": die_in_step(5),
    "in the second epoch, free": die_in_step(6),
    "saving the first epoch": die_saving("checkpoint.pth", 1, 1),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_broken_translator_ends_like_an_unbroken_one(
    task: Task, recogniser: Path, translator: Path, tmp_path: Path, moment: str
) -> None:
    arguments = {**task, "out": tmp_path / "out", "asr": recogniser, "init": FROZEN}
    assert run_and_die(lambda: train_speech_translator(**arguments), MOMENTS[moment]) == 9
    train_speech_translator(**arguments)
    assert_same_model(tmp_path / "out", translator)
    assert read_json(tmp_path / "out" / "init.json") == read_json(translator / "init.json")


# The encoder's beginning


def test_the_frozen_encoder_stays_as_it_was_to_the_bit(
    task: Task, recogniser: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The running statistics of the batch normalisation stay, too."""
    out = tmp_path / "out"
    init = InitConfig(frozen_steps=TRAINING.max_steps)
    train_speech_translator(out=out, asr=recogniser, init=init, **task)
    before, after = load(recogniser / "model.pth"), load(out / "checkpoint.pth")["model"]
    assert not changed(encoder_of(before), encoder_of(after))
    assert any(name.endswith("running_mean") for name in encoder_of(before))
    decoders = [name for name in after if name.startswith("decoder.")]
    assert decoders and changed({name: before[name] for name in decoders}, after)


def test_the_encoder_learns_from_the_step_on_that_was_asked_for(task: Task, translator: Path) -> None:
    """It is frozen for 3 of 6 steps: Adam has made 3 steps for it and 6 for everything else."""
    (states,) = load(translator / "checkpoint.pth")["optimizers"]
    others, encoder = states["param_groups"]
    assert encoder["learning_rate_factor"] == 0.5 and "learning_rate_factor" not in others
    assert encoder["lr"] == pytest.approx(0.5 * others["lr"])
    assert {int(states["state"][index]["step"]) for index in encoder["params"]} == {3}
    assert {int(states["state"][index]["step"]) for index in others["params"]} == {6}


def test_the_report_proves_what_was_loaded(recogniser: Path, translator: Path) -> None:
    report = read_json(translator / "init.json")
    encoder, untouched = report["parts"]["encoder"], report["untouched"]
    tensors = encoder_of(load(recogniser / "model.pth"))
    loaded = load_speech_model(recogniser).model.encoder
    assert encoder["tensors"] == len(tensors)
    assert encoder["parameters"] == sum(parameter.numel() for parameter in loaded.parameters())
    assert encoder["checksum_after"] == encoder["checksum_of_origin"] != encoder["checksum_before"]
    assert encoder["path"] == str(recogniser / "model.pth")
    assert encoder["file_checksum"] == load_speech_model(recogniser).checksum
    assert untouched.keys() == {"decoder", "ctc", "frontend"}
    assert all(part["checksum_before"] == part["checksum_after"] for part in untouched.values())


def test_a_mistyped_key_stops_the_run_and_leaves_nothing(
    task: Task, recogniser: Path, tmp_path: Path
) -> None:
    init = InitConfig(encoder_key="encodr")
    wanted = r"'encodr' does not fit the model's encoder of 88 tensors; 88 missing: .* and 68 more"
    with pytest.raises(DataError, match=rf"{wanted}. The file has ctc, decoder, encoder, frontend: give"):
        train_speech_translator(out=tmp_path / "out", asr=recogniser, init=init, **task)
    assert not list(tmp_path.glob("out*"))


def test_another_shape_stops_the_run_with_the_options_that_differ(
    task: Task, recogniser: Path, tmp_path: Path
) -> None:
    model = dataclasses.replace(MODEL, encoder_layers=3, heads=4, hop_ms=8)
    wanted = "hop_length: 80 there, 64 here; .*heads: 2 there, 4 here; .*num_blocks: 2 there, 3 here"
    with pytest.raises(ConfigError, match=f"model.pth is another kind of model .*{wanted}"):
        train_speech_translator(out=tmp_path / "out", asr=recogniser, **{**task, "model": model})


def test_a_bare_file_is_checked_by_its_tensors(
    task: Task, recogniser: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bare = tmp_path / "bare.pth"
    torch.save({"model": load(recogniser / "model.pth")}, bare)  # as in ESPnet's checkpoint.pth
    model = dataclasses.replace(MODEL, encoder_layers=3)
    with pytest.raises(DataError, match=r"40 missing: encoders.2"):
        train_speech_translator(out=tmp_path / "out", asr=bare, **{**task, "model": model})
    assert "has no config.yaml beside it" in caplog.text


def make_global(recogniser: Path, out: Path) -> Path:
    """Copy a recogniser as if it had been trained with ESPnet's global_mvn."""
    shutil.copytree(recogniser, out)
    states = load(out / "model.pth")
    states["normalize.mean"], states["normalize.std"] = torch.linspace(-9, 1, 20), torch.linspace(1, 3, 20)
    torch.save(states, out / "model.pth")
    options = yaml.safe_load((out / "config.yaml").read_text(encoding="utf-8"))
    options |= {"normalize": "global_mvn", "normalize_conf": {"stats_file": "exp/stats/feats_stats.npz"}}
    (out / "config.yaml").write_text(yaml.safe_dump(options), encoding="utf-8")
    return out


def test_features_are_normalised_as_the_recognisers_when_asked_for(
    task: Task, recogniser: Path, tmp_path: Path
) -> None:
    origin = make_global(recogniser, tmp_path / "asr")
    with pytest.raises(ConfigError, match="normalize: global_mvn there, utterance_mvn here"):
        train_speech_translator(out=tmp_path / "out", asr=origin, **task)
    adopting = {**task, "model": dataclasses.replace(MODEL, normalisation="recogniser")}
    train_speech_translator(out=tmp_path / "out", asr=origin, **adopting)
    (tmp_path / "out").rename(tmp_path / "moved")
    loaded = load_speech_model(tmp_path / "moved").model
    features, _ = loaded.normalize(torch.ones(1, 2, 20), torch.tensor([2]))
    wanted = (1 - torch.linspace(-9, 1, 20)) / torch.linspace(1, 3, 20)
    torch.testing.assert_close(features[0], wanted.expand(2, 20))
    report = read_json(tmp_path / "moved" / "init.json")
    assert report["parts"].keys() == {"encoder", "normalize"} and report["parts"]["normalize"]["tensors"] == 2
    with pytest.raises(ConfigError, match="asr/model.pth: no config.yaml beside it says global_mvn"):
        train_speech_translator(out=tmp_path / "other", asr=recogniser, **adopting)
    with pytest.raises(ConfigError, match="is the recogniser's, and none is given"):
        train_speech_translator(out=tmp_path / "other", **adopting)


def test_a_translator_begins_with_the_decoder_of_a_text_translator(
    task: Task, recogniser: Path, tmp_path: Path
) -> None:
    text = {key: task[key] for key in ("tokens", "valid_tokens", "tokenizers", "src", "tgt")}
    train_model(out=tmp_path / "mt", **text, model=toy_task.MODEL, training=toy_task.TRAINING)
    arguments = {**task, "asr": recogniser, "mt": tmp_path / "mt"}
    train_speech_translator(out=tmp_path / "out", **arguments)
    report = read_json(tmp_path / "out" / "init.json")
    assert report["parts"].keys() == {"encoder", "decoder"} and report["untouched"].keys() == {
        "ctc",
        "frontend",
    }
    assert report["parts"]["decoder"]["tensors"] == sum(
        name.startswith("decoder.") for name in load(tmp_path / "mt" / "model.pth")
    )
    shallow = {**arguments, "model": dataclasses.replace(MODEL, decoder_layers=2)}
    with pytest.raises(ConfigError, match="mt/model.pth is another .*num_blocks: 1 there, 2 here"):
        train_speech_translator(out=tmp_path / "deep", **shallow)
    train_tokenizers(task["tokens"].parent / "dev", tmp_path / "other", langs=["de"], vocabulary_size=290)
    (tmp_path / "other" / "de.model").rename(tmp_path / "mt" / "tgt.model")
    with pytest.raises(ConfigError, match="mt has another target tokeniser"):
        train_speech_translator(out=tmp_path / "other_tokens", **arguments)


def test_bfloat16_on_a_cpu_learns_too_with_features_in_float32(
    task: Task, recogniser: Path, tmp_path: Path
) -> None:
    training = dataclasses.replace(TRAINING, bfloat16=True)
    out = tmp_path / "out"
    train_recogniser(out=out, **recogniser_task({**task, "training": training}))
    assert epoch_losses(out, "valid") == pytest.approx(epoch_losses(recogniser, "valid"), rel=0.05)
    assert {tensor.dtype for tensor in load(out / "model.pth").values()} == {torch.float32, torch.int64}
    model = load_speech_model(out).model
    speech = torch.randn(1, RATE)
    wanted, _ = load_speech_model(recogniser).model.frontend(speech, torch.tensor([RATE]))
    with torch.autocast("cpu", torch.bfloat16):
        features, _ = model.frontend(speech, torch.tensor([RATE]))
    assert torch.equal(features, wanted)
