"""The files of a model that name directories of the machine it was trained on, without those."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from synthst.pack.names import with_short_paths
from synthst.report.rows import read_json

CONFIG = "config.yaml"
TOLD = ("train.json", "init.json")
TOKENS = ("token_list", "src_token_list")  # pieces of text, of which one may look like a path
STATISTICS = "feats_stats.npz"


def read_portable(model: Path) -> list[object]:
    """Return what those files say, for their paths to be found."""
    config = _read_config(model)
    return [{key: value for key, value in config.items() if key not in TOKENS}, *_read_told(model).values()]


def write_portable(model: Path, short: Mapping[str, str]) -> dict[str, str]:
    """Return those files' texts by name, with every path as in ``short``.

    Nothing that reads a model looks at these paths: its files are found beside config.yaml, and a teacher is
    known by the checksums of its weights and tokenisers.
    """
    texts = {
        name: json.dumps(with_short_paths(told, short), indent=1) for name, told in _read_told(model).items()
    }
    config = {
        key: value if key in TOKENS else with_short_paths(value, short)
        for key, value in _read_config(model).items()
    }
    normalisation = config.get("normalize_conf")
    if isinstance(normalisation, dict) and "stats_file" in normalisation and (model / STATISTICS).is_file():
        normalisation["stats_file"] = STATISTICS
    texts[CONFIG] = yaml.safe_dump(config, allow_unicode=True, sort_keys=False)
    return texts


def _read_told(model: Path) -> dict[str, dict[str, object]]:
    return {name: read_json(model / name) for name in TOLD if (model / name).is_file()}


def _read_config(model: Path) -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load((model / CONFIG).read_text(encoding="utf-8"))
    return config
