"""Write the audio that training reads: one rate and format, cut into utterances, with copies at other speeds.

A dump has audio/ and the tables wav.scp, utt2dur, utt2num_samples, utt2source and utt2spk. It is written part
by part into ``.<name>.unfinished`` beside it; there a run that was stopped goes on.
"""

import hashlib
import heapq
import logging
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import batched
from pathlib import Path
from typing import Any, Literal

import numpy as np

from synthst.dump_parts import DumpOptions, DumpRow, read_part, speed_prefix
from synthst.dump_pool import Part, Progress, remove_half_written, write_parts
from synthst.errors import ConfigError, DataError
from synthst.info import info_path, is_made, read_info, write_info
from synthst.speechdir import read_utterances
from synthst.tables import JoinedRow, join_tables, write_tables
from synthst.unfinished import unfinished_directory

logger = logging.getLogger(__name__)

DUMP_TABLES = ("wav.scp", "utt2dur", "utt2num_samples", "utt2source", "utt2spk")


@dataclass(frozen=True)
class DumpIndex:
    """The utterances of a dump, in byte order of their ids.

    ``wav`` are values of wav.scp, ``samples`` the lengths, (utterances,) int64 at ``rate`` Hz, and ``source``
    the ids of the utterances that these are copies of, their own at the original speed.
    """

    rate: int
    ids: list[str]
    wav: list[str]
    samples: np.ndarray[Any, np.dtype[np.int64]]
    source: list[str]


def dump_audio(
    data: Path,
    out: Path,
    *,
    rate: int = 16_000,
    audio_format: Literal["flac", "ark"] = "flac",
    speeds: Sequence[float] = (1.0,),
    prefix: str = "",
    channel: int | None = None,
    workers: int | None = None,
    part_utterances: int = 500,
) -> None:
    """Write every utterance of ``data`` to ``out``, 16 bits at ``rate`` Hz, once for each of ``speeds``.

    Ids are ``<prefix><id>``; those of copies begin with sp0.9- or so; speakers likewise. ``flac`` makes a
    file for each utterance, ``ark`` one for each ``part_utterances``, which kaldiio reads.
    ``channel`` chooses one of several, -1 mixes them. ``workers`` are processes, as many as cores if None.
    A run that was stopped goes on where it was. Raises DataError, naming the utterance, for audio that
    cannot be read or has not the length that utt2dur says.
    """
    options = DumpOptions(rate, audio_format, tuple(map(float, speeds)), prefix, channel)
    workers = len(os.sched_getaffinity(0)) if workers is None else workers
    _check_options(options, workers, part_utterances)
    made_by = {"step": "dump_audio", "data": data, "checksum_of_tables": _checksum(data)}
    made_by |= {**asdict(options), "part_utterances": part_utterances}
    if is_made(out, made_by):
        logger.info("%s is there already", out)
        return
    utterances = _count_utterances(data, options)
    with _dump_directory(out, made_by) as folder:
        if not read_info(folder)["counts"]:
            parts = _list_parts(data, folder / "audio", part_utterances)
            with Progress(out, utterances) as progress:
                write_parts(parts, options, workers=workers, progress=progress)
            written = _write_tables(folder, out, options, utterances)
            write_info(folder, made_by, counts=written, parents=[data])
    counts = read_info(out)["counts"]
    assert isinstance(counts, dict)
    told = (f"{count:,} {what.replace('_', ' ')}" for what, count in counts.items())
    logger.info("%s: %s", out, ", ".join(told))


def read_dump(out: Path) -> DumpIndex:
    """Read the tables of a dump. Raises DataError when they do not agree or lack utterances."""
    info = read_info(out)
    made_by, counts = info.get("made_by"), info.get("counts")
    if not isinstance(made_by, dict) or not isinstance(counts, dict) or "copies" not in counts:
        raise DataError(f"{out} is no audio dump; make one with stage 6")
    paths = [out / name for name in ("wav.scp", "utt2num_samples", "utt2source")]
    rows = list(join_tables(paths))
    if len(rows) != counts["copies"]:
        found = f"{out} has {len(rows):,} utterances, {counts['copies']:,} were written"
        raise DataError(f"{found}; remove it and run stage 6 again")
    return DumpIndex(
        rate=int(made_by["rate"]),
        ids=[utterance for utterance, _ in rows],
        wav=[wav for _, (wav, _, _) in rows],
        samples=np.array(
            [_samples(length, paths[1], utterance) for utterance, (_, length, _) in rows], np.int64
        ),
        source=[source for _, (_, _, source) in rows],
    )


def _samples(length: str, path: Path, utterance: str) -> int:
    if not (length.isascii() and length.isdigit() and int(length)):
        raise DataError(f"{path}: {utterance} has {length!r}, no number of samples; run stage 6 again")
    return int(length)


def _check_options(options: DumpOptions, workers: int, part_utterances: int) -> None:
    if not 1_000 <= options.rate <= 192_000:
        raise ConfigError(f"a rate of {options.rate} Hz; give 1,000 to 192,000, usually 16,000")
    if options.audio_format not in ("flac", "ark"):
        raise ConfigError(f"the format {options.audio_format!r} is not known; give flac or ark")
    if not options.speeds or len(set(options.speeds)) < len(options.speeds):
        raise ConfigError(f"the speeds {list(options.speeds)}; give one or more, each once")
    for speed in options.speeds:
        if not 0.5 <= speed <= 2 or Fraction(str(speed)).denominator > 100:
            raise ConfigError(
                f"the speed {speed}; give numbers like 0.9, from 0.5 to 2, with two decimals at most"
            )
    if options.prefix and (options.prefix.split() != [options.prefix] or not options.prefix.isprintable()):
        raise ConfigError(f"{options.prefix!r} cannot begin an id; give letters and digits")
    if workers < 1 or part_utterances < 1:
        raise ConfigError(
            f"{workers} workers, {part_utterances} utterances in a part; give 1 or more of both"
        )


def _checksum(data: Path) -> str:
    """Identify what a speech data directory lists, for a dump goes on only with the same."""
    total = hashlib.blake2b(digest_size=16)
    for name in ("wav.scp", "segments", "utt2spk", "utt2dur"):
        path = data / name
        if path.is_file():
            with open(path, "rb") as file:
                total.update(f"{name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()


def _count_utterances(data: Path, options: DumpOptions) -> int:
    """Count the utterances; raise DataError when one could be taken for a copy of another."""
    reserved = tuple(filter(None, map(speed_prefix, options.speeds)))
    count = 0
    for count, utterance in enumerate(read_utterances(data), 1):  # noqa: B007
        if (options.prefix + utterance.id).startswith(reserved):
            raise DataError(
                f"{data}: the id {options.prefix}{utterance.id} is one of a copy at another speed; "
                "dump the original utterances, or give a prefix"
            )
    return count


def _list_parts(data: Path, audio: Path, part_utterances: int) -> Iterator[Part]:
    for number, utterances in enumerate(batched(read_utterances(data), part_utterances)):
        yield audio / f"{number:05d}", utterances


@contextmanager
def _dump_directory(out: Path, made_by: dict[str, object]) -> Iterator[Path]:
    """Make the directory that becomes ``out``, or go on in that of a run that was stopped."""
    with unfinished_directory(out) as folder:
        (folder / "audio").mkdir(exist_ok=True)
        if not info_path(folder).exists():
            write_info(folder, made_by)
        assert is_made(folder, made_by)
        try:
            remove_half_written(folder / "audio")
            yield folder
        finally:
            remove_half_written(folder / "audio")
        for rows in folder.glob("audio/*/*.rows"):  # they are in the tables now
            rows.unlink()


def _write_tables(folder: Path, out: Path, options: DumpOptions, utterances: int) -> dict[str, int]:
    """Merge the rows of all parts and speeds; return the number of copies, of samples and of clipped ones."""
    counts = Counter(copies=0, samples=0, clipped_samples=0)

    def rows() -> Iterator[JoinedRow]:
        streams = [_read_rows(folder, speed) for speed in options.speeds]
        for part, row in heapq.merge(*streams, key=lambda found: found[1].id):
            counts.update(copies=1, samples=row.samples, clipped_samples=row.clipped)
            wav = str(out.absolute() / "audio" / part.name / row.file)
            seconds = f"{row.samples / options.rate:.3f}"
            yield row.id, (wav, seconds, str(row.samples), row.source, row.speaker)

    write_tables([folder / name for name in DUMP_TABLES], rows())
    if counts["copies"] != utterances * len(options.speeds):
        found = f"{folder}: {counts['copies']:,} copies of {utterances:,} utterances"
        raise DataError(f"{found}, {len(options.speeds)} of each were written; remove it and run again")
    return {"utterances": utterances, **counts}


def _read_rows(folder: Path, speed: float) -> Iterator[tuple[Path, DumpRow]]:
    for part in sorted((folder / "audio").iterdir()):
        for row in read_part(part, speed):
            yield part, row
