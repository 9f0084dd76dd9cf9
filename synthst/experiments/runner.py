"""Run what is missing of an experiment, several runs side by side that share what they have in common."""

import logging
import os
import re
import shlex
import subprocess
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from synthst.cluster import Cluster, connect
from synthst.errors import DataError
from synthst.experiments.children import Children
from synthst.experiments.plan import DECODE_STAGE, Run, Step

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Failure:
    """A stage that failed, and the file that holds what it told."""

    stage: int
    log: Path
    what: str = "failed"

    def __str__(self) -> str:
        return f"stage {self.stage} {self.what}, see {self.log}"

    def told(self, *, beside: Path) -> str:
        """Say it with the log's path relative to a folder above it."""
        return f"stage {self.stage} {self.what}, see {self.log.relative_to(beside.absolute())}"


@dataclass
class _Progress:
    """A run that is not finished yet: the steps that are left."""

    run: Run
    log: Path
    left: deque[Step] = field(default_factory=deque)


LOOK_SECONDS = 5.0  # how often workers that ended are replaced

type Execute = Callable[[list[str], Path, dict[str, str]], int]


class Runner:
    """Runs of one recipe, ``jobs`` at a time; two steps that write to the same directory never run at once.

    A step that another run has done, or failed at, with the very same commands is not done again. What was
    decoded by run.sh, or with other settings, goes through all stages, which pass over what is made alike
    and refuse the rest. Each job
    has one of ``gpus``, numbers as in CUDA_VISIBLE_DEVICES, to itself if there are as many. With a
    ``cluster`` its workers run the steps, which must find recipe and logs where they are here.
    """

    def __init__(
        self,
        recipe: Path,
        logs: Path,
        *,
        jobs: int,
        gpus: Sequence[int] = (),
        cluster: Cluster | None = None,
    ) -> None:
        self._recipe, self._logs, self._jobs, self._cluster = recipe, logs.absolute(), jobs, cluster
        self._slots = deque(gpus[number % len(gpus)] if gpus else None for number in range(jobs))
        self._done: dict[tuple[tuple[str, ...], ...], Failure | None] = {}
        self._writing: set[str] = set()
        self._waiting: deque[_Progress] = deque()
        self._running: dict[Future[bool], tuple[_Progress, int | None]] = {}
        self._failures: dict[Run, Failure] = {}

    def run_all(self, runs: Sequence[Run]) -> dict[Run, Failure]:
        """Run all that is not finished to the end, whatever fails; return the failures."""
        self._waiting.extend(self._begin(run) for run in runs if not run.is_finished())
        logger.info(
            "%d runs: %d finished, %d to do", len(runs), len(runs) - len(self._waiting), len(self._waiting)
        )
        with (  # the cluster ends first, which ends what the threads wait for
            ThreadPoolExecutor(max_workers=max(1, self._jobs)) as pool,
            execute_on(self._cluster) as execute,
        ):
            try:
                while self._waiting or self._running:
                    self._start_what_may(pool, execute)
                    if self._running:
                        self._collect()
            except BaseException:
                logger.info("stopping; run again to go on with what is not finished")
                raise
        return self._failures

    def _begin(self, run: Run) -> _Progress:
        self._logs.mkdir(parents=True, exist_ok=True)
        place = run.cells[0].place
        name = re.sub(r"[^A-Za-z0-9.-]+", "_", str(place)).strip("_")
        log = self._logs / f"{name}.log"
        log.write_text("", encoding="utf-8")
        return _Progress(run, log, deque(run.steps))

    def _start_what_may(self, pool: ThreadPoolExecutor, execute: Execute) -> None:
        """Start the first steps that write to no directory in use, as many as there are free jobs."""
        for progress in list(self._waiting):
            if not self._skip_known(progress):
                self._waiting.remove(progress)
            elif self._slots and not progress.left[0].writes & self._writing:
                self._waiting.remove(progress)
                step, slot = progress.left[0], self._slots.popleft()
                self._writing |= step.writes
                variables = {} if self._cluster else share_machine(slot, self._jobs)
                future = pool.submit(
                    run_step, self._recipe, progress.run, step, progress.log, variables, execute
                )
                self._running[future] = progress, slot

    def _skip_known(self, progress: _Progress) -> bool:
        """Pass over steps that were done already; return whether one is left, and not known to fail."""
        while progress.left and progress.left[0].commands in self._done:
            failure = self._done[progress.left.popleft().commands]
            if failure is not None:
                self._failures[progress.run] = failure
                return False
        if not progress.left and progress.run.is_decoded():
            progress.run.note_finished()
        elif not progress.left:
            self._failures[progress.run] = Failure(DECODE_STAGE, progress.log, "left no translations")
        return bool(progress.left)

    def _collect(self) -> None:
        """Wait for a step to end, and put the rest of its run first in the queue."""
        ended, _ = wait(self._running, return_when=FIRST_COMPLETED)
        for future in ended:
            progress, slot = self._running.pop(future)
            step = progress.left[0]
            self._slots.append(slot)
            self._writing -= step.writes
            failure = None if future.result() else Failure(step.stage, progress.log)
            self._done[step.commands] = failure
            if failure is not None:
                logger.warning("%s: %s", progress.run.cells[0].place, failure)
            self._waiting.appendleft(progress)


def run_step(
    recipe: Path, run: Run, step: Step, log: Path, variables: dict[str, str], execute: Execute
) -> bool:
    """Run one stage of the recipe; append what it tells to ``log``; return whether it went well."""
    place = run.cells[0].place
    command = [str(recipe), *run.cells[0].words, "--stage", str(step.stage), "--stop_stage", str(step.stage)]
    logger.info("%s: stage %d", place, step.stage)
    start = time.monotonic()
    ended = execute(command, log, variables)
    logger.info("%s: stage %d took %.0f s", place, step.stage, time.monotonic() - start)
    return ended == 0


def run_command(
    command: list[str],
    log: Path,
    variables: dict[str, str],
    run: Callable[..., int] = subprocess.call,
) -> int:
    """``run`` a command with further environment variables; append it and what it tells to ``log``."""
    with log.open("ab") as file:
        file.write(f"{shlex.join(command)}\n".encode())
        file.flush()
        environment = os.environ | variables
        return run(command, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file)


@contextmanager
def execute_on(cluster: Cluster | None) -> Generator[Execute]:
    """Yield what runs a command and waits for it: here, or on a worker of the ``cluster``.

    Here it ends with this process. When its worker is lost another one runs the command, which goes on where
    it was, as stages do.
    """
    if cluster is None:
        children = Children()
        with children.signalled():
            yield partial(run_command, run=children.run)
        return
    from distributed import KilledWorker

    with connect(cluster) as (client, replenish):

        def execute(command: list[str], log: Path, variables: dict[str, str]) -> int:
            future = client.submit(run_command, command, log, variables, pure=False)
            while True:
                try:
                    return int(future.result(timeout=LOOK_SECONDS))
                except TimeoutError:
                    replenish()
                except KilledWorker as error:
                    logger.warning("%s: several workers were lost over it (%s)", log, error)
                    return 1
                except (CancelledError, OSError) as error:
                    raise DataError(f"the Dask scheduler is gone ({error}); run again to go on") from error

        yield execute


def share_machine(gpu: int | None, jobs: int) -> dict[str, str]:
    """Return the variables of a job: its GPU, and its share of the cores unless OMP_NUM_THREADS is set."""
    threads = str(max(1, len(os.sched_getaffinity(0)) // jobs))
    variables = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", threads)} if jobs > 1 else {}
    return variables if gpu is None else variables | {"CUDA_VISIBLE_DEVICES": str(gpu)}
