"""A model that goes on from another has every tensor of it, or the run stops and says why."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from synthst.errors import ConfigError, DataError
from synthst.espnet.init import initialise_whole
from synthst.espnet.settings import refuse_other_shape

SHAPE = {"encoder_layers": 2, "decoder_layers": 2, "width": 16, "feedforward": 32, "heads": 2}


class Translator(torch.nn.Module):
    """An encoder, a decoder whose output may be its input's matrix, and a part without tensors."""

    def __init__(self, seed: int, width: int = 4, *, tied: bool = False) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.encoder = torch.nn.Sequential(torch.nn.Linear(3, width), torch.nn.BatchNorm1d(width))
        self.decoder = torch.nn.ModuleDict(
            {"embed": torch.nn.Embedding(7, width), "output": torch.nn.Linear(width, 7, bias=False)}
        )
        self.loss = torch.nn.Identity()
        if tied:
            self.decoder["output"].weight = self.decoder["embed"].weight


def save(path: Path, model: torch.nn.Module) -> Path:
    torch.save(model.state_dict(), path)
    return path


@pytest.mark.parametrize("tied", [False, True])
def test_all_tensors_are_the_others(tmp_path: Path, tied: bool) -> None:
    other = Translator(1, tied=tied)
    other.encoder[1].running_mean += 3
    weights, model = save(tmp_path / "model.pth", other), Translator(2, tied=tied)
    report = initialise_whole(model, weights)
    wanted = other.state_dict()
    assert all(torch.equal(tensor, wanted[name]) for name, tensor in model.state_dict().items())
    assert {name: part["tensors"] for name, part in report["parts"].items()} == {"encoder": 7, "decoder": 2}
    assert report["untouched"] == {}
    for part in report["parts"].values():
        assert part["checksum_after"] == part["checksum_of_origin"] != part["checksum_before"]
    assert (model.decoder["embed"].weight is model.decoder["output"].weight) == tied


def add_part(states: dict[str, torch.Tensor]) -> None:
    states["ctc.weight"] = torch.zeros(2)


def drop_one(states: dict[str, torch.Tensor]) -> None:
    del states["encoder.1.bias"]


def widen(states: dict[str, torch.Tensor]) -> None:
    states["decoder.embed.weight"] = torch.zeros(8, 4)


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (add_part, r"model has no place for ctc\.weight"),
        (drop_one, r"the model's encoder of 7 tensors; 1 missing: 1\.bias"),
        (widen, r"1 misshapen: embed\.weight \(8, 4\) for \(7, 4\)"),
    ],
)
def test_what_does_not_fit_is_named(
    tmp_path: Path, change: Callable[[dict[str, torch.Tensor]], None], wanted: str
) -> None:
    states = Translator(1).state_dict()
    change(states)
    torch.save(states, tmp_path / "model.pth")
    with pytest.raises(DataError, match=wanted):
        initialise_whole(Translator(2), tmp_path / "model.pth")


def test_two_matrices_do_not_become_one(tmp_path: Path) -> None:
    weights = save(tmp_path / "model.pth", Translator(1))
    with pytest.raises(DataError, match=r"decoder\.embed\.weight and decoder\.output\.weight are one matrix"):
        initialise_whole(Translator(2, tied=True), weights)


def write_shapes(folder: Path, found: dict[str, int], wanted: dict[str, int]) -> tuple[Path, Path]:
    init, training = folder / "init", folder / "out.training"
    for directory in (init, training):
        directory.mkdir()
    (init / "train.json").write_text(json.dumps({"settings": {"model": found}}), encoding="utf-8")
    (training / "settings.json").write_text(json.dumps({"model": wanted}), encoding="utf-8")
    return training, init


def test_another_number_of_heads_is_refused_though_all_tensors_fit(tmp_path: Path) -> None:
    training, init = write_shapes(tmp_path, SHAPE, {**SHAPE, "heads": 4})
    with pytest.raises(ConfigError, match=r"another shape \(model\.heads: 2 there, 4 here\); set"):
        refuse_other_shape(training, init)


def test_another_dropout_is_none_of_the_shape(tmp_path: Path) -> None:
    refuse_other_shape(*write_shapes(tmp_path, {**SHAPE, "dropout": 0}, {**SHAPE, "dropout": 1}))
