"""Sort rows by id in byte order, on disk when they do not fit into a set amount of memory."""

import heapq
import json
import sys
from collections.abc import Iterable, Iterator
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory

from synthst.atomic import unwritable

Row = tuple[str, str]

_MAX_RUNS = 128  # files that are open at once


def sort_rows(
    rows: Iterable[Row], *, folder: Path | None = None, max_bytes: int = 64 * 2**20
) -> Iterator[Row]:
    """Sort rows by id in byte order; rows of the same id stay in the order in which they came.

    Values may be any text. What exceeds ``max_bytes`` of memory is sorted in temporary files in ``folder``
    (the system's, if None), which are gone when the rows were read. Raises DataError when the disk is full.
    """
    with TemporaryDirectory(prefix="synthst-sort-", dir=folder) as name:
        runs, rest = _write_runs(rows, Path(name), max_bytes)
        yield from heapq.merge(*map(_read_run, runs), rest, key=itemgetter(0))


def _write_runs(rows: Iterable[Row], folder: Path, max_bytes: int) -> tuple[list[Path], list[Row]]:
    """Write sorted files of up to ``max_bytes`` of rows each; return them and the sorted rest."""
    runs: list[Path] = []
    chunk: list[Row] = []
    size = 0
    for row in rows:
        chunk.append(row)
        size += sys.getsizeof(row) + sys.getsizeof(row[0]) + sys.getsizeof(row[1]) + 8
        if size >= max_bytes:
            chunk.sort(key=itemgetter(0))
            runs.append(_write_run(chunk, folder / f"run{len(runs)}"))
            runs = [_merge_runs(runs)] if len(runs) == _MAX_RUNS else runs
            chunk, size = [], 0
    chunk.sort(key=itemgetter(0))
    return runs, chunk


def _write_run(rows: Iterable[Row], path: Path) -> Path:
    """Write rows as lines of JSON: any text, newlines and all, becomes one line of ASCII."""
    try:
        with open(path, "w", encoding="ascii", newline="\n") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
    except OSError as error:
        raise unwritable(path, error) from error
    return path


def _read_run(path: Path) -> Iterator[Row]:
    with open(path, encoding="ascii", newline="\n") as file:
        for line in file:
            utterance, value = json.loads(line)
            yield utterance, value


def _merge_runs(runs: list[Path]) -> Path:
    """Merge sorted files into one, which takes the name of the first."""
    merged = _write_run(heapq.merge(*map(_read_run, runs), key=itemgetter(0)), runs[0].with_name("merged"))
    for run in runs:
        run.unlink()
    return merged.rename(runs[0])
