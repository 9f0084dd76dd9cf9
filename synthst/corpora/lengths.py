"""Read how long recordings are, in several processes when there are many of them."""

import os
from collections.abc import Sequence

from synthst.audio import AudioError, audio_info
from synthst.processes import forked_pool

FEW = 1_000  # so many are read sooner than processes are started


def read_lengths(wavs: Sequence[str]) -> list[float | AudioError]:
    """Return the seconds of each recording, or why it cannot be used: it is missing, empty or no audio."""
    workers = len(os.sched_getaffinity(0))
    if len(wavs) < FEW or workers == 1:
        return [_read_length(wav) for wav in wavs]
    with forked_pool(workers) as pool:
        return list(pool.map(_read_length, wavs, chunksize=100))


def _read_length(wav: str) -> float | AudioError:
    try:
        return audio_info(wav).seconds
    except AudioError as error:
        return error
