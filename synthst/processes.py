"""Processes that help this one with work that needs no return but a list of results."""

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any


@contextmanager
def forked_pool(
    workers: int, initializer: Callable[..., object] | None = None, initargs: tuple[Any, ...] = ()
) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of forked processes, which are killed when the block raises.

    Forked, so that a recipe that is a plain script, without a ``__main__`` guard, works too: call it where
    this process has no other threads.
    """
    others = set(multiprocessing.active_children())
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(workers, context, initializer, initargs) as pool:
        try:
            yield pool
        except BaseException:
            for process in set(multiprocessing.active_children()) - others:
                process.kill()
            pool.shutdown(cancel_futures=True)
            raise
