"""Sorting by id, in memory and on disk."""

import errno
import os
import random
import tracemalloc
from collections.abc import Iterable
from pathlib import Path

import pytest

from synthst import sorting
from synthst.errors import DataError
from synthst.tables import sort_rows


def test_sort_rows_orders_by_the_bytes_of_the_id_and_keeps_equal_ids_in_order() -> None:
    rows = [("\U0001f600", "1"), ("\uffee", "2"), ("b", "3"), ("a", "4"), ("b", "0")]
    assert list(sort_rows(rows)) == [("a", "4"), ("b", "3"), ("b", "0"), ("\uffee", "2"), ("\U0001f600", "1")]


@pytest.mark.parametrize("max_runs", [3, 128])
def test_sort_rows_on_disk_equals_sorting_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, max_runs: int
) -> None:
    monkeypatch.setattr(sorting, "_MAX_RUNS", max_runs)
    chance = random.Random(1)
    rows = [(str(chance.randrange(300)), f"{number}\n\t\u2028\ud800") for number in range(1000)]
    assert list(sort_rows(rows, folder=tmp_path, max_bytes=10_000)) == sorted(rows, key=lambda row: row[0])
    assert list(tmp_path.iterdir()) == []


def test_sort_rows_writes_a_row_once_for_each_level_and_opens_few_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs of one row, four of which make one of the next level: 64 rows have three such levels."""
    written, opened = 0, []
    write_run, merge = sorting._write_run, sorting.heapq.merge

    def counting_write(rows: Iterable[sorting.Row], path: Path) -> Path:
        nonlocal written
        listed = list(rows)
        written += len(listed)
        return write_run(listed, path)

    def counting_merge(*runs: Iterable[sorting.Row], key: object) -> object:
        opened.append(len(runs))
        return merge(*runs, key=key)

    monkeypatch.setattr(sorting, "_MAX_RUNS", 4)
    monkeypatch.setattr(sorting, "_write_run", counting_write)
    monkeypatch.setattr(sorting.heapq, "merge", counting_merge)
    rows = [(f"{number * 7 % 64:02d}", "") for number in range(64)]
    assert list(sort_rows(rows, folder=tmp_path, max_bytes=1)) == sorted(rows)
    assert written == 64 * 4  # as it comes, and in 16 files of 4, 4 of 16 and 1 of 64
    written = 0
    assert len(list(sort_rows(rows[:63], folder=tmp_path, max_bytes=1))) == 63
    left = 4 + 1 + 1 + 1, 4 + 4 + 7  # of three files of each level: the last four, then the last three
    assert written == 63 + 60 + 48 + sum(left)
    assert max(opened) <= 4 + 1  # and the rest, which is in memory


def test_sort_rows_names_the_place_of_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("builtins.open", full)
    with pytest.raises(DataError, match=rf"{tmp_path}.*No space left on device"):
        list(sort_rows([("a", "x"), ("b", "y")], folder=tmp_path, max_bytes=1))


def test_sort_rows_stays_within_its_memory(tmp_path: Path) -> None:
    rows = ((f"{number * 7919 % 8000:09d}", f"{number:050d}") for number in range(8000))  # 1.8 MB
    tracemalloc.start()
    assert sum(1 for _ in sort_rows(rows, folder=tmp_path, max_bytes=400_000)) == 8000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 600_000
