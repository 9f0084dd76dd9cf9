"""Read the audio of a dump."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from synthst.audio import read_audio
from synthst.dump import DumpIndex


def read_utterances(dump: DumpIndex) -> Iterator[tuple[str, np.ndarray[Any, np.dtype[np.float32]]]]:
    """Yield (id, samples) for every utterance."""
    for utterance, wav in zip(dump.ids, dump.wav, strict=True):
        yield utterance, read_audio(wav, rate=dump.rate)[0]
