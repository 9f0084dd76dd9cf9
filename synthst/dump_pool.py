"""Write the parts of an audio dump in several processes, none of which outlives the one that started them."""

import logging
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from datetime import timedelta
from pathlib import Path

from tqdm import tqdm

from synthst.dump_parts import DumpOptions, write_part
from synthst.processes import forked_pool
from synthst.speechdir import Utterance

logger = logging.getLogger(__name__)

LOG_SECONDS = 60.0

Part = tuple[Path, Sequence[Utterance]]


def write_parts(parts: Iterable[Part], options: DumpOptions, *, workers: int, progress: "Progress") -> None:
    """Write the parts that are not there, and tell ``progress``; one worker is this process itself."""
    missing = _skip_written(parts, progress)
    if workers == 1:
        for part, utterances in missing:
            write_part(part, utterances, options)
            progress.advance(len(utterances))
        return
    needs_torch = any(speed != 1 for speed in options.speeds)
    with forked_pool(workers, _use_one_thread if needs_torch else None) as pool:
        running: dict[Future[None], int] = {}
        for part, utterances in missing:
            running[pool.submit(write_part, part, utterances, options)] = len(utterances)
            if len(running) > 2 * workers:
                _collect(running, progress)
        while running:
            _collect(running, progress)


def _skip_written(parts: Iterable[Part], progress: "Progress") -> Iterator[Part]:
    for part, utterances in parts:
        if part.exists():
            progress.skip(len(utterances))
        else:
            yield part, utterances


def _collect(running: dict[Future[None], int], progress: "Progress") -> None:
    """Wait for a part; raise what its worker raised."""
    done, _ = wait(running, return_when=FIRST_COMPLETED)
    for future in done:
        future.result()
        progress.advance(running.pop(future))


def _use_one_thread() -> None:
    from synthst.speed import use_one_thread

    use_one_thread()


def remove_half_written(folder: Path) -> None:
    """Remove the parts that killed processes left half written."""
    for leftover in folder.glob(".*.tmp"):
        shutil.rmtree(leftover, ignore_errors=True)


class Progress:
    """Show how far a dump is: a bar on a terminal, a log line a minute elsewhere."""

    def __init__(self, out: Path, utterances: int) -> None:
        self._out, self._utterances, self._skipped, self._written = out, utterances, 0, 0
        self._start = self._logged = time.monotonic()
        self._bar = tqdm(total=utterances, desc=out.name, unit="utt", disable=not sys.stderr.isatty())

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()
        if self._skipped:
            logger.info("%s: %d utterances were there from before", self._out, self._skipped)

    def skip(self, utterances: int) -> None:
        """Count utterances that were there; the time to go is reckoned without them."""
        self._skipped += utterances
        if not self._bar.disable:
            self._bar.initial += utterances
            self._bar.update(utterances)

    def advance(self, utterances: int) -> None:
        """Count utterances that were written."""
        self._written += utterances
        self._bar.update(utterances)
        now = time.monotonic()
        if self._bar.disable and now - self._logged > LOG_SECONDS:
            self._logged = now
            done = self._skipped + self._written
            to_go = (now - self._start) / self._written * (self._utterances - done)
            told = f"{done:,} of {self._utterances:,} utterances, {timedelta(seconds=round(to_go))} to go"
            logger.info("%s: %s", self._out, told)
