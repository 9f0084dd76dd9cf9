"""Say in info.json where a directory comes from, and tell by it whether it is there already."""

import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path, PurePath

from synthst.atomic import atomic_file
from synthst.errors import DataError


def is_made(out: Path, made_by: Mapping[str, object]) -> bool:
    """Tell whether ``out`` is there already, made by the same command with the same options.

    Raises DataError when it was made otherwise; the error shows the options that differ.
    """
    if not os.path.lexists(out):
        return False
    found = read_info(out).get("made_by")
    wanted = json.loads(_to_json(made_by))
    if found == wanted:
        return True
    before = found if isinstance(found, dict) else {}
    keys = [key for key in {**wanted, **before} if before.get(key) != wanted.get(key)]
    differences = [f"{key}: {_shown(before, key)} then, {_shown(wanted, key)} now" for key in keys]
    raise DataError(f"{out} was made otherwise ({'; '.join(differences)}); remove it, or name another one")


def write_info(
    directory: Path,
    made_by: Mapping[str, object],
    *,
    counts: Mapping[str, int] | None = None,
    parents: Sequence[Path] = (),
    **more: object,
) -> None:
    """Write info.json: where a directory comes from, and what was kept and dropped, by reason."""
    info = {
        "made_by": made_by,
        "parents": parents,
        "counts": counts or {},
        **more,
        "command": sys.argv,
        "versions": {"synthst": _version(), "python": platform.python_version()},
    }
    with atomic_file(info_path(directory)) as file:
        file.write(_to_json(info).encode("utf-8", "backslashreplace") + b"\n")


def read_info(directory: Path) -> dict[str, object]:
    """Read info.json. Raises DataError when there is none or it is not what write_info writes."""
    path = info_path(directory)
    try:
        info = json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}; remove {directory} to make it") from error
    except ValueError as error:
        raise DataError(f"{path} is not JSON: {error}; remove {directory} to make it again") from error
    if not isinstance(info, dict):
        raise DataError(f"{path} holds no JSON object; remove {directory} to make it again")
    return info


def info_path(directory: Path) -> Path:
    """Name the file that says where a directory comes from."""
    return directory / "info.json"


def _to_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, default=_plain)


def _plain(value: object) -> object:
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"info.json takes text, numbers, lists, mappings and paths, not {value!r}")


def _shown(values: Mapping[str, object], key: str) -> str:
    return json.dumps(values[key], ensure_ascii=False) if key in values else "nothing"


def _version() -> str:
    try:
        return metadata.version("synthst")
    except metadata.PackageNotFoundError:
        return "not installed"
