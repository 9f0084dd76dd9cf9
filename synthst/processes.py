"""Processes that help this one with work that needs no return but a list of results."""

import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from synthst.errors import ConfigError, DataError

PARENT_DEATH_SIGNAL = 1  # Linux's prctl(PR_SET_PDEATHSIG)


def count_workers(workers: int | None, *, most: int | None = None) -> int:
    """Return how many processes or threads are to work: if None one per core, but at ``most`` so many.

    Raises ConfigError for a number below 1.
    """
    if workers is None:
        cores = len(os.sched_getaffinity(0))
        return cores if most is None else min(cores, most)
    if workers < 1:
        raise ConfigError(f"--workers is {workers}; give 1 or more, or leave it out for one per core")
    return workers


@contextmanager
def forked_pool(
    workers: int, initializer: Callable[..., object] | None = None, initargs: tuple[Any, ...] = ()
) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of forked processes, which are killed when the block raises; Ctrl-C is left to this one.

    Forked, so that a recipe that is a plain script, without a ``__main__`` guard, works too: call it where
    this process has no other threads; the first submit() starts them all. Raises DataError when one of them
    is killed.
    """
    others = set(multiprocessing.active_children())
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(workers, context, _begin, (initializer, initargs)) as pool:
        try:
            yield pool
        except BaseException as error:
            for process in set(multiprocessing.active_children()) - others:
                process.kill()
            pool.shutdown(cancel_futures=True)
            if isinstance(error, BrokenProcessPool):
                raise DataError(
                    "a process that worked for this one was killed, for lack of memory perhaps; run again "
                    "with fewer workers"
                ) from error
            raise


def _begin(initializer: Callable[..., object] | None, initargs: tuple[Any, ...]) -> None:
    """Prepare a process: it does not outlive the one that started it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if initializer is not None:
        initializer(*initargs)
