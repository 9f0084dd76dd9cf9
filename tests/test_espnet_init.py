"""A part of a model is loaded whole, with a proof, or the run stops with the names that do not fit."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from synthst.errors import DataError
from synthst.espnet.init import Part, checksum, initialise, read_states, write_report

States = dict[str, torch.Tensor]


class Model(torch.nn.Module):
    """An encoder with running statistics, a decoder, and a part without tensors."""

    def __init__(self, seed: int, width: int = 4) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.encoder = torch.nn.Sequential(torch.nn.Linear(3, width), torch.nn.BatchNorm1d(width))
        self.decoder = torch.nn.Linear(width, 2)
        self.specaug = torch.nn.Dropout()


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    return save(tmp_path / "asr.pth", Model(seed=1).state_dict())


def save(path: Path, states: Any) -> Path:
    torch.save(states, path)
    return path


def tensors(model: torch.nn.Module) -> States:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def test_a_part_is_loaded_and_nothing_else_changes(origin: Path) -> None:
    model, other = Model(seed=2), Model(seed=1)
    before = tensors(model)
    initialise(model, [Part("encoder", origin, "encoder")])
    for name, tensor in model.state_dict().items():
        wanted = other.state_dict() if name.startswith("encoder.") else before
        assert torch.equal(tensor, wanted[name])


def test_two_parts_come_from_two_files(origin: Path, tmp_path: Path) -> None:
    third = Model(seed=3)
    translator = save(tmp_path / "mt.pth", {f"net.{name}": t for name, t in third.state_dict().items()})
    model = Model(seed=2)
    report = initialise(
        model, [Part("encoder", origin, "encoder"), Part("decoder", translator, "net.decoder")]
    )
    assert torch.equal(model.decoder.weight, third.decoder.weight)
    assert report["parts"].keys() == {"encoder", "decoder"} and not report["untouched"]


def test_the_report_counts_and_proves(origin: Path) -> None:
    model, other = Model(seed=2), Model(seed=1)
    before = checksum(model.encoder.state_dict()), checksum(model.decoder.state_dict())
    report = initialise(model, [Part("encoder", origin, "encoder")])
    assert report["parts"]["encoder"] == {
        "path": str(origin),
        "key": "encoder",
        "file_checksum": hashlib.sha256(origin.read_bytes()).hexdigest(),
        "tensors": 7,  # weight and bias of both, running mean, variance and count
        "parameters": 3 * 4 + 4 + 4 + 4,
        "checksum_before": before[0],
        "checksum_of_origin": checksum(other.encoder.state_dict()),
        "checksum_after": checksum(other.encoder.state_dict()),
    }
    sums = {"checksum_before": before[1], "checksum_after": before[1]}
    assert report["untouched"] == {"decoder": {"tensors": 2, "parameters": 10, **sums}}


def test_the_report_is_written_beside_the_model(origin: Path, tmp_path: Path) -> None:
    report = initialise(Model(seed=2), [Part("encoder", origin, "encoder")])
    write_report(report, tmp_path)
    assert json.loads((tmp_path / "init.json").read_text(encoding="utf-8")) == report


def test_names_of_older_releases_are_known(tmp_path: Path) -> None:
    """ESPnet's subsampling had ``out.0`` where it has ``out`` now."""

    def build(out: torch.nn.Module) -> torch.nn.Module:
        embed = torch.nn.Module()
        embed.out = out
        model = torch.nn.Module()
        model.encoder = torch.nn.Module()
        model.encoder.embed = embed
        return model

    older = build(torch.nn.Sequential(torch.nn.Linear(2, 3)))
    newer: Any = build(torch.nn.Linear(2, 3))
    path = save(tmp_path / "old.pth", older.state_dict())
    initialise(newer, [Part("encoder", path, "encoder")])
    assert torch.equal(newer.encoder.embed.out.weight, older.state_dict()["encoder.embed.out.0.weight"])


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (lambda s: s.pop("encoder.0.bias"), "encoder of 7 tensors; 1 missing: 0.bias. The file has"),
        (lambda s: s.update({"encoder.2.bias": torch.zeros(1)}), "7 tensors; 1 extra: 2.bias. The file has"),
        (
            lambda s: s.update({"encoder.0.weight": torch.zeros(5, 3)}),
            r"7 tensors; 1 misshapen: 0.weight \(5, 3\) for \(4, 3\). The file has",
        ),
        (
            lambda s: s.update({"encoder.0.bais": s.pop("encoder.0.bias")}),
            "1 missing: 0.bias; 1 extra: 0.bais. The file has decoder, encoder: give the right key",
        ),
        (lambda s: [s.pop(name) for name in list(s) if name.startswith("encoder.")], "7 missing: 0.bias, "),
    ],
    ids=["missing", "extra", "misshapen", "mistyped", "all"],
)
def test_what_does_not_fit_is_named_and_the_model_stays(
    tmp_path: Path, change: Callable[[States], Any], wanted: str
) -> None:
    states = Model(seed=1).state_dict()
    change(states)
    model = Model(seed=2)
    before = tensors(model)
    with pytest.raises(DataError, match=rf"asr.pth: its 'encoder' does not fit .*{wanted}"):
        initialise(model, [Part("encoder", save(tmp_path / "asr.pth", states), "encoder")])
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("key", ["encodr", "Encoder", "encoder.", "model.encoder", "enc"])
def test_a_mistyped_key_stops_the_run(origin: Path, key: str) -> None:
    with pytest.raises(DataError, match=rf"'{key}' does not fit .* 7 missing: .*has decoder, encoder"):
        initialise(Model(seed=2), [Part("encoder", origin, key)])


def test_half_precision_is_loaded_exactly(tmp_path: Path) -> None:
    half = {name: tensor.half() for name, tensor in Model(seed=1).state_dict().items()}
    model = Model(seed=2)
    initialise(model, [Part("encoder", save(tmp_path / "half.pth", half), "encoder")])
    assert torch.equal(model.encoder[0].weight, half["encoder.0.weight"].float())


def test_a_checkpoint_is_read_as_its_model(tmp_path: Path) -> None:
    states = Model(seed=1).state_dict()
    path = save(tmp_path / "checkpoint.pth", {"model": states, "optimizers": [{"state": {}}]})
    assert read_states(path).keys() == states.keys()


class Payload:
    """Make a directory when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ([1, 2], "holds no tensors by name"),
        ({"encoder": 3}, "holds no tensors by name"),
        ("text", "cannot be read as weights"),
        (None, "cannot be read as weights"),
    ],
)
def test_a_file_that_is_none_of_weights_is_refused(tmp_path: Path, content: Any, wanted: str) -> None:
    path = tmp_path / "asr.pth"
    if content == "text":
        path.write_text("text", encoding="utf-8")
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(DataError, match=f"asr.pth {wanted}.*name a model's .pth file"):
        read_states(path)


def test_code_in_a_file_is_refused_and_not_run(tmp_path: Path) -> None:
    path = save(tmp_path / "asr.pth", {"encoder.0.weight": Payload(tmp_path / "run")})
    with pytest.raises(DataError, match="cannot be read as weights"):
        read_states(path)
    assert not (tmp_path / "run").exists()


def test_a_checksum_depends_on_names_types_shapes_and_values() -> None:
    one = {"a": torch.tensor([1.0, 2.0]), "b": torch.tensor(3)}
    others = [
        {"a": torch.tensor([1.0, 2.5]), "b": torch.tensor(3)},
        {"a": torch.tensor([[1.0, 2.0]]), "b": torch.tensor(3)},
        {"a": torch.tensor([1.0, 2.0]).double(), "b": torch.tensor(3)},
        {"c": torch.tensor([1.0, 2.0]), "b": torch.tensor(3)},
    ]
    assert checksum(one) == checksum(dict(reversed(one.items())))
    assert len({checksum(states) for states in [one, *others]}) == 5
