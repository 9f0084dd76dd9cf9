"""A model directory is loaded whole, with the tokenisers it was trained with, or not at all."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from toy_task import make_task

from synthst.errors import DataError
from synthst.espnet.load import load_model
from synthst.espnet.train import train_model
from synthst.tokens import train_tokenizers

EMBEDDING = "decoder.embed.0.weight"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("load")
    train_model(out=folder / "model", **make_task(folder))
    return folder / "model"


@pytest.fixture
def model(trained: Path, tmp_path: Path) -> Path:
    """Copy the model, to be spoilt."""
    return Path(shutil.copytree(trained, tmp_path / "model"))


def change_weights(model: Path, change: Any) -> None:
    states = torch.load(model / "model.pth", weights_only=True)
    change(states)
    torch.save(states, model / "model.pth")


def test_weights_are_those_of_the_file_and_the_model_is_ready(trained: Path) -> None:
    loaded = load_model(trained)
    states = torch.load(trained / "model.pth", weights_only=True)
    assert not loaded.model.training
    assert loaded.model.state_dict().keys() == states.keys()
    assert all(torch.equal(tensor, states[name]) for name, tensor in loaded.model.state_dict().items())


@pytest.mark.parametrize(
    "change",
    [
        lambda states: states.pop(EMBEDDING),
        lambda states: states.update({EMBEDDING: states[EMBEDDING][:, :8].clone()}),
        lambda states: states.update({EMBEDDING: states[EMBEDDING][:-1].clone()}),
        lambda states: states.update({EMBEDDING: "text"}),
    ],
    ids=["lacking", "narrow", "short", "no tensor"],
)
def test_a_tensor_that_lacks_or_does_not_fit_is_named(model: Path, change: Any) -> None:
    change_weights(model, change)
    with pytest.raises(DataError, match=rf"(?s)model/model.pth: does not fit .*{EMBEDDING}"):
        load_model(model)


def test_a_tensor_too_many_is_named(model: Path) -> None:
    change_weights(model, lambda states: states.update({"encoder.extra": torch.zeros(1)}))
    with pytest.raises(DataError, match=r"(?s)does not fit .*encoder\.extra"):
        load_model(model)


@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_weights_that_are_cut_off_are_refused(model: Path, share: float) -> None:
    content = (model / "model.pth").read_bytes()
    (model / "model.pth").write_bytes(content[: int(share * len(content))])
    with pytest.raises(DataError, match="model.pth: cannot be read as weights, it may be cut off"):
        load_model(model)


def test_a_list_instead_of_weights_is_refused(model: Path) -> None:
    torch.save([1, 2], model / "model.pth")
    with pytest.raises(DataError, match="model.pth: does not fit"):
        load_model(model)


class Payload:
    """Make a directory when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_code_in_a_weights_file_is_refused_and_not_run(model: Path, tmp_path: Path) -> None:
    change_weights(model, lambda states: states.update({"extra": Payload(tmp_path / "run")}))
    with pytest.raises(DataError, match="model.pth: cannot be read as weights"):
        load_model(model)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["src.model", "tgt.model"])
def test_another_tokeniser_is_refused(model: Path, tmp_path: Path, trained: Path, name: str) -> None:
    data = trained.parent / "dev"
    train_tokenizers(data, tmp_path / "other", langs=["en"], vocabulary_size=290)
    shutil.copyfile(tmp_path / "other" / "en.model", model / name)
    with pytest.raises(DataError, match=f"{name}: its pieces are not the tokens of .*config.yaml"):
        load_model(model)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("config.yaml", "config.yaml: no configuration"),
        ("model.pth", "none of model.pth, .* is there; is the training finished"),
        ("src.model", "no SentencePiece model at .*src.model"),
        ("tgt.model", "no SentencePiece model at .*tgt.model"),
    ],
)
def test_a_missing_file_is_named(model: Path, name: str, wanted: str) -> None:
    (model / name).unlink()
    with pytest.raises(DataError, match=wanted):
        load_model(model)


@pytest.mark.parametrize("content", ["", "- a\n", "a: [", "token_list: [a]\n", "!!python/name:os.system ''"])
def test_a_configuration_that_is_none_of_a_translation_model_is_refused(model: Path, content: str) -> None:
    (model / "config.yaml").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match="config.yaml: no configuration of an ESPnet"):
        load_model(model)


def test_a_directory_of_espnets_own_recipe_loads(trained: Path, model: Path, tmp_path: Path) -> None:
    """ESPnet keeps its SentencePiece models elsewhere and names the average after the criterion."""
    (model / "model.pth").rename(model / "valid.loss.ave_2best.pth")
    (model / "valid.loss.ave.pth").symlink_to("valid.loss.ave_2best.pth")
    config = yaml.safe_load((model / "config.yaml").read_text(encoding="utf-8"))
    for side, key in (("src", "src_bpemodel"), ("tgt", "bpemodel")):
        place = tmp_path / "data" / f"{side}_bpe" / "bpe.model"
        place.parent.mkdir(parents=True)
        (model / f"{side}.model").rename(place)
        config[key] = str(place)
    del config["label_smoothing"]  # ours; ESPnet's model keeps its own loss
    (model / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    loaded, ours = load_model(model), load_model(trained)
    assert loaded.checksum == ours.checksum
    assert loaded.src_tokenizer.token_list() == ours.src_tokenizer.token_list()
