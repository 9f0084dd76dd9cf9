"""A training whose disk is full says where and what to do, and then ends as if nothing had been."""

import errno
import os
import resource
from pathlib import Path
from typing import Any

import pytest
import torch
from processes import SECONDS, start
from toy_speech import make_speech_task
from toy_task import make_task
from toy_trained import assert_same_model

from synthst.errors import DataError
from synthst.espnet.full_disk import explain_full_disk
from synthst.espnet.speech_train import train_speech_translator
from synthst.espnet.train import train_model

pytestmark = pytest.mark.usefixtures("one_thread")

LIMIT_BYTES = 60_000  # fewer than weights have, more than all else


def fill_disk_before(name: str, occurrence: int, patch: pytest.MonkeyPatch) -> None:
    """Let no file grow beyond a limit once the file ``name`` is written for the ``occurrence``-th time."""
    save, seen = torch.save, iter(range(1, 10**9))

    def save_limited(states: Any, path: Path) -> None:
        if Path(path).name == name and next(seen) == occurrence:
            resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT_BYTES, resource.RLIM_INFINITY))
        save(states, path)

    patch.setattr(torch, "save", save_limited)


def train_on_full_disk(out: Path, told: Path, task: dict[str, Any], name: str, occurrence: int) -> None:
    """Train in a process of its own, and write the error that it ends with into ``told``."""

    def work() -> None:
        with pytest.MonkeyPatch.context() as patch:
            fill_disk_before(name, occurrence, patch)
            try:
                train_model(out=out, **task)
            except DataError as error:
                told.write_text(str(error), encoding="utf-8")

    process = start(work)
    process.join(SECONDS)
    assert process.exitcode == 0


@pytest.mark.parametrize(
    ("name", "occurrence"),
    [("checkpoint.pth", 1), ("checkpoint.pth", 2), ("2epoch.pth", 1), (".model.pth.tmp", 1)],
)
def test_a_training_on_a_full_disk_says_so_and_goes_on_when_there_is_room(
    tmp_path: Path, name: str, occurrence: int
) -> None:
    task = make_task(tmp_path)
    train_on_full_disk(tmp_path / "out", tmp_path / "told", task, name, occurrence)
    told = (tmp_path / "told").read_text(encoding="utf-8")
    assert told.startswith(f"{tmp_path}/out.training: a file cannot be written to its end (")
    assert "free some space and run the same command again: it goes on from the last whole checkpoint" in told
    train_model(out=tmp_path / "out", **task)
    train_model(out=tmp_path / "unbroken", **task)
    assert_same_model(tmp_path / "out", tmp_path / "unbroken")


def test_a_speech_training_on_a_full_disk_says_so_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(states: Any, path: Path) -> None:
        path.write_bytes(b"the beginning")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(torch, "save", refuse)
    with pytest.raises(DataError, match=r"out\.training: a file cannot be written .* run the same command"):
        train_speech_translator(out=tmp_path / "out", **make_speech_task(tmp_path))


def test_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    for error in (RuntimeError("shapes do not fit"), OSError(errno.EACCES, "Permission denied")):
        with pytest.raises(type(error), match=str(error).replace("[", r"\[")), explain_full_disk(tmp_path):
            raise error
