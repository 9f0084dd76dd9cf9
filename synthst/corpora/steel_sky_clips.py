"""Unpack the speech of Beneath a Steel Sky to wav files, in parallel."""

import logging
import os
import time
import wave
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import batched
from pathlib import Path

from tqdm import tqdm

from synthst.corpora.steel_sky_files import MIN_CLIP_BYTES, RATE, SkyFiles, read_samples
from synthst.errors import DataError
from synthst.processes import forked_pool

logger = logging.getLogger(__name__)

CLIPS_PER_JOB = 16

_Job = Sequence[tuple[Path, bytes]]  # the wav files to write, and the clips as they are stored


def clip_id(section: int, number: int) -> str:
    """Name an utterance."""
    return f"steelsky_{section}_{number:05d}"


def clip_path(section: int, number: int) -> Path:
    """Name the wav file of an utterance below the folder of the clips."""
    return Path(str(section), f"{clip_id(section, number)}.wav")


def write_clips(
    files: SkyFiles, folder: Path, counts: Counter[str], *, workers: int | None = None
) -> dict[tuple[int, int], float]:
    """Unpack the clips to ``folder``; return the seconds of those that are not empty by section and number.

    The files are as the game has them: mono, 11,025 Hz, 8 bits. Raises DataError when a clip is damaged.
    """
    start = time.monotonic()
    clips = [(section, number, stored) for section, number, stored in files.clips()]
    for section in sorted({section for section, _, _ in clips}):
        (folder / str(section)).mkdir(parents=True)
    jobs = batched(((folder / clip_path(*place), stored) for *place, stored in clips), CLIPS_PER_JOB)
    sizes: list[int] = []
    with tqdm(desc="clips", total=len(clips), disable=None) as progress:
        for written in _run_jobs(jobs, workers or os.cpu_count() or 1):
            sizes += written
            progress.update(len(written))
    counts["clips"] += len(clips)
    counts["dropped_empty_clip"] += sizes.count(0)
    logger.info("%d clips unpacked in %.1f s", len(clips), time.monotonic() - start)
    found = zip(clips, sizes, strict=True)
    return {(section, number): size / RATE for (section, number, _), size in found if size}


def _run_jobs(jobs: Iterable[_Job], workers: int) -> Iterator[list[int]]:
    if workers == 1:
        yield from map(_run_job, jobs)
        return
    with forked_pool(workers) as pool:
        yield from pool.map(_run_job, jobs)


def _run_job(job: _Job) -> list[int]:
    return [_write_clip(path, stored) for path, stored in job]


def _write_clip(path: Path, stored: bytes) -> int:
    """Write one clip; return its samples, or 0 without writing when it is empty."""
    try:
        samples = read_samples(stored)
    except DataError as error:
        raise DataError(f"clip {path.stem}: {error}; fetch the package beneath-a-steel-sky again") from error
    if len(samples) < MIN_CLIP_BYTES:
        return 0
    with path.open("wb") as file, wave.open(file, "wb") as audio:
        audio.setnchannels(1)
        audio.setsampwidth(1)
        audio.setframerate(RATE)
        audio.writeframes(samples)
    return len(samples)
