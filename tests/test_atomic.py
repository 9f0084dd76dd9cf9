"""Files and directories that appear whole or not at all."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from synthst.atomic import atomic_directory, atomic_file, scratch_directory
from synthst.errors import DataError


def run_until_ready(code: str, folder: Path) -> subprocess.Popen[bytes]:
    """Start Python on ``code`` in ``folder`` and wait until it prints a line."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=folder, env=environment, stdout=subprocess.PIPE
    )
    assert process.stdout is not None and process.stdout.readline() == b"ready\n"
    return process


def kill(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


HALF_A_DIRECTORY = """
import time
from pathlib import Path
from synthst.atomic import atomic_directory
with atomic_directory(Path("out")) as temporary:
    (temporary / "text.en").write_text("half")
    print("ready", flush=True)
    time.sleep(60)
"""


def test_a_killed_process_leaves_no_directory_and_the_next_run_clears_its_leftover(tmp_path: Path) -> None:
    process = run_until_ready(HALF_A_DIRECTORY, tmp_path)
    kill(process)
    assert [entry.name for entry in tmp_path.iterdir()] == [f".out.tmp-{process.pid}"]
    with atomic_directory(tmp_path / "out") as temporary:
        (temporary / "text.en").write_text("whole")
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out" / "text.en").read_text() == "whole"


def test_a_living_process_keeps_its_unfinished_directory(tmp_path: Path) -> None:
    process = run_until_ready(HALF_A_DIRECTORY, tmp_path)
    try:
        with atomic_directory(tmp_path / "out") as temporary:
            (temporary / "text.en").write_text("whole")
        assert (tmp_path / f".out.tmp-{process.pid}" / "text.en").read_text() == "half"
    finally:
        kill(process)


def test_a_leftover_of_our_own_process_number_is_cleared(tmp_path: Path) -> None:
    (tmp_path / f".out.tmp-{os.getpid()}").mkdir()
    with atomic_directory(tmp_path / "out") as temporary:
        assert list(temporary.iterdir()) == []
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), atomic_directory(tmp_path / "out") as temporary:
        (temporary / "text.en").write_text("half")
        raise error
    assert list(tmp_path.iterdir()) == []


def test_what_exists_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    found = "out exists already; remove it to make it again"
    with pytest.raises(DataError, match=found), atomic_directory(tmp_path / "out"):
        raise AssertionError("the block must not run")
    assert list((tmp_path / "out").iterdir()) == []


def test_what_came_into_being_meanwhile_is_never_replaced(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="exists already"), atomic_directory(tmp_path / "out"):
        (tmp_path / "out").mkdir()
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


def test_two_blocks_of_one_process_cannot_make_the_same_directory(tmp_path: Path) -> None:
    with atomic_directory(tmp_path / "out") as temporary:
        (temporary / "text.en").write_text("whole")
        with pytest.raises(DataError, match="is in use"), atomic_directory(tmp_path / "out"):
            raise AssertionError("the block must not run")
    assert (tmp_path / "out" / "text.en").read_text() == "whole"


def test_a_full_disk_leaves_no_directory_and_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("synthst.atomic.os.fsync", full)
    found = "out cannot be written: No space left"
    with pytest.raises(DataError, match=found), atomic_directory(tmp_path / "out") as temporary:
        (temporary / "text.en").write_text("whole")
    assert list(tmp_path.iterdir()) == []


def test_atomic_file_without_its_folder_says_so(tmp_path: Path) -> None:
    found = "nowhere/x cannot be written: No such file or directory"
    with pytest.raises(DataError, match=found), atomic_file(tmp_path / "nowhere" / "x"):
        raise AssertionError("the block must not run")


TOO_LARGE_A_FILE = """
import resource, signal
from pathlib import Path
from synthst.errors import DataError
from synthst.tables import write_table
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    write_table(Path("text.en"), ((f"{number:09d}", "x" * 100) for number in range(10_000)))
except DataError as error:
    print("ready" if str(error).startswith("text.en cannot be written: File too large") else error)
"""


def test_a_write_that_the_system_stops_midway_leaves_no_file(tmp_path: Path) -> None:
    run_until_ready(TOO_LARGE_A_FILE, tmp_path).communicate()
    assert list(tmp_path.iterdir()) == []


def test_a_scratch_directory_is_removed_and_so_is_that_of_a_killed_process(tmp_path: Path) -> None:
    store = tmp_path / "store"
    with scratch_directory(store, "lookup") as dead:
        (dead / "spill").write_text("x", encoding="utf-8")
        kept = dead.rename(tmp_path / "aside")
    kept.rename(tmp_path / ".store.lookup-1-0")  # nobody holds its lock any more
    with scratch_directory(store, "lookup") as first, scratch_directory(store, "lookup") as second:
        assert sorted(tmp_path.iterdir()) == sorted([first, second])
    assert list(tmp_path.iterdir()) == []
