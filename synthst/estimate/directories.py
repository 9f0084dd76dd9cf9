"""Measure what a recipe has written already: rows and bytes."""

from pathlib import Path

from synthst.errors import DataError
from synthst.info import info_path, read_info


def count_rows(directory: Path) -> int | None:
    """Return the rows that a data directory's info.json counts; None when it is not there."""
    if not info_path(directory).is_file():
        return None
    try:
        counts = read_info(directory).get("counts")
    except DataError:
        return None
    if not isinstance(counts, dict):
        return None
    found = [counts[key] for key in ("rows", "kept") if isinstance(counts.get(key), int)]
    return found[0] + int(counts.get("base", 0)) if found else None


def count_bytes(path: Path) -> float:
    """Return the bytes of a file, or of all files of a directory."""
    files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    return float(sum(one.stat().st_size for one in files))
