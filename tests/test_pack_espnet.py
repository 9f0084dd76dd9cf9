"""ESPnet's own unpack takes a pack, and ESPnet's own classes compute what ours do."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from toy_speech import MODEL, make_speech_task, recogniser_task, speak
from toy_task import make_task

from synthst.espnet.load import load_model
from synthst.espnet.speech_load import load_speech_model
from synthst.espnet.speech_train import train_recogniser, train_speech_translator
from synthst.espnet.train import train_model
from synthst.pack.command import pack
from synthst.pack.espnet_meta import write_meta

# isort: split
from espnet2.bin.asr_inference import Speech2Text as Recogniser
from espnet2.bin.mt_inference import Text2Text
from espnet2.bin.st_inference import Speech2Text as Translator
from espnet2.main_funcs.pack_funcs import unpack

pytestmark = pytest.mark.usefixtures("one_thread")
NO_OTHERS = {"ctc_weight": 0.0, "lm_weight": 0.0, "ngram_weight": 0.0}


def assert_same_weights(ours: torch.nn.Module, theirs: torch.nn.Module) -> None:
    wanted, found = ours.state_dict(), theirs.state_dict()
    assert wanted.keys() == found.keys()
    assert all(torch.equal(wanted[name], found[name]) for name in wanted)


def decoder_scores(model: Any, encoded: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Return what a model predicts after <sos> and three pieces: (1, 4, vocabulary)."""
    begun = torch.tensor([[model.sos, 5, 6, 7]])
    scores: torch.Tensor = model.decoder(encoded, lengths, begun, torch.tensor([4]))[0]
    return scores


def test_a_model_of_text_is_espnet_s_own(tmp_path: Path) -> None:
    train_model(out=tmp_path / "mt", **make_task(tmp_path))
    pack(tmp_path / "mt", tmp_path / "pack.zip")
    found = unpack(tmp_path / "pack.zip", tmp_path / "out")
    assert found.keys() == {"mt_train_config", "mt_model_file"}
    ours = load_model(tmp_path / "mt")
    theirs = Text2Text(**found, **NO_OTHERS, normalize_length=True, beam_size=2, maxlenratio=2.0)
    assert_same_weights(ours.model, theirs.mt_model)
    ids = ours.src_tokenizer.encode("a red cat")
    source = {"src_text": torch.tensor([ids]), "src_text_lengths": torch.tensor([len(ids)])}
    with torch.no_grad():
        wanted, given = (
            decoder_scores(model, *model.encode(**source)) for model in (ours.model, theirs.mt_model)
        )
    torch.testing.assert_close(given, wanted)
    ((text, _, tokens, _), *_) = theirs(torch.tensor(ids))
    assert text.strip() == ours.tgt_tokenizer.decode(tokens)


@pytest.mark.parametrize("task", ["st", "asr"])
def test_a_model_of_speech_is_espnet_s_own(tmp_path: Path, task: str) -> None:
    model = dataclasses.replace(MODEL, subsampling_channels=None)
    arguments = {**make_speech_task(tmp_path), "model": model}
    if task == "st":
        train_speech_translator(out=tmp_path / "model", **arguments)
    else:
        train_recogniser(out=tmp_path / "model", **recogniser_task(arguments))
    pack(tmp_path / "model", tmp_path / "pack.zip")
    found = unpack(tmp_path / "pack.zip", tmp_path / "out")
    assert "ESPnet loads it" in (tmp_path / "out/README.md").read_text(encoding="utf-8")
    assert found.keys() == {f"{task}_train_config", f"{task}_model_file"}
    ours = load_speech_model(tmp_path / "model").model
    whole = Translator(**found) if task == "st" else Recogniser(**found)
    theirs = getattr(whole, f"{task}_model")
    assert_same_weights(ours, theirs)
    samples = torch.from_numpy(speak("a red cat sings"))[None]
    with torch.no_grad():
        encoded = [model.encode(samples, torch.tensor([samples.size(1)]))[:2] for model in (ours, theirs)]
        wanted, given = (
            decoder_scores(model, *one) for model, one in zip((ours, theirs), encoded, strict=True)
        )
    torch.testing.assert_close(given, wanted)


def test_what_espnet_cannot_build_has_no_meta_and_the_time_is_the_training_s() -> None:
    train = {
        "settings": {"model": {"width": 16}},
        "finished": "1970-01-02 00:00:00",
        "versions": [{"espnet": "1", "torch": "2"}, {"espnet": "3", "torch": "4", "sacrebleu": "5"}],
    }
    told = write_meta("st", train, {"python": "6", "torch": "7"})
    assert told is not None and yaml.safe_load(told) == {
        "files": {"st_model_file": "model.pth"},
        "yaml_files": {"st_train_config": "config.yaml"},
        "timestamp": 86_400.0,
        "python": "6",
        "torch": "4",
        "espnet": "3",
    }
    narrow = {**train, "settings": {"model": {"width": 16, "subsampling_channels": 8}}}
    assert write_meta("st", narrow, {}) is None
