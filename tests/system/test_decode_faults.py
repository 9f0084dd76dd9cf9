"""What can happen to a decoding: kills, a full disk, damage, rivals, odd sentences, another teacher."""

import errno
import logging
import os
import random
import subprocess
import sys
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import duckdb
import pytest
from fake_teacher import FakeTeacher, decode_slowly, reverse, write_data
from processes import start

from synthst.errors import DataError
from synthst.lookup import check_store
from synthst.nbest import read_nbest
from synthst.teacher.decode import decode_corpus

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[2]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_data(tmp_path / "data", [f"sentence number {number}" for number in range(200)])


def decode(data: Path, store: Path, teacher: FakeTeacher | None = None) -> Path:
    return decode_corpus(teacher or FakeTeacher(), data, store, src="en", part_sentences=5)


def parts_of(store: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in store.glob("part-*.parquet")}


def start_decoding(data: Path, store: Path, seconds: float, shard: str = "1/1") -> BaseProcess:
    return start(decode_slowly, data, store, seconds, shard)


def test_killed_twenty_times_at_any_moment_the_store_is_that_of_an_unbroken_run(
    tmp_path: Path, data: Path
) -> None:
    store, moments = tmp_path / "store", random.Random(1)
    for number in range(20):
        before = len(parts_of(store))
        process = start_decoding(data, store, seconds=0.02)
        while number % 2 and process.is_alive() and len(parts_of(store)) == before:
            time.sleep(0.005)
        time.sleep(moments.uniform(0, 0.1))
        process.kill()
        process.join()
    done = len(parts_of(store))
    assert done >= 10
    teacher = FakeTeacher()
    decode(data, store, teacher)
    assert len(teacher.asked) == 200 - 5 * done
    assert parts_of(store) == parts_of(decode(data, tmp_path / "unbroken"))
    others = [path.name for path in store.iterdir() if not path.name.endswith(".parquet")]
    assert [name for name in others if ".tmp-" not in name and "draft" not in name] == ["manifest.json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "store", "unbroken"]


def test_a_truncated_part_is_named_set_aside_and_decoded_again(
    tmp_path: Path, data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = decode(data, tmp_path / "store")
    whole = parts_of(store)
    part = store / min(whole)
    part.write_bytes(whole[part.name][:100])
    with pytest.raises(DataError, match=f"{part.name} is damaged; run stage 3 again"):
        check_store(store, data / "text.en")
    teacher = FakeTeacher()
    with caplog.at_level(logging.WARNING):
        decode(data, store, teacher)
    assert f"{part} is damaged: set aside as {part.name}.broken" in caplog.text
    assert len(teacher.asked) == 5
    assert parts_of(store) == whole
    assert part.with_name(f"{part.name}.broken").exists()


def test_a_disk_that_is_full_midway_leaves_a_store_to_go_on_with(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "store"

    class FillingDisk(FakeTeacher):
        def translate(self, sources):
            if len(parts_of(store)) == 3:
                monkeypatch.setattr("synthst.atomic.os.fsync", refuse)
            return super().translate(sources)

    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(
        DataError, match=r"part-.* cannot be written: No space left on device; free some space"
    ):
        decode(data, store, FillingDisk())
    monkeypatch.undo()
    assert len(list(store.iterdir())) == 4  # three parts and the manifest
    teacher = FakeTeacher()
    decode(data, store, teacher)
    assert len(teacher.asked) == 185
    assert parts_of(store) == parts_of(decode(data, tmp_path / "unbroken"))


SMALL_FILES_ONLY = """
import resource, signal, sys
from pathlib import Path
sys.path[:0] = sys.argv[1:]
from processes import start
from fake_teacher import FakeTeacher
from synthst.errors import DataError
from synthst.teacher.decode import decode_corpus
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000))
try:
    decode_corpus(FakeTeacher(), Path("data"), Path("store"), src="en", part_sentences=5)
except DataError as error:
    print(error)
"""


def test_a_plan_without_room_says_so_and_leaves_the_store_as_it_is(tmp_path: Path, data: Path) -> None:
    """The system stops the plan's file at 2 kB; then there is room again."""
    command = [sys.executable, "-c", SMALL_FILES_ONLY, str(ROOT), str(ROOT / "tests")]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "plan.parquet cannot be written: File too large; free some space" in run.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "store"]
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["manifest.json"]
    decode(data, tmp_path / "store")
    assert check_store(tmp_path / "store", data / "text.en").missing == 0


@pytest.mark.parametrize("error", [duckdb.OutOfMemoryException, duckdb.IOException])
def test_a_join_without_room_says_so(tmp_path: Path, data: Path, error: type[duckdb.Error]) -> None:
    store = decode(data, tmp_path / "store")
    told = "store: to read it takes more room for passing files beside it"
    with pytest.raises(DataError, match=told), read_nbest(store, data / "text.en"):
        raise error("Out of Memory Error: failed to offload data block\nThis limit was set")


def test_a_join_that_has_too_little_memory_says_so(tmp_path: Path, data: Path) -> None:
    store = decode(data, tmp_path / "store")
    with (
        pytest.raises(DataError, match="to read it takes more room"),
        read_nbest(store, data / "text.en", memory_limit="100KB"),
    ):
        pass


def test_two_processes_may_decode_into_one_store(tmp_path: Path, data: Path) -> None:
    racing = [start_decoding(data, tmp_path / "store", seconds) for seconds in (0.004, 0.006)]
    for process in racing:
        process.join(60)
        assert process.exitcode == 0
    assert parts_of(tmp_path / "store") == parts_of(decode(data, tmp_path / "unbroken"))


def test_shards_may_run_at_the_same_time(tmp_path: Path, data: Path) -> None:
    racing = [start_decoding(data, tmp_path / "store", 0.005, shard) for shard in ("1/3", "2/3", "3/3")]
    for process in racing:
        process.join(60)
        assert process.exitcode == 0
    assert parts_of(tmp_path / "store") == parts_of(decode(data, tmp_path / "unbroken"))


def test_odd_sources_are_translated_or_counted_but_never_dropped(tmp_path: Path) -> None:
    odd = [
        "x" * 5000,
        "\U0001f600\U0001f468\u200d\U0001f469",
        "a\u2028b",
        "x\x85y",
        "e\u0301",
        "\ufffd",
        "NULL",
        "''",
    ]
    data = write_data(tmp_path / "data", odd)

    class Short(FakeTeacher):
        def translate(self, sources):
            return [
                [hypotheses[0]._replace(finished=len(source) < 1000)]
                for source, hypotheses in zip(sources, super().translate(sources), strict=True)
            ]

    store = decode(data, tmp_path / "store", Short())
    found = check_store(store, data / "text.en")
    assert (found.found, found.wanted, found.cut_off) == (8, 8, 1)
    with read_nbest(store, data / "text.en") as nbest:
        assert [(one.source, one.hypotheses[0].text) for one in nbest.lists()] == [
            (source, reverse(source)) for source in odd
        ]


def test_another_teacher_or_beam_is_refused_with_both_shown(tmp_path: Path, data: Path) -> None:
    store = decode(data, tmp_path / "store")
    before = parts_of(store)
    other = FakeTeacher(name="other")
    with pytest.raises(
        DataError, match="made by fake:fake and this is fake:other.*'fake' there, 'other' here"
    ):
        decode(data, store, other)
    with pytest.raises(DataError, match="settings.nbest is 1 there, 2 here"):
        decode(data, store, FakeTeacher(nbest=2))
    assert other.asked == []
    assert parts_of(store) == before
