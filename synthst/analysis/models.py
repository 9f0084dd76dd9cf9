"""Read what a trained model is, and name it so that it differs from the others of a figure."""

import json
from collections.abc import Sequence
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
    """Name each model by its targets and by the labels in which they differ, or by its directory.

    Raises ConfigError when there is none, or when one is named twice.
    """
    if not models:
        raise ConfigError("no model is named; give --models '[DIR, DIR]'")
    if len(set(map(Path.resolve, models))) < len(models):
        raise ConfigError(f"a model is named twice among {', '.join(map(str, models))}; name each once")
    labels = [read_labels(model) for model in models]
    telling = [key for key in LABELS if key == "targets" or len({one.get(key) for one in labels}) > 1]
    named = [
        " ".join(f"seed {one[key]}" if key == "seed" else one[key] for key in telling if key in one)
        for one in labels
    ]
    for names in (named, [model.name for model in models]):
        if all(names) and len(set(names)) == len(names):
            return names
    return [str(model) for model in models]


def check_reads(model: Path, audio: Path | None) -> None:
    """Raise ConfigError unless a translator of speech is given audio and one of text is not."""
    task = read_training(model)["settings"].get("task", "mt")
    if task == "asr":
        raise ConfigError(f"{model} is a recogniser; name a model that translates")
    if task == "st" and audio is None:
        raise ConfigError(f"{model} translates speech; give --audio, the dump of the test set")
    if task == "mt" and audio is not None:
        raise ConfigError(f"{model} translates text; leave --audio out")
