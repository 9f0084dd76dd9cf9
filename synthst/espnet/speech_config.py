"""The settings of recognisers and speech translators; the defaults are the paper's where it states them."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from synthst.errors import ConfigError
from synthst.espnet.config import ScheduleConfig


@dataclass(frozen=True)
class SpeechModelConfig:
    """A Conformer encoder on log-mel features and a Transformer decoder (the paper: 17 and 6 layers)."""

    encoder_layers: int = 17
    decoder_layers: int = 6
    width: int = 512
    feedforward: int = 2048
    heads: int = 8
    kernel: int = 31
    """Frames under each convolution, odd."""
    subsampling: Literal[4, 8] = 4
    """Frames of the features for one of the encoder's."""
    subsampling_channels: int | None = None
    """Channels of the convolutions that subsample, ``width`` if not given. On a CPU these take most of the
    time: 64 channels instead of 256 make them eight times faster."""
    mels: int = 80
    window_ms: int = 25
    hop_ms: int = 10
    normalisation: Literal["utterance", "utterance_mean", "recogniser"] = "utterance"
    """Of the features: to mean 0 and variance 1 in every utterance; to mean 0 only; or, if the recogniser
    that a translator begins with was trained with ESPnet's global_mvn, as that one's."""
    spec_augment: bool = True
    """Mask bands and spans of the features in training (SpecAugment, Park et al. 2019)."""
    time_warp: int = 5
    """Frames by which a point in time is moved at most; 0 for none."""
    frequency_masks: int = 2
    frequency_mask_bins: int = 27
    time_masks: int = 5
    time_mask_share: float = 0.05
    """Of the utterance, at most, under one mask."""
    dropout: float = 0.1
    attention_dropout: float = 0.1
    label_smoothing: float = 0.1
    ctc_weight: float = 0.3
    """Of the CTC loss on the transcript, the rest being the decoder's; 0 for none."""

    def __post_init__(self) -> None:
        """Refuse shapes that cannot be built."""
        sizes = ("encoder_layers", "decoder_layers", "width", "feedforward", "heads", "kernel", "mels")
        for name in (*sizes, "window_ms", "hop_ms"):
            _require(getattr(self, name) >= 1, name, "at least 1", getattr(self, name))
        for name in ("dropout", "attention_dropout", "label_smoothing", "ctc_weight", "time_mask_share"):
            _require(0 <= getattr(self, name) < 1, name, "in [0, 1)", getattr(self, name))
        for name in ("time_warp", "frequency_masks", "time_masks"):
            _require(getattr(self, name) >= 0, name, "at least 0", getattr(self, name))
        _require(self.width % self.heads == 0, "width", f"a multiple of heads = {self.heads}", self.width)
        _require(self.kernel % 2 == 1, "kernel", "odd", self.kernel)
        _require(self.subsampling in (4, 8), "subsampling", "4 or 8", self.subsampling)
        fewest = 7 if self.subsampling == 4 else 15
        _require(self.mels >= fewest, "mels", f"at least {fewest} for this subsampling", self.mels)
        _require(self.channels >= 1, "subsampling_channels", "at least 1", self.channels)
        if self.frequency_masks:
            bins = self.frequency_mask_bins
            _require(1 <= bins < self.mels, "frequency_mask_bins", f"in [1, {self.mels})", bins)

    @property
    def channels(self) -> int:
        """Return the channels of the convolutions that subsample."""
        return self.width if self.subsampling_channels is None else self.subsampling_channels

    def samples(self, milliseconds: int, rate: int) -> int:
        """Return a duration in samples at ``rate`` Hz."""
        return milliseconds * rate // 1000

    def fft_samples(self, rate: int) -> int:
        """Return the length of the Fourier transform: the first power of two that holds a window."""
        return 1 << (self.samples(self.window_ms, rate) - 1).bit_length()

    def fewest_samples(self, rate: int) -> int:
        """Return how many samples an utterance needs for one frame of the encoder's.

        The Fourier transform mirrors half its length at both ends, and so needs one sample more than that.
        """
        frames = 7 if self.subsampling == 4 else 15
        hop = self.samples(self.hop_ms, rate)
        return max((frames - 1) * hop, self.fft_samples(rate) // 2 + 1)

    def encoder_frames(self, samples: np.ndarray, rate: int) -> np.ndarray:
        """Return the encoder's frames for recordings of ``samples``, (recordings,) int64 both."""
        frames = samples // self.samples(self.hop_ms, rate) + 1
        for _ in range(2 if self.subsampling == 4 else 3):
            frames = (frames - 1) // 2
        return frames


def _require(holds: bool, name: str, wanted: str, found: object) -> None:
    if not holds:
        raise ConfigError(f"model.{name} must be {wanted}, not {found}")


@dataclass(frozen=True)
class SpeechTrainingConfig(ScheduleConfig):
    """How to train on speech."""

    batch_seconds: float = 2_000.0
    """Audio, padding included, in one optimiser step."""

    def __post_init__(self) -> None:
        """Refuse what cannot run."""
        super().__post_init__()
        if not self.batch_seconds > 0:
            raise ConfigError(f"training.batch_seconds must be above 0, not {self.batch_seconds}")

    def batch_samples(self, rate: int) -> int:
        """Return the samples, padding included, at ``rate`` Hz in one batch."""
        return max(1, round(self.batch_seconds * rate / self.accumulate))


@dataclass(frozen=True)
class InitConfig:
    """How a speech translator begins from a recogniser's encoder."""

    encoder_key: str = "encoder"
    """What the names of the encoder's tensors begin with in the recogniser's file."""
    frozen_steps: int = 0
    """Optimiser steps in which the encoder stays as the recogniser's."""
    encoder_learning_rate: float = 1.0
    """Factor of the encoder's learning rate."""

    def __post_init__(self) -> None:
        """Refuse what cannot be done."""
        if self.frozen_steps < 0:
            raise ConfigError(f"init.frozen_steps must be at least 0, not {self.frozen_steps}")
        if not self.encoder_learning_rate > 0:
            raise ConfigError(
                f"init.encoder_learning_rate must be above 0, not {self.encoder_learning_rate}; to leave the "
                "encoder as it is, set init.frozen_steps to training.max_steps"
            )
        if not self.encoder_key:
            raise ConfigError(
                "init.encoder_key is empty; it is what the encoder's tensors are called, 'encoder'"
            )
