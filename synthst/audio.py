"""Read recordings by their value in wav.scp: a file, a command that ends in ``|``, or a place in an ark.

A path is relative to the working directory, as in Kaldi. A command is a line of bash, run with pipefail, that
writes one wav or flac file: so a wav.scp with commands is a program, and should be as trusted as one.
"""

import math
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Never

import kaldiio.matio
import numpy as np
import soundfile
import soxr

from synthst.errors import DataError

Samples = np.ndarray[Any, np.dtype[np.float32]]

ROUNDING_SECONDS = 0.005  # times with two decimals may be this much beyond the end
_ARK = re.compile(r"(.+):([0-9]+)")
_AUDIO_IN_ARK = (b"RIFF", b"AUDIO")  # kaldiio would also unpickle, and read matrices


@dataclass(frozen=True)
class AudioInfo:
    """What a recording's header says: ``rate`` in Hz, and the samples of each channel."""

    rate: int
    channels: int
    samples: int

    @property
    def seconds(self) -> float:
        """The length in seconds."""
        return self.samples / self.rate


class AudioError(DataError):
    """A recording, or a part of it, cannot be used; ``reason`` is one word to count it by."""

    def __init__(self, message: str, reason: str = "unreadable") -> None:
        super().__init__(message)  # pickling calls with this alone, and then sets the reason
        self.reason = reason


class Recording:
    """A recording that is open; made by `open_recording`."""

    def __init__(self, wav: str, info: AudioInfo, read_frames: Callable[[int, int], Samples]) -> None:
        """Take what reads frames: from the first and the number of them to an array (frames, channels)."""
        self.wav, self.info, self._read_frames = wav, info, read_frames

    def read(
        self, *, start: float | None = None, end: float | None = None, channel: int | None = None
    ) -> Samples:
        """Read the samples, float32 (samples,), from ``start`` to ``end`` in seconds.

        ``channel`` counts from 0, and -1 is the average of all. Raises AudioError when there are several and
        none is chosen, for times outside the recording, no sample at all, and samples that are not finite.
        """
        first, last = self.span(start, end)
        frames = self._read_frames(first, last - first)
        if len(frames) != last - first:
            found = f"the header says {self.info.samples:,} samples, but they end at {first + len(frames):,}"
            _refuse(self.wav, "unreadable", found, "the file was cut short: make or copy it again")
        samples = self._one_channel(frames, channel)
        if not np.isfinite(samples).all():
            count = int(np.count_nonzero(~np.isfinite(samples)))
            found = f"{count:,} of {len(samples):,} samples are NaN or infinite"
            _refuse(self.wav, "not_finite", found, "make it again")
        return samples

    def span(self, start: float | None, end: float | None) -> tuple[int, int]:
        """Turn times in seconds into the first sample and the one after the last.

        None is the beginning, or the end. Raises AudioError for times outside the recording.
        """
        begin, stop = start or 0.0, self.info.seconds if end is None else end
        if max(begin, stop) > self.info.seconds + ROUNDING_SECONDS:
            found = f"the segment {begin} to {stop} s is beyond its end at {self.info.seconds:.3f} s"
            _refuse(self.wav, "beyond_end", found, "correct the times or drop the segment")
        first, last = (round(time * self.info.rate) if math.isfinite(time) else -1 for time in (begin, stop))
        last = min(last, self.info.samples)
        if not 0 <= first < last:
            found = f"no sample between {begin} and {stop} s"
            _refuse(self.wav, "zero_length", found, "give other times or drop the segment")
        return first, last

    def _one_channel(self, frames: Samples, channel: int | None) -> Samples:
        channels = self.info.channels
        if channel is None and channels > 1:
            remedy = "choose one with --channel 0, 1, ..., or mix them with --channel -1"
            _refuse(self.wav, "stereo", f"{channels} channels, one was wanted", remedy)
        if channel is not None and not -1 <= channel < channels:
            found = f"{channels} channels, there is no channel {channel}"
            _refuse(self.wav, "no_such_channel", found, f"choose 0 to {channels - 1}, or -1 to mix them")
        chosen = frames.mean(axis=1) if channel == -1 else frames[:, channel or 0]
        return np.ascontiguousarray(chosen, dtype=np.float32)


@contextmanager
def open_recording(wav: str) -> Iterator[Recording]:
    """Open a recording, in order to read several parts of it.

    Raises AudioError when it is missing, is no audio, or has no sample; a command must succeed.
    """
    with ExitStack() as stack:
        if wav.endswith("|"):
            recording = _open_audio(wav, BytesIO(_run(wav)), stack)
        elif match := _ARK.fullmatch(wav):
            recording = _open_ark(wav, Path(match[1]), int(match[2]))
        else:
            _check_file(wav, Path(wav))
            recording = _open_audio(wav, wav, stack)
        if not recording.info.samples:
            _refuse(wav, "zero_length", "no sample, its length is zero", "make it again or drop it")
        yield recording


def audio_info(wav: str) -> AudioInfo:
    """Read rate, channels and length: of a file only the header, while a command is run and an ark read.

    Raises AudioError as `open_recording`.
    """
    with open_recording(wav) as recording:
        return recording.info


def read_audio(
    wav: str,
    *,
    start: float | None = None,
    end: float | None = None,
    rate: int | None = None,
    channel: int | None = None,
) -> tuple[Samples, int]:
    """Read one channel of a recording, or of a part of it: samples float32 (samples,), and their rate in Hz.

    They are resampled to ``rate``, if given. Otherwise as `Recording.read`.
    """
    with open_recording(wav) as recording:
        samples = recording.read(start=start, end=end, channel=channel)
        found = recording.info.rate
    if rate is None or rate == found:
        return samples, found
    return resample(samples, found, rate), rate


def resample(samples: Samples, rate: int, new_rate: int) -> Samples:
    """Resample (samples,) from ``rate`` to ``new_rate`` in Hz, at soxr's high quality."""
    resampled: Samples = soxr.resample(samples, rate, new_rate, quality="HQ")
    return resampled


def _open_audio(wav: str, source: str | BinaryIO, stack: ExitStack) -> Recording:
    """Open a file that libsndfile reads: wav, flac, ogg, mp3, ..."""
    try:
        file = stack.enter_context(soundfile.SoundFile(source))
    except (soundfile.SoundFileError, TypeError) as error:  # TypeError: raw samples, by the file's name
        found = f"no audio that can be read ({_reason(error)})"
        _refuse(wav, "unreadable", found, "give a wav or flac file")

    def read_frames(first: int, frames: int) -> Samples:
        try:
            file.seek(first)
            samples: Samples = file.read(frames, dtype="float32", always_2d=True)
        except soundfile.SoundFileError as error:
            found = f"samples cannot be read ({_reason(error)})"
            _refuse(wav, "unreadable", found, "make or copy it again")
        return samples

    return Recording(wav, AudioInfo(file.samplerate, file.channels, file.frames), read_frames)


def _open_ark(wav: str, ark: Path, offset: int) -> Recording:
    """Read the audio at a place of an ark."""
    _check_file(wav, ark)
    with open(ark, "rb") as file:
        file.seek(offset)
        if not file.read(5).startswith(_AUDIO_IN_ARK):
            _refuse(wav, "unreadable", f"no audio at byte {offset:,}", "write the ark and its scp again")
        file.seek(offset)
        try:
            rate, stored = kaldiio.matio.read_kaldi(file)
        except Exception as error:  # kaldiio raises whatever struct, wave and soundfile raise
            found = f"no audio that can be read ({error!r})"
            _refuse(wav, "unreadable", found, "write the ark and its scp again")
    frames = _to_float(stored).reshape(len(stored), -1)
    info = AudioInfo(int(rate), frames.shape[1], len(frames))
    return Recording(wav, info, lambda first, count: frames[first : first + count])


def _to_float(stored: Any) -> Samples:
    """Scale integers to [-1, 1), as libsndfile does."""
    samples: Samples = stored.astype(np.float32)
    if stored.dtype == np.uint8:
        samples -= 128
    if stored.dtype.kind in "iu":
        samples *= np.float32(2.0 ** (1 - 8 * stored.dtype.itemsize))
    return samples


def _run(wav: str) -> bytes:
    """Run a command of wav.scp and return what it writes."""
    line = wav.removesuffix("|")
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line], stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    if done.returncode:
        told = done.stderr.decode("utf-8", "replace").strip()[-300:] or "it said nothing"
        found = f"the command failed with status {done.returncode}: {told}"
        _refuse(wav, "unreadable", found, "run it by hand and mend it")
    if not done.stdout:
        remedy = "it must write a wav or flac file to its standard output"
        _refuse(wav, "unreadable", "the command wrote nothing", remedy)
    return done.stdout


def _check_file(wav: str, path: Path) -> None:
    try:
        if not path.is_file():
            found = "is no file" if path.exists() else "is missing"
            _refuse(wav, "missing", f"the file {found}", "correct wav.scp, or make the file")
        with open(path, "rb") as file:
            empty = not file.read(1)
    except OSError as error:
        _refuse(wav, "unreadable", f"it cannot be read ({error.strerror})", "make it readable")
    if empty:
        _refuse(wav, "zero_length", "no byte, the file is empty", "make or copy it again")


def _reason(error: Exception) -> str:
    return str(getattr(error, "error_string", error)).rstrip(".")


def _refuse(wav: str, reason: str, found: str, remedy: str) -> Never:
    raise AudioError(f"{wav}: {found}; {remedy}", reason)
