"""What a training was asked for, written beside it and compared when it goes on."""

import hashlib
import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from synthst.datadir import read_info
from synthst.errors import ConfigError, DataError
from synthst.espnet.config import ScheduleConfig
from synthst.tokens import Tokenizer
from synthst.versions import describe_versions

VERSIONS = "versions.json"


def describe_tokens(folder: Path) -> dict[str, object]:
    """Return what identifies a directory of token arrays."""
    info = read_info(folder)
    return {"path": str(folder), "made_by": info["made_by"], "counts": info["counts"]}


def describe_training(training: ScheduleConfig) -> dict[str, Any]:
    """Return the settings that determine the result: neither who makes the batches nor who looks on."""
    return {key: value for key, value in asdict(training).items() if key not in ("workers", "tracking")}


def describe_weights(model: Path) -> str:
    """Return the SHA-256 of a trained model's weights; raises DataError when there are none."""
    path = model / "model.pth"
    if not path.is_file():
        raise DataError(f"{path} is not there; finish that training, or name another model")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


SHAPE = ("encoder_layers", "decoder_layers", "width", "feedforward", "heads")
"""What makes a model another one; tensors do not tell the number of heads."""


def find_weights(folder: Path, init: Path) -> str:
    """Return the weights to begin with; raises ConfigError for a model of another shape or other tokens."""
    refuse_other_shape(folder, init)
    for side in ("src", "tgt"):
        wanted, found = (Tokenizer(place / f"{side}.model").checksum for place in (init, folder))
        if wanted != found:
            raise ConfigError(
                f"{init} has another {side} tokeniser than the data: its vectors would mean other pieces; "
                "tokenise the data with the tokenisers of that model"
            )
    return str(init / "model.pth")


def refuse_other_shape(folder: Path, init: Path) -> None:
    """Raise ConfigError unless the model to begin with has the shape that is asked for in ``folder``."""
    wanted = json.loads((folder / "settings.json").read_text(encoding="utf-8"))["model"]
    path = init / "train.json"
    if not path.is_file():
        raise DataError(f"{path} is not there; finish that training, or name another model")
    found = json.loads(path.read_text(encoding="utf-8"))["settings"]["model"]
    differing = [key for key in SHAPE if found[key] != wanted[key]]
    if differing:
        told = "; ".join(f"model.{key}: {found[key]} there, {wanted[key]} here" for key in differing)
        raise ConfigError(f"{init} has another shape ({told}); set the model's options to match it")


def is_trained(out: Path, settings: dict[str, Any]) -> bool:
    """Tell whether ``out`` is a finished model of these settings; raises ConfigError for anything else."""
    if not os.path.lexists(out):
        return False
    path = out / "train.json"
    if not path.is_file():
        raise ConfigError(f"{out} is there and no trained model; remove it or train into another directory")
    refuse_other_settings(out, json.loads(path.read_text(encoding="utf-8"))["settings"], settings)
    return True


def refuse_other_settings(folder: Path, found: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Raise ConfigError with the first differing setting."""
    before, now = flatten(found), flatten(json.loads(json.dumps(wanted)))
    for key in {**now, **before}:
        if before.get(key) != now.get(key):
            raise ConfigError(
                f"{folder} was trained with {key} = {json.dumps(before.get(key))}, now "
                f"{json.dumps(now.get(key))} is asked for; remove the directory or train into another"
            )


def flatten(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings by dotted names."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def claim_folder(folder: Path, settings: dict[str, Any]) -> None:
    """Write the settings into a new training directory, or compare them with those of an unfinished one.

    The versions that train go into versions.json: a list, for a training may go on with others.
    """
    path = folder / "settings.json"
    if path.exists():
        refuse_other_settings(folder, json.loads(path.read_text(encoding="utf-8")), settings)
    else:
        write_whole(path, settings)
    before, now = read_versions(folder), describe_versions()
    if now not in before:
        write_whole(folder / VERSIONS, [*before, now])


def read_versions(folder: Path) -> list[dict[str, str]]:
    """Return the versions that a training directory was begun and gone on with."""
    path = folder / VERSIONS
    return list(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else []


def write_whole(path: Path, values: object) -> None:
    """Write ``values`` as JSON so that the file is there whole or not at all."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(json.dumps(values, indent=1), encoding="utf-8")
    os.replace(temporary, path)


def copy_tokenizers(folder: Path, tokens: list[Path], tokenizers: Path, langs: dict[str, str]) -> None:
    """Copy the tokenisers beside the model; raises DataError when any tokens were made with another one."""
    for side, lang in langs.items():
        path = tokenizers / f"{lang}.model"
        checksum = Tokenizer(path).checksum
        for made in tokens:
            made_by = read_info(made)["made_by"]
            assert isinstance(made_by, dict)
            if made_by["tokenizers"].get(lang) != checksum:
                raise DataError(
                    f"{made} was made with another tokeniser of {lang!r} than {path}; remove it, run stage 6"
                )
        shutil.copyfile(path, folder / f"{side}.model")
