"""Read what a trained model is, and name it so that it differs from the others of a figure."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from synthst.errors import ConfigError, DataError

LABELS = ("targets", "student", "subset", "seed")


def read_training(model: Path) -> dict[str, Any]:
    """Read train.json; raises DataError when the directory holds no model that was trained here."""
    path = model / "train.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}; name a model that stage 8 made") from error
    except ValueError as error:
        raise DataError(f"{path} is not JSON ({error}); train the model again") from error
    if not isinstance(found, dict) or not isinstance(found.get("settings"), dict):
        raise DataError(f"{path} does not say how the model was trained; train the model again")
    return found


def read_labels(model: Path) -> dict[str, str]:
    """Return what a model's training is labelled with, in words, and the seed of its training."""
    trained = read_training(model)
    labels = {key: trained[key] for key in LABELS if key in trained}
    labels.setdefault("seed", trained["settings"].get("training", {}).get("seed", "-"))
    if "subset" in labels:
        labels["subset"] = "all" if labels["subset"] is None else f"{labels['subset']:,}"
    return {key: str(value) for key, value in labels.items()}


def name_models(models: Sequence[Path]) -> list[str]:
    """Name each model by its targets and by the labels in which they differ.

    Models of the same labels have the name of their directory beside it. Raises ConfigError when there is
    none, or when one is named twice.
    """
    if not models:
        raise ConfigError("no model is named; give --models '[DIR, DIR]'")
    if len(set(map(Path.resolve, models))) < len(models):
        raise ConfigError(f"a model is named twice among {', '.join(map(str, models))}; name each once")
    labels = [read_labels(model) for model in models]
    known = {key: {one[key] for one in labels if key in one} for key in LABELS}
    telling = [key for key in LABELS if key == "targets" or len(known[key]) > 1]
    named = [_join_labels(one, telling) for one in labels]
    times = Counter(named)
    told = [
        name if times[name] == 1 else f"{name} ({model.name})" if name else model.name
        for name, model in zip(named, models, strict=True)
    ]
    return told if len(set(told)) == len(told) else [str(model) for model in models]


def name_targets(targets: str) -> str:
    """Write the kind of targets as tables do: synthetic, where options and folders say synth."""
    return re.sub(r"\bsynth(?:_(\w+))?\b", lambda found: f"synthetic {found[1] or ''}".rstrip(), targets)


def _join_labels(labels: Mapping[str, str], keys: Sequence[str]) -> str:
    told = (f"seed {labels[key]}" if key == "seed" else labels[key] for key in keys if key in labels)
    return name_targets(" ".join(told))


def check_reads(model: Path, audio: Path | None) -> None:
    """Raise ConfigError unless a translator of speech is given audio and one of text is not."""
    task = read_training(model)["settings"].get("task", "mt")
    if task == "asr":
        raise ConfigError(f"{model} is a recogniser; name a model that translates")
    if task == "st" and audio is None:
        raise ConfigError(f"{model} translates speech; give --audio, the dump of the test set")
    if task == "mt" and audio is not None:
        raise ConfigError(f"{model} translates text; leave --audio out")
