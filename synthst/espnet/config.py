"""The settings of a model and of its training; the defaults are the paper's where it states them."""

from dataclasses import dataclass
from typing import Literal

from synthst.errors import ConfigError
from synthst.espnet.tracking import TrackingConfig


@dataclass(frozen=True)
class ModelConfig:
    """A Transformer's shape (the paper's appendix: width 512, pre-LayerNorm; only the depth varies)."""

    encoder_layers: int = 6
    decoder_layers: int = 6
    width: int = 512
    feedforward: int = 2048
    heads: int = 8
    dropout: float = 0.1
    attention_dropout: float = 0.1
    """On the attention weights."""
    label_smoothing: float = 0.1
    tied_embeddings: bool = False
    """One matrix for the decoder's input and output, and the encoder's input if the vocabulary is shared."""

    def __post_init__(self) -> None:
        """Refuse shapes that cannot be built."""
        for name in ("encoder_layers", "decoder_layers", "width", "feedforward", "heads"):
            if getattr(self, name) < 1:
                raise ConfigError(f"model.{name} must be at least 1, not {getattr(self, name)}")
        for name in ("dropout", "attention_dropout", "label_smoothing"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"model.{name} must be in [0, 1), not {getattr(self, name)}")
        if self.width % self.heads:
            raise ConfigError(f"model.width {self.width} is no multiple of model.heads {self.heads}")


@dataclass(frozen=True)
class ScheduleConfig:
    """How long and how fast to train; the paper states lr 0.001 and 150,000 steps on 16 GPUs only."""

    max_steps: int = 150_000
    """Optimiser steps."""
    accumulate: int = 1
    """Batches that one optimiser step is cut into: one after the other, to save memory, or trained on by
    several processes at a time: 16 are one for each of 16 GPUs, as in the paper, or four for each of 4."""
    learning_rate: float = 1e-3
    min_learning_rate: float = 1e-5
    warmup_steps: int = 4_000
    clip_norm: float = 1.0
    validate_every: int = 1_000
    """Steps between two validations, each of which writes a checkpoint."""
    average_best: int = 5
    """Checkpoints with the lowest validation loss whose weights are averaged."""
    seed: int = 1
    workers: int = 1
    """Processes that make the batches; they do not change the batches. 0: the training process itself."""
    bfloat16: bool | Literal["auto"] = False
    """Matrix products in bfloat16, all else in float32; auto: where the hardware has them."""
    tracking: TrackingConfig = TrackingConfig()  # noqa: RUF009 (frozen)
    """Where the curves are shown; of no influence on the result."""

    def __post_init__(self) -> None:
        """Refuse schedules that cannot run."""
        if not 0 < self.warmup_steps < self.max_steps:
            raise ConfigError(
                f"training.warmup_steps {self.warmup_steps} must be above 0 and below "
                f"training.max_steps {self.max_steps}"
            )
        for name in ("accumulate", "validate_every", "average_best"):
            if getattr(self, name) < 1:
                raise ConfigError(f"training.{name} must be at least 1, not {getattr(self, name)}")

    @property
    def epochs(self) -> int:
        """Return the number of ESPnet epochs: the stretches between two validations."""
        return -(-self.max_steps // self.validate_every)


@dataclass(frozen=True)
class TrainingConfig(ScheduleConfig):
    """How to train on text."""

    batch_tokens: int = 12_000
    """Positions, padding included, in one optimiser step: of the source, or see ``bucket_by``."""
    bucket_by: Literal["src", "both"] = "src"
    """Batches of like source lengths, the same for all targets; or of like lengths on both sides, with less
    padding, counting the longer side."""

    def __post_init__(self) -> None:
        """Refuse what cannot run."""
        super().__post_init__()
        if self.batch_tokens < 1:
            raise ConfigError(f"training.batch_tokens must be at least 1, not {self.batch_tokens}")

    @property
    def tokens_per_batch(self) -> int:
        """Return the positions of one of the batches that a step is cut into."""
        return -(-self.batch_tokens // self.accumulate)
