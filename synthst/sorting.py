"""Sort rows by id in byte order, on disk when they do not fit into a set amount of memory."""

import heapq
import json
import sys
from collections.abc import Iterable, Iterator
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from synthst.atomic import unwritable

Row = tuple[str, str]

_MAX_RUNS = 128  # files that are open at once


class _Run(NamedTuple):
    """A sorted file; ``level`` says how many times its rows were merged."""

    path: Path
    level: int


def sort_rows(
    rows: Iterable[Row], *, folder: Path | None = None, max_bytes: int = 64 * 2**20
) -> Iterator[Row]:
    """Sort rows by id in byte order; rows of the same id stay in the order in which they came.

    Values may be any text. What exceeds ``max_bytes`` of memory is sorted in temporary files in ``folder``
    (the system's, if None), which are gone when the rows were read. Raises DataError when the disk is full.
    """
    with TemporaryDirectory(prefix="synthst-sort-", dir=folder) as name:
        runs, rest = _write_runs(rows, Path(name), max_bytes)
        while len(runs) > _MAX_RUNS:  # the last ones are the smallest
            _merge_last(runs, min(_MAX_RUNS, len(runs) - _MAX_RUNS + 1))
        yield from heapq.merge(*(_read_run(run.path) for run in runs), rest, key=itemgetter(0))


def _write_runs(rows: Iterable[Row], folder: Path, max_bytes: int) -> tuple[list[_Run], list[Row]]:
    """Write sorted files of up to ``max_bytes`` of rows each; return them and the sorted rest.

    As many files of a level as may be open become one of the next level, so that a row is written once for
    each level and the work is n log n.
    """
    runs: list[_Run] = []
    chunk: list[Row] = []
    size = 0
    for row in rows:
        chunk.append(row)
        size += sys.getsizeof(row) + sys.getsizeof(row[0]) + sys.getsizeof(row[1]) + 8
        if size >= max_bytes:
            chunk.sort(key=itemgetter(0))
            runs.append(_Run(_write_run(chunk, folder / f"run{len(runs)}"), 0))
            while len(runs) >= _MAX_RUNS and runs[-_MAX_RUNS].level == runs[-1].level:
                _merge_last(runs, _MAX_RUNS)
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


def _merge_last(runs: list[_Run], count: int) -> None:
    """Merge the last sorted files into one of the next level, which takes the name of the first of them."""
    last = runs[-count:]
    rows = heapq.merge(*(_read_run(run.path) for run in last), key=itemgetter(0))
    merged = _write_run(rows, last[0].path.with_name("merged"))
    for run in last:
        run.path.unlink()
    runs[-count:] = [_Run(merged.rename(last[0].path), last[0].level + 1)]
