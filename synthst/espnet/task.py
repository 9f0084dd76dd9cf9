"""ESPnet's MT task and trainer, with our batches, our loss, and checkpoints that survive a kill."""

import argparse
import logging
import os
import time
import zipfile
from collections.abc import Iterable, Iterator, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import synthst.espnet.lean  # noqa: F401

# isort: split
import torch
from espnet2.iterators.abs_iter_factory import AbsIterFactory
from espnet2.mt.espnet_model import ESPnetMTModel
from espnet2.tasks.mt import MTTask
from espnet2.train.distributed_utils import DistributedOption
from espnet2.train.reporter import aggregate
from espnet2.train.trainer import Trainer, TrainerOptions
from espnet2.utils.build_dataclass import build_dataclass
from espnet2.utils.types import str2bool

from synthst.errors import DataError
from synthst.espnet.batches import (
    BucketBy,
    BucketedDataset,
    ParallelTokens,
    TrainingBatches,
    ValidationBatches,
)
from synthst.espnet.bfloat16 import in_bfloat16
from synthst.espnet.fast import speed_up
from synthst.espnet.init import initialise_whole, write_report
from synthst.espnet.loss import SmoothedCrossEntropy
from synthst.espnet.losses import record_losses
from synthst.espnet.team import Batch, Team, take_shares
from synthst.tokens import read_tokens

logger = logging.getLogger(__name__)

SEEDS_APART = 1_000_003  # more than a training has epochs, by which ESPnet counts its seed up


@dataclass
class ResumableOptions(TrainerOptions):  # type: ignore[misc]  # espnet2 has no types
    """ESPnet's options and ours."""

    batches_per_step: int


class ResumableTrainer(Trainer):  # type: ignore[misc]  # espnet2 has no types
    """ESPnet's trainer, which resumes wherever it was killed: on a CPU to the same result.

    On a GPU the order of some sums is not fixed, so no two trainings give the same to the last digit.

    ESPnet writes ``checkpoint.pth`` in place: a kill in that moment leaves half a file. Here the last whole
    checkpoint is renamed to ``resume.pth`` before the next one is written.
    """

    started = 0.0
    first_epoch = 0

    @classmethod
    def build_options(cls, args: argparse.Namespace) -> ResumableOptions:
        """Take the options from ESPnet's arguments."""
        options: ResumableOptions = build_dataclass(ResumableOptions, args)
        return options

    @classmethod
    def run(cls, *, trainer_options: Any, **parts: Any) -> None:
        """Choose the newest whole checkpoint, then train as ESPnet does."""
        if is_first_process():
            restore_checkpoint(Path(trainer_options.output_dir))
        if torch.distributed.is_initialized():
            torch.distributed.barrier()
            trainer_options.seed += torch.distributed.get_rank() * SEEDS_APART  # each its own dropout
        cls.started, cls.first_epoch = time.monotonic(), 0
        super().run(trainer_options=trainer_options, **parts)

    @staticmethod
    def resume(checkpoint: str | Path, model: Any, reporter: Any, **parts: Any) -> None:
        """Load ESPnet's checkpoint, and write its epoch's model file again, which may be cut off."""
        Trainer.resume(checkpoint=checkpoint, model=model, reporter=reporter, **parts)
        if is_first_process():
            path = Path(checkpoint).parent / f"{reporter.get_epoch()}epoch.pth"
            save_whole(model.state_dict(), path)
            logger.info("%s: going on after validation %d", path.parent, reporter.get_epoch())

    @classmethod
    def train_one_epoch(cls, *, options: Any, **parts: Any) -> bool:
        """Set the last whole checkpoint aside, train, then keep the loss of every batch."""
        output = Path(options.output_dir)
        if is_first_process() and is_whole(output / "checkpoint.pth"):
            os.replace(output / "checkpoint.pth", output / "resume.pth")
        if torch.distributed.is_initialized():
            parts["iterator"] = SynchronisingBatches(parts["iterator"], parts["model"], options.accum_grad)
        scaler = parts.pop("scaler")
        with in_bfloat16(parts["model"], enabled=scaler is not None):
            all_steps_are_invalid = bool(super().train_one_epoch(options=options, scaler=None, **parts))
        if is_first_process():
            at_a_time = options.batches_per_step // options.accum_grad
            reporter = parts["reporter"]
            record_losses(output, reporter.get_epoch(), reporter.stats, batches_at_a_time=at_a_time)
        return all_steps_are_invalid

    @classmethod
    def validate_one_epoch(cls, *, reporter: Any, options: Any, **parts: Any) -> None:
        """Validate, then log one line with the loss and the time left."""
        super().validate_one_epoch(reporter=reporter, options=options, **parts)
        epoch = reporter.get_epoch()
        cls.first_epoch = cls.first_epoch or epoch
        seconds = (time.monotonic() - cls.started) / (epoch - cls.first_epoch + 1)
        logger.info(
            "validation %d of %d: loss %.3f, %.0f s each, %.0f s to go",
            epoch,
            options.max_epoch,
            float(aggregate(reporter.stats["loss"])),
            seconds,
            seconds * (options.max_epoch - epoch),
        )


class SynchronisingBatches:
    """Hand batches on, and let processes add up their gradients after the last batch of a step only."""

    def __init__(self, batches: Sized, model: Any, accumulate: int) -> None:
        """Take an epoch's batches and torch's DistributedDataParallel."""
        self.batches, self.model, self.accumulate = batches, model, accumulate

    def __len__(self) -> int:
        """Return the number of batches."""
        return len(self.batches)

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches; what is set here is what DistributedDataParallel.no_sync() sets."""
        for number, batch in enumerate(cast("Iterable[Batch]", self.batches), 1):
            self.model.require_backward_grad_sync = number % self.accumulate == 0
            yield batch


def is_first_process() -> bool:
    """Tell whether this process writes the files: the only one, or the first of several."""
    return not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0


def restore_checkpoint(folder: Path) -> None:
    """Leave the newest whole checkpoint as ``checkpoint.pth``, and none when there is no whole one."""
    newest, before = folder / "checkpoint.pth", folder / "resume.pth"
    if is_whole(newest):
        return
    if newest.exists():
        logger.warning("%s is cut off, going on from the checkpoint before it", newest)
        newest.unlink()
    if before.exists():
        os.replace(before, newest)


def is_whole(checkpoint: Path) -> bool:
    """Tell whether torch finished writing ``checkpoint``: its zip directory comes last."""
    return checkpoint.exists() and zipfile.is_zipfile(checkpoint)


def save_whole(states: dict[str, Any], path: Path) -> None:
    """Write a torch file under a temporary name, then rename it."""
    temporary = path.with_name(f".{path.name}.tmp")
    torch.save(states, temporary)
    os.replace(temporary, path)


def load_weights(model: torch.nn.Module, weights: Path) -> None:
    """Load every tensor, strictly, and no code; raises DataError that names the tensors that do not fit."""
    try:
        states = torch.load(weights, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises nearly anything for a file that is none of its own
        found = f"{type(error).__name__}: {error}".splitlines()[0]
        raise DataError(
            f"{weights}: cannot be read as weights, it may be cut off; copy or train it again ({found})"
        ) from error
    try:
        model.load_state_dict(states, strict=True)
    except Exception as error:  # nearly anything, for what is no dictionary of tensors
        raise DataError(f"{weights}: does not fit the model that was configured: {error}") from error


def build_batches(
    dataset: BucketedDataset,
    args: argparse.Namespace,
    distributed: DistributedOption,
    mode: str,
    *,
    batch_tokens: int,
    bucket_by: BucketBy = "src",
) -> AbsIterFactory:
    """Return the batches of ``mode`` ("train" or "valid") for this process."""
    team = Team(distributed.dist_rank or 0, distributed.dist_world_size or 1, args.batches_per_step)
    if mode != "train":
        return ValidationBatches(dataset, batch_tokens=batch_tokens, team=team)
    return TrainingBatches(
        dataset,
        batch_tokens=batch_tokens,
        bucket_by=bucket_by,
        steps_per_epoch=args.batches_per_epoch,
        max_steps=args.max_batches,
        seed=args.seed,
        workers=args.num_workers,
        pin_memory=args.ngpu > 0,
        team=team,
    )


def add_batch_arguments(group: Any) -> None:
    """Add what of the batches text and speech have in common."""
    group.add_argument("--batches_per_epoch", type=int, help="of all processes together")
    group.add_argument("--batches_per_step", type=int, default=1, help="of all processes together")
    group.add_argument("--max_batches", type=int, help="of all processes together")
    group.add_argument("--cpu_bfloat16", type=str2bool, default=False, help="autocast on a CPU")


def scale_embeddings(model: torch.nn.Module) -> None:
    """Draw the embeddings from N(0, 1 / width).

    ESPnet draws them from N(0, 1) and multiplies by sqrt(width), which drowns the positions; this is what
    that factor is meant for (Vaswani et al. 2017, section 3.4).
    """
    for module in model.modules():
        if isinstance(module, torch.nn.Embedding):
            torch.nn.init.normal_(module.weight, std=module.embedding_dim**-0.5)


class TokenMTTask(MTTask):  # type: ignore[misc]
    """ESPnet's MT task on memory-mapped token arrays."""

    trainer = ResumableTrainer

    @classmethod
    def add_task_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Add where the token arrays are, and what a batch is."""
        super().add_task_arguments(parser)
        group = parser.add_argument_group("Token arrays")
        group.add_argument("--train_tokens", help="directory of the training set's token arrays")
        group.add_argument("--valid_tokens", help="directory of the validation set's token arrays")
        group.add_argument("--src_lang")
        group.add_argument("--tgt_lang")
        group.add_argument("--batch_tokens", type=int, help="source positions in a batch, padding included")
        group.add_argument("--bucket_by", default="src", choices=["src", "both"])
        add_batch_arguments(group)
        group.add_argument("--init_weights", help="file of the weights to begin with, every tensor of them")
        group.add_argument("--label_smoothing", type=float, default=0.1)

    @classmethod
    def build_model(cls, args: argparse.Namespace) -> ESPnetMTModel:
        """Build ESPnet's model; replace its loss, and scale its embeddings."""
        model = super().build_model(args)
        smoothing = getattr(args, "label_smoothing", None)
        if smoothing is not None:  # a model that ESPnet itself trained keeps its own loss
            model.criterion_mt = SmoothedCrossEntropy(model.vocab_size, smoothing, model.ignore_id)
            speed_up(model)
        if getattr(args, "cpu_bfloat16", False):  # the trainer's own autocast is for GPUs only
            model.forward = torch.autocast("cpu", torch.bfloat16)(model.forward)
        take_shares(model)
        scale_embeddings(model)
        return model

    @classmethod
    def build_optimizers(cls, args: argparse.Namespace, model: ESPnetMTModel) -> list[torch.optim.Optimizer]:
        """Load the weights to begin with, which ESPnet asks for no other time than before training."""
        if args.init_weights:
            report = initialise_whole(model, Path(args.init_weights))
            if is_first_process():
                write_report(report, Path(args.output_dir))
        optimizers: list[torch.optim.Optimizer] = super().build_optimizers(args, model)
        return optimizers

    @classmethod
    def build_iter_factory(
        cls,
        args: argparse.Namespace,
        distributed_option: DistributedOption,
        mode: str,
        kwargs: dict[str, Any] | None = None,
    ) -> AbsIterFactory:
        """Return the batches of ``mode`` ("train" or "valid")."""
        folder = Path(args.train_tokens if mode == "train" else args.valid_tokens)
        dataset = ParallelTokens(read_tokens(folder, args.src_lang), read_tokens(folder, args.tgt_lang))
        return build_batches(
            dataset, args, distributed_option, mode, batch_tokens=args.batch_tokens, bucket_by=args.bucket_by
        )
