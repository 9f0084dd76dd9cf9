"""Train a speech model whose encoder may be frozen at first and may learn more slowly than its decoder."""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import synthst.espnet.lean  # noqa: F401

# isort: split
import torch
from espnet2.schedulers.abs_scheduler import AbsScheduler
from espnet2.schedulers.exponential_decay_warmup import ExponentialDecayWarmup
from espnet2.tasks.abs_task import scheduler_classes
from espnet2.utils.build_dataclass import build_dataclass
from torch.utils.data import DataLoader

from synthst.espnet.measuring_trainer import MeasuringOptions, MeasuringTrainer
from synthst.espnet.speech_dev_bleu import SpokenDevBleu
from synthst.espnet.team import Batch


class WarmupByGroup(ExponentialDecayWarmup):  # type: ignore[misc]  # espnet2 has no types
    """ESPnet's schedule, times the ``learning_rate_factor`` of a group of parameters that has one."""

    def get_lr(self) -> list[float]:
        """Return the learning rate of every group; ESPnet's own are all the same."""
        factors = [group.get("learning_rate_factor", 1.0) for group in self.optimizer.param_groups]
        return [rate * factor for rate, factor in zip(super().get_lr(), factors, strict=True)]


scheduler_classes["warmupbygroup"] = WarmupByGroup  # where ESPnet looks a scheduler's name up


def split_encoder(
    optimizer: torch.optim.Optimizer, encoder: torch.nn.Module, factor: float
) -> torch.optim.Optimizer:
    """Make the encoder's parameters a group of their own, with ``factor`` times the learning rate."""
    (group,) = optimizer.param_groups
    inside = {id(parameter) for parameter in encoder.parameters()}
    encoders = [parameter for parameter in group["params"] if id(parameter) in inside]
    group["params"] = [parameter for parameter in group["params"] if id(parameter) not in inside]
    optimizer.add_param_group({"params": encoders, "learning_rate_factor": factor})
    return optimizer


@dataclass
class SpeechTrainerOptions(MeasuringOptions):
    """ESPnet's options and ours."""

    valid_audio: list[str]
    frozen_steps: int


class SpeechTrainer(MeasuringTrainer):
    """Keep the encoder as it was for the first ``frozen_steps`` optimiser steps."""

    @classmethod
    def build_options(cls, args: argparse.Namespace) -> SpeechTrainerOptions:
        """Take the options from ESPnet's arguments."""
        options: SpeechTrainerOptions = build_dataclass(SpeechTrainerOptions, args)
        return options

    @classmethod
    def read_dev(cls, options: Any) -> SpokenDevBleu:
        """Read the development set."""
        tokenizer, audio = Path(options.output_dir) / "tgt.model", list(map(Path, options.valid_audio))
        return SpokenDevBleu(Path(options.valid_tokens), audio, tgt=options.tgt_lang, tokenizer=tokenizer)

    @classmethod
    def train_one_epoch(cls, *, options: Any, **parts: Any) -> bool:
        """Train on batches before each of which the encoder is frozen or set free."""
        encoder = getattr(parts["model"], "module", parts["model"]).encoder
        batches = FreezingBatches(parts["iterator"], encoder, parts["schedulers"][0], options.frozen_steps)
        return super().train_one_epoch(options=options, **{**parts, "iterator": batches})


class FreezingBatches:
    """Hand batches on, with the encoder frozen while the scheduler has seen fewer than ``frozen_steps``.

    The scheduler counts optimiser steps and is part of every checkpoint: a resumed training freezes alike.
    """

    def __init__(
        self, batches: DataLoader[Batch], encoder: torch.nn.Module, scheduler: AbsScheduler, frozen_steps: int
    ) -> None:
        """Take an epoch's batches."""
        self.batches, self.encoder, self.scheduler = batches, encoder, scheduler
        self.frozen_steps = frozen_steps

    def __len__(self) -> int:
        """Return the number of batches."""
        return len(self.batches)

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches."""
        for batch in self.batches:
            set_frozen(self.encoder, self.scheduler.last_epoch < self.frozen_steps)
            yield batch


def set_frozen(encoder: torch.nn.Module, frozen: bool) -> None:
    """Freeze an encoder, or set it free to learn.

    Frozen it computes as in recognition: no gradients, no dropout, and the batch normalisation of its
    convolutions neither uses the batch's statistics nor updates the running ones.
    """
    encoder.requires_grad_(not frozen)
    encoder.train(not frozen)
