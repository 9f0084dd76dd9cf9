"""Hand parts to Dask workers that come and go, and collect what they translated."""

import json
import logging
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from synthst.errors import DataError, SynthstError
from synthst.teacher.budget import BudgetError
from synthst.teacher.plan import TranslatedPart
from synthst.teacher.protocol import Hypothesis, Teacher

if TYPE_CHECKING:
    from distributed import Client, Future

logger = logging.getLogger(__name__)

LOOK_SECONDS = 5.0  # how often workers are counted while none finishes
ARRIVAL_SECONDS = 30.0  # how long a finished part may take to get here

_lock = threading.Lock()
_teachers: dict[str, Teacher] = {}


@dataclass(frozen=True)
class Job:
    """What a worker must know: how to load the teacher, and who it must be; ``run`` tells jobs apart.

    ``folder`` is where relative names of files begin, if the worker has it; ``devices`` are GPUs to deal out
    to workers that are numbered.
    """

    run: str
    load: Callable[[], Teacher]
    identity: str
    folder: Path
    devices: tuple[str, ...] = ()

    @classmethod
    def make(
        cls, load: Callable[[], Teacher], identity: Mapping[str, object], *, devices: tuple[str, ...] = ()
    ) -> "Job":
        """Make a job of its own."""
        return cls(uuid.uuid4().hex, load, _to_json(identity), Path.cwd(), devices)


def translate_on_worker(job: Job, sources: list[str]) -> list[list[Hypothesis]]:
    """Translate a part in a worker's process, which loads its teacher for the first part and keeps it.

    Raises DataError when it is not the teacher that the job is for.
    """
    with _lock:  # a teacher serves one thread at a time
        if job.run not in _teachers:
            _teachers.clear()
            _teachers[job.run] = _load(job)
        return [list(hypotheses) for hypotheses in _teachers[job.run].translate(sources)]


def _load(job: Job) -> Teacher:
    if job.devices:
        from distributed import get_worker

        device = job.devices[int(get_worker().name) % len(job.devices)]
        os.environ["CUDA_VISIBLE_DEVICES"] = device
    if job.folder.is_dir():
        os.chdir(job.folder)
    teacher = job.load()
    if (found := _to_json(teacher.identity)) != job.identity:
        raise DataError(
            f"a worker on {os.uname().nodename} has another teacher: {found} there, {job.identity} here; "
            "give all machines the same files"
        )
    return teacher


def spread_parts(
    client: "Client", job: Job, parts: Iterable[list[str]], replenish: Callable[[], None]
) -> Iterator[TranslatedPart]:
    """Yield every part with its translations as workers finish, see `cluster.translate_on_cluster`.

    Two parts for each worker are under way at a time, or more lest one have none. ``replenish`` is called
    now and then.
    """
    waiting = iter(parts)
    finished: SimpleQueue[Future[list[list[Hypothesis]]]] = SimpleQueue()
    sent: dict[str, tuple[Future[list[list[Hypothesis]]], list[str]]] = {}
    workers = _Workers(client, replenish)
    failure: SynthstError | None = None
    looked = time.monotonic()
    while True:
        if time.monotonic() - looked > LOOK_SECONDS:
            workers.replenish()
            looked = time.monotonic()
        room = 0 if failure else workers.count_parts(len(sent)) - len(sent)
        for part in islice(waiting, max(room, 0)):
            future = client.submit(translate_on_worker, job, part, pure=False)
            sent[future.key] = future, part
            future.add_done_callback(finished.put)
        if not sent:
            break
        try:
            ended = finished.get(timeout=LOOK_SECONDS)
        except Empty:
            continue
        try:
            yield from _take(ended, sent[ended.key][1])
            del sent[ended.key]
        except _NotYet:
            ended.add_done_callback(finished.put)
        except SynthstError as error:
            logger.info("stopping (%s); %d parts are still being translated", error, len(sent))
            failure = failure or error
            del sent[ended.key]
    if failure is not None:
        raise failure


class _NotYet(Exception):
    """A worker died after it had translated a part, which another one translates again."""


def _take(future: "Future[list[list[Hypothesis]]]", part: list[str]) -> Iterator[TranslatedPart]:
    """Yield what a worker has translated; raise a SynthstError if it could not, _NotYet if it was lost."""
    from distributed import KilledWorker

    if not future.done():
        raise _NotYet
    try:
        translated = TranslatedPart(part, future.result(timeout=ARRIVAL_SECONDS))
    except BudgetError as error:
        if error.done:
            sources, results = zip(*error.done, strict=True)
            yield TranslatedPart(sources, results)
        raise BudgetError(str(error)) from error
    except KilledWorker as error:
        raise DataError(
            f"a part of {len(part):,} sentences, the longest of {len(part[0]):,} characters, has cost "
            f"several workers' lives ({error}); give workers more memory, or make parts smaller"
        ) from error
    except CancelledError as error:
        raise _gone(error) from error
    except TimeoutError as error:
        if future.status == "error":  # the teacher's own
            raise
        raise _NotYet from error
    yield translated


def _gone(error: BaseException) -> DataError:
    return DataError(
        f"the Dask scheduler is gone ({str(error) or type(error).__name__}); what was translated is stored: "
        "run again to go on"
    )


class _Workers:
    """Count the workers, and say so when their number changes."""

    def __init__(self, client: "Client", replenish: Callable[[], None]) -> None:
        self._client, self.replenish = client, replenish
        self._count: int | None = None

    def count_parts(self, sent: int) -> int:
        """Return how many parts to have under way, now being ``sent``: few, but enough that nobody waits."""
        try:
            tasks = self._client.processing()
        except OSError as error:
            raise _gone(error) from error
        count = len(tasks)
        if count != self._count:
            logger.info("workers: %d%s", count, "" if count else "; waiting for the first")
            self._count = count
        idle = sum(not keys for keys in tasks.values())  # Dask does not always give them others' tasks
        return max(2 * count, sent + idle, 2)


def _to_json(identity: Mapping[str, object]) -> str:
    return json.dumps(dict(identity), sort_keys=True, ensure_ascii=False)
