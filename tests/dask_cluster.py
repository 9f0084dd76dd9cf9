"""A Dask scheduler and workers on loopback, each a process that a test can kill; and a teacher for them."""

import asyncio
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from fake_teacher import FakeTeacher
from processes import process_server

from synthst.teacher.protocol import Hypothesis

SETTINGS = {
    "distributed.scheduler.work-stealing-interval": "20ms",
    "distributed.scheduler.allowed-failures": 1,
}


class WorkersTeacher(FakeTeacher):
    """Translate as FakeTeacher does, leave a trace of each part, and behave as the worker's name says.

    A "victim" never ends its second part, and others not their third before a "newcomer" has translated one.
    """

    def __init__(self, traces: Path, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self._traces, self._parts = traces, 0

    def translate(self, sources: Sequence[str]) -> list[list[Hypothesis]]:
        """Translate a part."""
        name = os.environ["WORKER_NAME"]
        self._parts += 1
        (self._traces / f"{name}-{self._parts}").touch()
        if name == "victim" and self._parts == 2:
            time.sleep(600)
        if name.startswith("other") and self._parts == 3:
            wait_for(self._traces / "newcomer-1")
        return super().translate(sources)


class DeadlyTeacher(FakeTeacher):
    """Take the worker's process along."""

    def translate(self, sources: Sequence[str]) -> list[list[Hypothesis]]:
        """End the process as the system does when memory runs out."""
        os._exit(1)


def wait_for(path: Path, seconds: float = 300) -> None:
    """Wait for a file."""
    give_up = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < give_up, f"{path} did not appear"
        time.sleep(0.01)


class Processes:
    """A scheduler's address, and the workers that were started for it."""

    def __init__(self, address: str, scheduler: BaseProcess, folder: Path) -> None:
        self.address, self.scheduler, self.workers = address, scheduler, dict[str, BaseProcess]()
        self._folder = folder

    def add(self, name: str) -> None:
        """Start a worker."""
        target = process_server().Process(
            target=run_worker, args=(self.address, name, str(self._folder)), daemon=True
        )
        target.start()
        self.workers[name] = target


@contextmanager
def dask_processes(folder: Path, names: Sequence[str]) -> Iterator[Processes]:
    """Start a scheduler and workers; kill them at the end."""
    receiving, sending = process_server().Pipe(duplex=False)
    scheduler = process_server().Process(target=run_scheduler, args=(sending,), daemon=True)
    scheduler.start()
    assert receiving.poll(300), "the scheduler did not start"
    processes = Processes(receiving.recv(), scheduler, folder)
    for name in names:
        processes.add(name)
    try:
        yield processes
    finally:
        for process in [*processes.workers.values(), scheduler]:
            process.kill()
            process.join()


def run_scheduler(sending: Connection) -> None:
    """Run a scheduler until the process is killed, and send its address."""
    import dask
    from distributed import Scheduler

    async def run() -> None:
        async with Scheduler(host="127.0.0.1", port=0, dashboard_address="127.0.0.1:0") as scheduler:
            sending.send(scheduler.address)
            await scheduler.finished()

    with dask.config.set(SETTINGS):
        asyncio.run(run())


def run_worker(address: str, name: str, folder: str) -> None:
    """Run a worker of one thread until the process is killed."""
    from distributed import Worker

    async def run() -> None:
        async with Worker(address, nthreads=1, name=name, local_directory=folder) as worker:
            await worker.finished()

    os.environ["WORKER_NAME"] = name
    asyncio.run(run())
