"""Change the speed of speech by resampling, as sox's speed: the pitch moves with it."""

from fractions import Fraction
from functools import cache
from typing import Any

import torch
import torchaudio

from synthst.audio import Samples


def change_speed(samples: Samples, speed: float) -> Samples:
    """Return (samples,) played ``speed`` times as fast: ceil(samples / speed) samples at the same rate."""
    with torch.inference_mode():
        changed: Samples = _resampler(speed)(torch.from_numpy(samples)).numpy()
    return changed


def use_one_thread() -> None:
    """Let this process, one of several, compute on one core only."""
    torch.set_num_threads(1)


@cache
def _resampler(speed: float) -> Any:
    """Make torchaudio's resampler, which holds its kernel; the decimal fraction is taken as it is written."""
    ratio = Fraction(str(speed))
    return torchaudio.transforms.Resample(ratio.numerator, ratio.denominator)
