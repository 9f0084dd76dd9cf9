"""Speak many utterances in several processes, part by part: what a killed run has done stays done."""

import json
import logging
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import batched
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import numpy as np
from tqdm import tqdm

from synthst.atomic import atomic_file, unwritable
from synthst.audio import resample
from synthst.corpora.espeak import Pcm, hash_number, load_espeak
from synthst.dump_parts import encode_flac, to_pcm
from synthst.errors import DataError
from synthst.processes import forked_pool
from synthst.tables import read_table, write_table
from synthst.unfinished import unfinished_directory

logger = logging.getLogger(__name__)

PART_UTTERANCES = 200
MIN_SECONDS = 0.1  # a text without a word gives a few silent milliseconds
_RESULTS = "spoken"  # the table of a part: seconds, or the reason why there is no audio
_PLAN = "plan.json"


class Utterance(NamedTuple):
    """What is to be said, and in which voice."""

    id: str
    text: str
    voice: str


class Sound(NamedTuple):
    """How audio is made: the seed of its noise, its rate in Hz, if not espeak-ng's own, the longest kept."""

    seed: int
    rate: int | None
    max_seconds: float


class Spoken(NamedTuple):
    """An utterance's audio below ``audio``, or the reason why there is none."""

    file: str
    seconds: float
    dropped: str = ""


def speak_parts(
    utterances: Sequence[Utterance], audio: Path, sound: Sound, *, workers: int | None = None
) -> Iterator[Spoken]:
    """Write <part>/<id>.flac below ``audio``, unless the part is there; yield the results in the same order.

    Raises DataError when espeak-ng lacks a voice or fails, the disk is full, or a process was killed.
    """
    parts = [
        (audio / f"{number:03d}", part) for number, part in enumerate(batched(utterances, PART_UTTERANCES))
    ]
    for leftover in audio.glob(".*.tmp"):
        shutil.rmtree(leftover)
    missing = [(folder, part) for folder, part in parts if not folder.exists()]
    done = len(utterances) - sum(len(part) for _, part in missing)
    if done:
        logger.info("%s: %d of %d utterances are there already", audio, done, len(utterances))
    with tqdm(total=len(utterances), initial=done, unit=" utt", disable=not sys.stderr.isatty()) as progress:
        for count in _speak_missing(missing, sound, workers or len(os.sched_getaffinity(0))):
            progress.update(count)
    for folder, part in parts:
        yield from _read_part(folder, part)


def _speak_missing(
    missing: Sequence[tuple[Path, tuple[Utterance, ...]]], sound: Sound, workers: int
) -> Iterator[int]:
    """Speak parts in forked processes, also if it is one: espeak-ng is never loaded in this process."""
    with forked_pool(workers) as pool:
        yield from pool.map(partial(_speak_part, sound=sound), missing)


def _speak_part(job: tuple[Path, tuple[Utterance, ...]], *, sound: Sound) -> int:
    """Write a part to another name first, then rename it; return the number of its utterances."""
    folder, part = job
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    try:
        temporary.mkdir()
        write_table(
            temporary / _RESULTS, [(utterance.id, _speak(utterance, temporary, sound)) for utterance in part]
        )
        temporary.rename(folder)
    except OSError as error:
        raise unwritable(folder, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return len(part)


def _speak(utterance: Utterance, folder: Path, sound: Sound) -> str:
    """Write one utterance's file; return its seconds, or why it has none."""
    espeak = load_espeak()
    noise = hash_number(f"{sound.seed} noise {utterance.id}")
    samples = espeak.speak(utterance.text, utterance.voice, seed=noise)
    seconds = len(samples) / espeak.rate
    if seconds < MIN_SECONDS or not samples.any():
        return "no_audio"
    if seconds > sound.max_seconds:
        return "too_long"
    rate = sound.rate or espeak.rate
    content = encode_flac(_at_rate(samples, espeak.rate, rate), rate)
    with open(folder / _file_name(utterance.id), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return f"{seconds:.3f}"


def _at_rate(samples: Pcm, found: int, rate: int) -> Pcm:
    if rate == found:
        return samples
    return to_pcm(resample(samples.astype(np.float32) / np.float32(32768), found, rate))[0]


def _file_name(utterance: str) -> str:
    """Name the file of an id, which may hold a slash. Raises DataError for one that is too long."""
    name = f"{quote(utterance, safe='')}.flac"
    if len(name) > 255:
        raise DataError(f"the id {utterance} is too long for the name of a file; give shorter ids")
    return name


def _read_part(folder: Path, part: Sequence[Utterance]) -> Iterator[Spoken]:
    for (utterance, result), wanted in zip(read_table(folder / _RESULTS), part, strict=True):
        assert utterance == wanted.id
        if result[0].isdigit():
            yield Spoken(f"{folder.name}/{_file_name(utterance)}", float(result))
        else:
            yield Spoken("", 0.0, dropped=result)


@contextmanager
def planned_directory(out: Path, plan: Mapping[str, object]) -> Iterator[Path]:
    """Make an `unfinished_directory`, or go on in one that was stopped if it had the same ``plan``."""
    with unfinished_directory(out) as folder:
        _keep_if_planned(folder, json.dumps(plan, default=str).encode())
        yield folder
    (out / _PLAN).unlink()


def _keep_if_planned(folder: Path, plan: bytes) -> None:
    """Empty the directory unless it holds the beginning of this very plan."""
    path = folder / _PLAN
    if path.exists() and path.read_bytes() == plan:
        return
    for entry in folder.iterdir():
        logger.warning("%s is of other texts or options, removed", entry)
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    (folder / "audio").mkdir()
    with atomic_file(path) as file:
        file.write(plan)
