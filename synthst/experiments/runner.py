"""Run what is missing of an experiment, several runs side by side that share what they have in common."""

import logging
import os
import re
import shlex
import subprocess
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

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
        return f"stage {self.stage} {self.what}, see {self.log.relative_to(beside)}"


@dataclass
class _Progress:
    """A run that is not finished yet: the steps that are left."""

    run: Run
    log: Path
    left: deque[Step] = field(default_factory=deque)


class Runner:
    """Runs of one recipe, ``jobs`` at a time; two steps that write to the same directory never run at once.

    A step that another run has done, or failed at, with the very same commands is not done again. Each job
    has one of ``gpus``, numbers as in CUDA_VISIBLE_DEVICES, to itself if there are as many.
    """

    def __init__(self, recipe: Path, logs: Path, *, jobs: int, gpus: Sequence[int] = ()) -> None:
        self._recipe, self._logs, self._jobs = recipe, logs, jobs
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
        with ThreadPoolExecutor(max_workers=max(1, self._jobs)) as pool:
            try:
                while self._waiting or self._running:
                    self._start_what_may(pool)
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

    def _start_what_may(self, pool: ThreadPoolExecutor) -> None:
        """Start the first steps that write to no directory in use, as many as there are free jobs."""
        for progress in list(self._waiting):
            if not self._skip_known(progress):
                self._waiting.remove(progress)
            elif self._slots and not progress.left[0].writes & self._writing:
                self._waiting.remove(progress)
                step, slot = progress.left[0], self._slots.popleft()
                self._writing |= step.writes
                future = pool.submit(
                    run_step, self._recipe, progress.run, step, progress.log, slot, self._jobs
                )
                self._running[future] = progress, slot

    def _skip_known(self, progress: _Progress) -> bool:
        """Pass over steps that were done already; return whether one is left, and not known to fail."""
        while progress.left and progress.left[0].commands in self._done:
            failure = self._done[progress.left.popleft().commands]
            if failure is not None:
                self._failures[progress.run] = failure
                return False
        if not progress.left and not progress.run.is_finished():
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


def run_step(recipe: Path, run: Run, step: Step, log: Path, gpu: int | None, jobs: int) -> bool:
    """Run one stage of the recipe; append what it tells to ``log``; return whether it went well."""
    place = run.cells[0].place
    command = [str(recipe), *run.cells[0].words, "--stage", str(step.stage), "--stop_stage", str(step.stage)]
    logger.info("%s: stage %d", place, step.stage)
    start = time.monotonic()
    with log.open("ab") as file:
        file.write(f"{shlex.join(command)}\n".encode())
        file.flush()
        done = subprocess.run(
            command,
            env=make_environment(gpu, jobs),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            check=False,
        )
    logger.info("%s: stage %d took %.0f s", place, step.stage, time.monotonic() - start)
    return done.returncode == 0


def make_environment(gpu: int | None, jobs: int) -> dict[str, str]:
    """Return the environment of a job: its GPU, and its share of the cores unless OMP_NUM_THREADS is set."""
    cores = len(os.sched_getaffinity(0))
    environment = {"OMP_NUM_THREADS": str(max(1, cores // jobs))} if jobs > 1 else {}
    environment |= os.environ
    return environment if gpu is None else environment | {"CUDA_VISIBLE_DEVICES": str(gpu)}
