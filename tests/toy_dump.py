"""Speech data directories of tones, and what a dump of them holds."""

from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from synthst.tables import read_table, write_table

RATE = 16_000


def tone(
    samples: int, *, rate: int = RATE, hertz: float = 440.0, loudness: float = 0.5
) -> np.ndarray[Any, Any]:
    """Make 16-bit samples (samples,) of a sine."""
    wave = np.sin(2 * np.pi * hertz * np.arange(samples) / rate)
    return np.round(loudness * 32767 * wave).astype(np.int16)


def make_data(folder: Path, lengths: list[int], *, rate: int = RATE, hertz: float = 440.0) -> Path:
    """Make a speech data directory of tones: u00 spoken by s0, u01 by s1, u02 by s0, ..."""
    data = folder / "data"
    data.mkdir()
    ids = [f"u{number:02d}" for number in range(len(lengths))]
    for utterance, length in zip(ids, lengths, strict=True):
        soundfile.write(folder / f"{utterance}.wav", tone(length, rate=rate, hertz=hertz), rate)
    write_table(data / "wav.scp", ((utterance, str(folder / f"{utterance}.wav")) for utterance in ids))
    write_table(data / "utt2spk", ((utterance, f"s{number % 2}") for number, utterance in enumerate(ids)))
    durations = (f"{length / rate:.3f}" for length in lengths)
    write_table(data / "utt2dur", zip(ids, durations, strict=True))
    write_table(data / "text.en", ((utterance, "la") for utterance in ids))
    return data


def table(out: Path, name: str) -> dict[str, str]:
    return dict(read_table(out / name))


def tree(out: Path) -> dict[str, bytes]:
    """Return what a dump holds, but for its own path and info.json, which tells the command."""
    paths = sorted(path for path in out.rglob("*") if path.is_file() and path.name != "info.json")
    own = str(out.absolute()).encode()
    return {str(path.relative_to(out)): path.read_bytes().replace(own, b"OUT") for path in paths}
