"""Run a step of benchmarks/scale.py in a process of its own, and watch what it and its children take."""

import multiprocessing
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

Step = Callable[[Path, int], None]


@dataclass(frozen=True)
class Measure:
    """What a step took with ``rows`` rows; memory and disk are peaks in MB, ``written`` what it left."""

    step: str
    rows: int
    seconds: float
    cpu_seconds: float
    memory: float
    disk: float
    written: float


def measure(name: str, step: Step, folder: Path, rows: int, unwanted: Sequence[str] = ()) -> Measure:
    """Run a step in a new process, without the ``unwanted`` folders, and watch it.

    Raises RuntimeError when it fails.
    """
    for done in unwanted:
        shutil.rmtree(folder / done)
    context = multiprocessing.get_context("spawn")
    times = context.Queue()
    process = context.Process(target=run_step, args=(step, folder, rows, times))
    before, peaks, ended = size_of(folder), {"memory": 0.0, "disk": 0.0}, threading.Event()
    process.start()
    watcher = threading.Thread(target=watch, args=(process.pid, folder, peaks, ended))
    watcher.start()
    process.join()
    ended.set()
    watcher.join()
    if process.exitcode:
        raise RuntimeError(f"{name} failed at {rows:,} rows")
    after = size_of(folder)
    disk = max(peaks["disk"], after)
    return Measure(name, rows, *times.get(), peaks["memory"], disk / 1e6, (after - before) / 1e6)


def run_step(step: Step, folder: Path, rows: int, times: "multiprocessing.Queue") -> None:
    start, cpu_start = time.monotonic(), sum(os.times()[:4])
    step(folder, rows)
    times.put((time.monotonic() - start, sum(os.times()[:4]) - cpu_start))


def watch(pid: int, folder: Path, peaks: dict[str, float], ended: threading.Event) -> None:
    """Keep the peaks of the processes' own memory in MB, and of the folder's size in bytes."""
    beat = 0
    while not ended.wait(0.1):
        peaks["memory"] = max(peaks["memory"], sum(map(own_memory, processes_of(pid))))
        if beat % 20 == 0:
            peaks["disk"] = max(peaks["disk"], size_of(folder))
        beat += 1


def processes_of(pid: int) -> Iterator[int]:
    """Yield a process, its children, theirs, and so on."""
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = task.read_text(encoding="ascii").split()
        except OSError:
            continue
        for child in children:
            yield from processes_of(int(child))


def own_memory(pid: int) -> float:
    """Return a process's RssAnon in MB; 0 when it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0.0
    found = [line.split()[1] for line in status.split("\n") if line.startswith("RssAnon:")]
    return int(found[0]) / 1024 if found else 0.0


def size_of(folder: Path) -> float:
    """Return the bytes below a folder, of files that may come and go meanwhile."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_size
            except OSError:
                continue
    return float(total)
