"""The rates that estimates are made of, as in conf/rates.yaml, and what a recipe foretells."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

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
    audio_per_second: Mapping[str, float]
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


class Expected(NamedTuple):
    """What a recipe foretells of data directories, by pattern of their path."""

    rows: Mapping[str, int]
    seconds: Mapping[str, float]
    """Of an utterance, on average."""


def read_expected(path: Path | None) -> Expected:
    """Read how many rows, and hours of speech, data directories will have; nothing without a file.

    A recipe's conf/plan.yaml says so for what its stage 1 makes: ``"*-mini/corpus/train": 29000``, or
    ``"*-full/train_asr": {rows: 660000, hours: 1700}``.
    """
    expected: tuple[dict[str, int], dict[str, float]] = {}, {}
    for name, found in (_read_mapping(path) if path is not None and path.is_file() else {}).items():
        told = found if isinstance(found, dict) else {"rows": found}
        rows, hours = told.get("rows"), told.get("hours", 0)
        right = told.keys() <= {"rows", "hours"} and isinstance(hours, int | float) and hours >= 0
        if not right or not isinstance(rows, int) or rows < 0:
            raise ConfigError(f"{path}: {name} wants a number of rows, or rows and hours, it has {found!r}")
        expected[0][name] = rows
        if hours and rows:
            expected[1][name] = 3600 * hours / rows
    return Expected(*expected)


def find_expected[Number: (int, float)](foretold: Mapping[str, Number], directory: Path) -> Number | None:
    """Return what the first pattern that matches a directory's path foretells."""
    return next((one for pattern, one in foretold.items() if fnmatch(str(directory), pattern)), None)


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
