"""The meta.yaml by which ESPnet's own `unpack` finds config and weights in a pack.

ESPnet builds our models from config.yaml as its own, and computes the same. One kind it cannot build: a model
of speech whose subsampling is narrower than its encoder (subsampling_channels), conf/conformer_6x3.yaml's.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import yaml

META = "meta.yaml"


def can_espnet_build(train: Mapping[str, Any]) -> bool:
    """Tell whether ESPnet's own tasks build the model of a train.json."""
    return train["settings"]["model"].get("subsampling_channels") is None


def write_meta(task: str, train: Mapping[str, Any], versions: Mapping[str, str]) -> str | None:
    """Return meta.yaml as `espnet2.bin.pack` writes it, or None for a model that ESPnet cannot build.

    The names of its files are the arguments of ESPnet's inference: mt_train_config, mt_model_file.
    ``versions`` are told if ``train``, the model's train.json, has none. The time is that of the training, as
    if it were UTC: train.json names no zone, and a pack has the same bytes wherever it is made.
    """
    if not can_espnet_build(train):
        return None
    trained = {**versions, **(train.get("versions") or [{}])[-1]}
    finished = datetime.strptime(train["finished"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    meta = {
        "files": {f"{task}_model_file": "model.pth"},
        "yaml_files": {f"{task}_train_config": "config.yaml"},
        "timestamp": finished.timestamp(),
        **{name: trained[name] for name in ("python", "torch", "espnet") if name in trained},
    }
    return yaml.safe_dump(meta, sort_keys=False)
