"""The rates that estimates are made of, as in conf/rates.yaml, and the rows that a recipe foretells."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import yaml

from synthst.errors import ConfigError
from synthst.espnet.config import ModelConfig


@dataclass(frozen=True)
class Device:
    """Useful floating-point operations a second, in training and in beam search."""

    train_flops: float
    decode_flops: float


@dataclass(frozen=True)
class Rates:
    """Speeds and sizes; see conf/rates.yaml for what each is and where it comes from."""

    cpu: Device
    gpu: Device
    rows_per_second: Mapping[str, float]
    bytes: Mapping[str, float]
    tokens_per_sentence: float
    seconds_per_utterance: float
    teachers: Mapping[str, Mapping[str, int]]


def read_rates(path: Path) -> Rates:
    """Read a file of rates; raises ConfigError when it lacks one or has one that is not known."""
    found = _read_mapping(path)
    names = {field.name for field in fields(Rates)}
    if odd := sorted(names ^ set(found)):
        raise ConfigError(f"{path} lacks or does not know {', '.join(odd)}; see conf/rates.yaml")
    try:
        cpu, gpu = (Device(**found.pop(name)) for name in ("cpu", "gpu"))
    except TypeError as error:
        raise ConfigError(f"{path}: cpu and gpu want train_flops and decode_flops ({error})") from error
    return Rates(cpu=cpu, gpu=gpu, **found)


def read_expected_rows(path: Path | None) -> dict[str, int]:
    """Read how many rows data directories will have, by pattern of their path; nothing without a file.

    A recipe's conf/plan.yaml says so for what its stage 1 makes: ``"*-mini/corpus/train": 29000``.
    """
    if path is None or not path.is_file():
        return {}
    found = _read_mapping(path)
    if wrong := [name for name, rows in found.items() if not isinstance(rows, int) or rows < 0]:
        raise ConfigError(f"{path}: {wrong[0]} wants a number of rows, it has {found[wrong[0]]!r}")
    return found


def find_expected(rows: Mapping[str, int], directory: Path) -> int | None:
    """Return the rows that the first pattern that matches a directory's path foretells."""
    return next((count for pattern, count in rows.items() if fnmatch(str(directory), pattern)), None)


def find_shape(teachers: Mapping[str, Mapping[str, int]], name: str) -> tuple[ModelConfig, int] | None:
    """Return shape and vocabulary of a teacher made elsewhere by the first pattern that its name matches."""
    for pattern, shape in teachers.items():
        if fnmatch(name, pattern):
            layers: dict[str, Any] = {key: value for key, value in shape.items() if key != "vocabulary"}
            return ModelConfig(**layers), shape["vocabulary"]
    return None


def _read_mapping(path: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise ConfigError(f"{path} holds no mapping; see conf/rates.yaml")
    return found
