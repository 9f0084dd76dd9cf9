"""Processes of their own for tests that kill them.

They come from a server that has imported what they need and runs nothing else. A fork of the tests' own
process, in which threads of other tests may hold a lock, could wait for it for ever.
"""

import multiprocessing
from collections.abc import Callable
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Any

import cloudpickle
import pytest

IMPORTED = ["synthst.espnet.train", "synthst.teacher.decode", "pandas", "distributed"]  # pandas: pyarrow asks
SECONDS = 300


def process_server() -> ForkServerContext:
    """Return the context of the one server that this process has."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    return context


def start(work: Callable[..., object], *args: Any, **options: Any) -> ForkServerProcess:
    """Start ``work``, which may be a closure, in a process."""
    process = process_server().Process(target=_run, args=(cloudpickle.dumps((work, args, options)),))
    process.start()
    return process


def _run(pickled: bytes) -> None:
    import torch

    torch.set_num_threads(1)
    work, args, options = cloudpickle.loads(pickled)
    work(*args, **options)


def run_and_die(work: Callable[[], object], arrange: Callable[[pytest.MonkeyPatch], None]) -> int | None:
    """Do ``work`` in a process that ``arrange`` makes die; return its exit code."""

    def target() -> None:
        with pytest.MonkeyPatch.context() as patch:
            arrange(patch)
            work()

    process = start(target)
    process.join(SECONDS)
    if process.is_alive():
        process.kill()
        process.join()
    return process.exitcode
