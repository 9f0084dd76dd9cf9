"""DuckDB with few threads, little memory, and errors that say what to do."""

from pathlib import Path

import pytest

from synthst.database import open_database
from synthst.errors import DataError
from synthst.targets.filters.corpus import Duplicates
from synthst.targets.filters.verdicts import open_verdicts


@pytest.mark.parametrize(("cores", "threads"), [(1, 1), (3, 3), (64, 4), (None, 1)])
def test_a_database_has_few_threads_because_each_needs_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cores: int | None, threads: int
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    with open_database(tmp_path, "to test") as connection:
        assert connection.execute("SELECT current_setting('threads')").fetchall() == [(threads,)]


def test_pairs_that_cannot_be_compared_for_lack_of_memory_say_so(tmp_path: Path) -> None:
    told = (
        f"{tmp_path}: to compare pairs in it takes more room for passing files .*; nothing was changed: free"
    )
    with (
        pytest.raises(DataError, match=told),
        open_verdicts({0: Duplicates()}, folder=tmp_path, memory_limit="100KB") as verdicts,
    ):
        for position in range(100_000):
            verdicts.compare(position, 0, position.to_bytes(16))
        list(verdicts.fallen())
    assert list(tmp_path.iterdir()) == []
