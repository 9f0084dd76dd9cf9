"""Copies of a trained model that a test may change before it packs them."""

import json
from pathlib import Path
from typing import Any


def copy_model(model: Path, out: Path) -> Path:
    """Copy the files of a trained model, but not what it has decoded."""
    out.mkdir(parents=True)
    for path in model.iterdir():
        if path.is_file():
            (out / path.name).write_bytes(path.read_bytes())
    return out


def change_train(model: Path, **changes: object) -> dict[str, Any]:
    """Change train.json, and return what it says then."""
    train: dict[str, Any] = json.loads((model / "train.json").read_text(encoding="utf-8"))
    train |= changes
    (model / "train.json").write_text(json.dumps(train), encoding="utf-8")
    return train


def trained_on(model: Path, data: Path, *, src: str = "en", tgt: str = "de") -> None:
    """Let train.json say that the model learnt from ``data``."""
    settings = change_train(model)["settings"] | {"src": src, "tgt": tgt}
    settings["tokens"]["made_by"]["data"] = str(data)
    change_train(model, settings=settings)
