"""Write one part of an audio dump, some utterances at every speed, whole or not at all."""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from itertools import count, groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal, NamedTuple

import kaldiio
import numpy as np
import soundfile

from synthst.atomic import unwritable
from synthst.audio import Recording, Samples, open_recording, resample
from synthst.errors import DataError
from synthst.speechdir import Utterance
from synthst.tables import read_table, write_table
from synthst.unfinished import sync_folder

Pcm = np.ndarray[Any, np.dtype[np.int16]]

TOLERANCE_SECONDS = 0.1  # how far utt2dur may be from what the audio has


@dataclass(frozen=True)
class DumpOptions:
    """How audio is written: one rate in Hz, one format, and a copy of every utterance at each speed."""

    rate: int
    audio_format: Literal["flac", "ark"]
    speeds: tuple[float, ...]
    prefix: str
    channel: int | None


class DumpRow(NamedTuple):
    """An utterance of a dump; ``file`` is relative to the folder of its part, with ``:offset`` in an ark."""

    id: str
    file: str
    samples: int
    source: str
    speaker: str
    clipped: int


def speed_prefix(speed: float) -> str:
    """Return what the ids and speakers of a copy begin with, nothing for the original speed."""
    return "" if speed == 1 else f"sp{speed:g}-"


def write_part(part: Path, utterances: Sequence[Utterance], options: DumpOptions) -> None:
    """Write audio and rows of ``utterances`` to the folder ``part``, which appears when it is complete.

    Raises DataError for audio that cannot be read and for a full disk; then nothing is left.
    """
    temporary = part.with_name(f".{part.name}.tmp")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        rows = list(_write_audio(temporary, utterances, options))
        for index, speed in enumerate(options.speeds):
            copies = sorted(rows[index :: len(options.speeds)])
            write_table(_rows_path(temporary, speed), ((row.id, json.dumps(row[1:])) for row in copies))
        sync_folder(temporary)
        temporary.rename(part)
        sync_folder(part.parent)
    except OSError as error:
        raise unwritable(part, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def read_part(part: Path, speed: float) -> Iterator[DumpRow]:
    """Read the rows of one speed, in byte order of their ids."""
    for utterance, value in read_table(_rows_path(part, speed)):
        yield DumpRow(utterance, *json.loads(value))


def _rows_path(part: Path, speed: float) -> Path:
    """Name the table of a part that lists the utterances at one speed."""
    return part / f"{speed:g}.rows"


def to_pcm(samples: Samples) -> tuple[Pcm, int]:
    """Round to 16 bits, which gives 16-bit audio back unchanged; count what resampling made too loud."""
    scaled = np.rint(samples * np.float32(32768))
    clipped = np.count_nonzero(np.abs(scaled) > 32768)
    return np.clip(scaled, -32768, 32767).astype(np.int16), int(clipped)


def encode_flac(pcm: Pcm, rate: int) -> bytes:
    """Compress (samples,) to a FLAC file of 16 bits."""
    content = BytesIO()  # libsndfile does not tell why it could not write; Python does
    soundfile.write(content, pcm, rate, format="FLAC", subtype="PCM_16")
    return content.getvalue()


def _write_audio(part: Path, utterances: Sequence[Utterance], options: DumpOptions) -> Iterator[DumpRow]:
    """Read each recording once and write its utterances."""
    by_recording = groupby(sorted(utterances, key=attrgetter("wav", "id")), key=attrgetter("wav"))
    with _open_writer(part, options) as writer:
        for wav, group in by_recording:
            for utterance, samples in _read_utterances(wav, list(group), options):
                yield from _write_copies(writer, utterance, samples, options)


def _read_utterances(
    wav: str, utterances: Sequence[Utterance], options: DumpOptions
) -> Iterator[tuple[Utterance, Samples]]:
    """Read utterances of one recording: each with its samples at the rate that is wanted."""
    done = 0
    try:
        with open_recording(wav) as recording:
            for utterance in utterances:
                samples = recording.read(start=utterance.start, end=utterance.end, channel=options.channel)
                _check_length(utterance, len(samples) / recording.info.rate)
                yield utterance, _at_rate(samples, recording, options.rate)
                done += 1
    except DataError as error:
        raise DataError(f"{utterances[done].id}: {error}") from error


def _at_rate(samples: Samples, recording: Recording, rate: int) -> Samples:
    found = recording.info.rate
    return samples if found == rate else resample(samples, found, rate)


def _check_length(utterance: Utterance, seconds: float) -> None:
    """Raise DataError for audio that was cut short, or is of another utterance."""
    if utterance.seconds is not None and abs(utterance.seconds - seconds) > TOLERANCE_SECONDS:
        raise DataError(
            f"{utterance.wav} gives {seconds:.3f} s, utt2dur says {utterance.seconds:.3f}; "
            "copy the audio again if it was cut short, or correct utt2dur"
        )


def _write_copies(
    writer: "_FlacWriter | _ArkWriter", utterance: Utterance, samples: Samples, options: DumpOptions
) -> Iterator[DumpRow]:
    source = options.prefix + utterance.id
    for speed in options.speeds:
        pcm, clipped = to_pcm(_change_speed(samples, speed))
        copy, speaker = (
            speed_prefix(speed) + source,
            f"{speed_prefix(speed)}{options.prefix}{utterance.speaker}",
        )
        yield DumpRow(copy, writer.write(copy, pcm), len(pcm), source, speaker, clipped)


def _change_speed(samples: Samples, speed: float) -> Samples:
    if speed == 1:
        return samples
    from synthst.speed import change_speed  # torch takes seconds to import, and most dumps do without

    return change_speed(samples, speed)


@contextmanager
def _open_writer(part: Path, options: DumpOptions) -> "Iterator[_FlacWriter | _ArkWriter]":
    if options.audio_format == "flac":
        yield _FlacWriter(part, options.rate)
        return
    with open(part / _ArkWriter.NAME, "wb") as file:
        yield _ArkWriter(file, options.rate)
        file.flush()
        os.fsync(file.fileno())


class _FlacWriter:
    """Write each utterance to a numbered file, for an id may be no file name."""

    def __init__(self, folder: Path, rate: int) -> None:
        self._folder, self._rate, self._numbers = folder, rate, count()

    def write(self, utterance: str, pcm: Pcm) -> str:
        """Write ``pcm`` and return the name of its file."""
        name = f"{next(self._numbers):05d}.flac"
        with open(self._folder / name, "wb") as file:
            file.write(encode_flac(pcm, self._rate))
            file.flush()
            os.fsync(file.fileno())
        return name


class _ArkWriter:
    """Append utterances to one ark, as FLAC in kaldiio's way."""

    NAME = "audio.ark"

    def __init__(self, file: Any, rate: int) -> None:
        self._file, self._rate = file, rate

    def write(self, utterance: str, pcm: Pcm) -> str:
        """Append ``pcm`` and return its place."""
        content = BytesIO()
        audio = {utterance: (self._rate, pcm)}
        kaldiio.save_ark(content, audio, write_function="soundfile", write_kwargs={"format": "flac"})
        offset = self._file.tell() + len(utterance.encode()) + 1
        self._file.write(content.getbuffer())
        return f"{self.NAME}:{offset}"
