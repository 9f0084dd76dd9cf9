"""Speech data directories with recordings that are tones."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import soundfile

from synthst.tables import write_table

RATE = 8_000


def write_tone(path: Path, seconds: float, *, rate: int = RATE, channels: int = 1) -> str:
    """Write a tone of 440 Hz, in two channels the second upside down; return the path as wav.scp has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)
    soundfile.write(path, np.stack([tone, -tone][:channels], axis=1), rate)
    return str(path)


def write_speech(
    directory: Path,
    seconds: Mapping[str, float],
    *,
    texts: Mapping[str, str] | None = None,
    tgt: bool = False,
    durations: bool = True,
) -> Path:
    """Write a speech data directory with text.en, and text.de if ``tgt``; every utterance is a file."""
    directory.mkdir(parents=True)
    names = sorted(seconds)
    texts = texts or {name: f"say {name}" for name in names}
    wavs = {name: write_tone(directory / "audio" / f"{name}.wav", seconds[name]) for name in names}
    write_table(directory / "text.en", ((name, texts[name]) for name in names))
    if tgt:
        write_table(directory / "text.de", ((name, f"sag {name}") for name in names))
    write_table(directory / "wav.scp", wavs.items())
    write_table(directory / "utt2spk", ((name, f"spk_{name[0]}") for name in names))
    if durations:
        write_table(directory / "utt2dur", ((name, f"{seconds[name]:.3f}") for name in names))
    return directory


def write_segments(directory: Path, segments: Mapping[str, str], wavs: Mapping[str, str]) -> Path:
    """Write a speech data directory with segments, values as in the table, of recordings."""
    directory.mkdir(parents=True)
    names = sorted(segments)
    write_table(directory / "text.en", ((name, f"say {name}") for name in names))
    write_table(directory / "segments", ((name, segments[name]) for name in names))
    write_table(directory / "utt2spk", ((name, f"spk_{name[0]}") for name in names))
    write_table(directory / "wav.scp", sorted(wavs.items()))
    return directory


def read(path: Path) -> str:
    """Read a file of the result."""
    return path.read_bytes().decode("utf-8")
