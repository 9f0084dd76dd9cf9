"""A dump that bad audio, kill -9 or a full disk stopped goes on, and equals what an unbroken run writes."""

import errno
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from toy_dump import RATE, make_data, tone, tree

from synthst import dump_parts
from synthst.audio import read_audio
from synthst.dump import dump_audio, read_dump
from synthst.errors import DataError


def break_missing(path: Path) -> None:
    path.unlink()


def break_text(path: Path) -> None:
    path.write_text("no audio", encoding="utf-8")


def break_short(path: Path) -> None:
    """Cut a wav file short, of which libsndfile reads what is left without a word."""
    with open(path, "r+b") as file:
        file.truncate(path.stat().st_size // 2)


def break_stereo(path: Path) -> None:
    soundfile.write(path, np.stack([tone(1600), tone(1600)], axis=1), RATE)


def break_not_finite(path: Path) -> None:
    samples = np.zeros(1600, np.float32)
    samples[7] = np.nan
    soundfile.write(path, samples, RATE, subtype="FLOAT")


def break_empty(path: Path) -> None:
    soundfile.write(path, np.zeros(0, np.int16), RATE)


BREAKS = {
    break_missing: "u03.wav: the file is missing",
    break_text: "no audio that can be read",
    break_short: "gives 0.149 s, utt2dur says 0.300",
    break_stereo: "2 channels, one was wanted",
    break_not_finite: "1 of 1,600 samples are NaN",
    break_empty: "length is zero",
}


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("damage", BREAKS, ids=lambda damage: damage.__name__)
def test_bad_audio_stops_the_dump_by_name_and_the_mended_one_goes_on(
    tmp_path: Path, damage: Callable[[Path], None], workers: int
) -> None:
    data, out = make_data(tmp_path, [4800] * 5), tmp_path / "dump"
    good = (tmp_path / "u03.wav").read_bytes()
    damage(tmp_path / "u03.wav")
    with pytest.raises(DataError, match=f"^u03: .*({BREAKS[damage]})"):
        dump_audio(data, out, part_utterances=1, workers=workers)
    assert not out.exists()
    (tmp_path / "u03.wav").write_bytes(good)
    dump_audio(data, out, part_utterances=1, workers=workers)
    assert read_dump(out).ids == ["u00", "u01", "u02", "u03", "u04"]


STOPPED_RUN = """
import sys, time
from pathlib import Path
from synthst import dump, dump_parts

def stop(*arguments):
    if len(list(Path(".dump.unfinished/audio").glob("0*"))) >= 2:
        print("ready", flush=True)
        time.sleep(60)
    return encode(*arguments)

encode = dump_parts.encode_flac
dump_parts.encode_flac = stop
dump.dump_audio(Path("data"), Path("dump"), part_utterances=2, workers=int(sys.argv[1]))
"""


def start_run_that_stops(folder: Path, workers: int) -> subprocess.Popen[bytes]:
    """Start a dump and wait until it is amid its third part."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-c", STOPPED_RUN, str(workers)]
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline().startswith(b"ready")
    return process


@pytest.mark.system
@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_that_was_killed_goes_on_and_equals_an_unbroken_one(
    tmp_path: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The workers of the killed run, asleep amid a part, must end before the next run can begin."""
    make_data(tmp_path, [800 + 10 * number for number in range(9)])
    monkeypatch.chdir(tmp_path)
    process = start_run_that_stops(tmp_path, workers)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    unfinished = tmp_path / ".dump.unfinished" / "audio"
    before = {part.name: part.stat().st_mtime_ns for part in unfinished.glob("0*")}
    assert len(before) >= 2 and list(unfinished.glob(".*.tmp")) and not (tmp_path / "dump").exists()
    for out in ("dump", "unbroken"):
        dump_audio(Path("data"), Path(out), part_utterances=2, workers=workers)
    assert tree(tmp_path / "dump") == tree(tmp_path / "unbroken")
    for part, made in before.items():
        assert max(file.stat().st_mtime_ns for file in (tmp_path / "dump" / "audio" / part).iterdir()) <= made
    assert list(tmp_path.glob(".*")) == []


@pytest.mark.system
def test_a_run_killed_before_its_directory_got_its_name_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, out = make_data(tmp_path, [1600, 3200]), tmp_path / "dump"
    dump_audio(data, tmp_path / "unbroken", workers=1)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("synthst.dump.os.rename", die)
        dump_audio(data, out, workers=1)
    assert not out.exists()
    dump_audio(data, out, workers=1)
    assert tree(out) == tree(tmp_path / "unbroken")


def test_a_stopped_run_with_other_options_or_data_is_not_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_data(tmp_path, [1600] * 6)
    monkeypatch.chdir(tmp_path)
    process = start_run_that_stops(tmp_path, 1)
    process.kill()
    process.communicate()
    with pytest.raises(DataError, match=r"\.dump\.unfinished was made otherwise.*16000 then, 8000 now"):
        dump_audio(Path("data"), Path("dump"), part_utterances=2, rate=8000, workers=1)


def test_two_runs_of_the_same_dump_do_not_write_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_data(tmp_path, [1600] * 6)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("synthst.unfinished.LOCK_SECONDS", 0.1)
    process = start_run_that_stops(tmp_path, 1)
    with pytest.raises(DataError, match=r"\.dump\.unfinished is in use"):
        dump_audio(Path("data"), Path("dump"), part_utterances=2, workers=1)
    process.kill()
    process.communicate()


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Let the system refuse to write more, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("audio_format", ["flac", "ark"])
def test_a_write_error_leaves_nothing_half_and_the_next_run_goes_on(
    tmp_path: Path, audio_format: Any, workers: int
) -> None:
    """Silence is small as FLAC, noise is not: the part with the noise cannot be written."""
    data, out = make_data(tmp_path, [16_000] * 3), tmp_path / "dump"
    for name in ("u00", "u01"):
        soundfile.write(tmp_path / f"{name}.wav", np.zeros(16_000, np.int16), RATE)
    noise = np.random.default_rng(0).integers(-20_000, 20_000, 16_000).astype(np.int16)
    soundfile.write(tmp_path / "u02.wav", noise, RATE)
    found = "00002 cannot be written: File too large; free some space and run again"
    with files_of_at_most(20_000), pytest.raises(DataError, match=found):
        dump_audio(data, out, audio_format=audio_format, part_utterances=1, workers=workers)
    assert not out.exists()
    unfinished = sorted(part.name for part in (tmp_path / ".dump.unfinished" / "audio").iterdir())
    assert set(unfinished) <= {"00000", "00001"}
    dump_audio(data, out, audio_format=audio_format, part_utterances=1, workers=workers)
    assert np.array_equal(read_audio(read_dump(out).wav[2])[0], noise.astype(np.float32) / 32768)


def test_a_full_disk_is_called_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("synthst.dump_parts.sync_folder", full)
    with pytest.raises(DataError, match="No space left on device; free some space and run again"):
        dump_audio(make_data(tmp_path, [1600]), tmp_path / "dump", workers=1)
    assert list((tmp_path / ".dump.unfinished" / "audio").iterdir()) == []


@pytest.mark.system
def test_a_worker_that_is_killed_is_told_and_the_next_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, out = make_data(tmp_path, [1600] * 4), tmp_path / "dump"
    with monkeypatch.context() as patch, pytest.raises(DataError, match="was killed.*with fewer workers"):
        patch.setattr(dump_parts, "encode_flac", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        dump_audio(data, out, part_utterances=1, workers=2)
    dump_audio(data, out, part_utterances=1, workers=2)
    assert len(read_dump(out).ids) == 4
