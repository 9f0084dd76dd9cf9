"""Train with targets that change on the way, and measure BLEU on the development set as the model learns."""

import argparse
import dataclasses
import itertools
import logging
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import synthst.espnet.lean  # noqa: F401

# isort: split
from espnet2.iterators.abs_iter_factory import AbsIterFactory
from espnet2.train.distributed_utils import DistributedOption
from espnet2.train.reporter import aggregate
from espnet2.utils.build_dataclass import build_dataclass
from espnet2.utils.nested_dict_action import NestedDictAction

from synthst.espnet.bleu_curve import CurvePoint, DevBleuConfig, record_bleu
from synthst.espnet.course import AFTER_SWITCH, DEV_BLEU, valid_losses
from synthst.espnet.dev_bleu import DevBleu
from synthst.espnet.switch import Restart, Switch
from synthst.espnet.switch_batches import SwitchedBatches
from synthst.espnet.task import ResumableOptions, ResumableTrainer, TokenMTTask, is_first_process
from synthst.espnet.team import Batch

logger = logging.getLogger(__name__)

BEFORE_SWITCH = 1e3  # what checkpoints that are not to be chosen are worse


@dataclasses.dataclass
class SwitchTrainerOptions(ResumableOptions):
    """ESPnet's options and ours."""

    batches_per_epoch: int
    train_tokens: str
    valid_tokens: str
    src_lang: str
    tgt_lang: str
    dev_bleu: dict[str, Any]


class SwitchTrainer(ResumableTrainer):
    """Train in stretches that end where BLEU is measured, or where the targets change."""

    batches: SwitchedBatches | None = None
    dev: DevBleu | None = None
    bleu: float | None = None  # the last one that was measured

    @classmethod
    def build_options(cls, args: argparse.Namespace) -> SwitchTrainerOptions:
        """Take the options from ESPnet's arguments."""
        options: SwitchTrainerOptions = build_dataclass(SwitchTrainerOptions, args)
        return options

    @classmethod
    def run(cls, *, trainer_options: Any, **parts: Any) -> None:
        """Read the development set, then train."""
        batches = parts["train_iter_factory"]
        cls.batches = batches if isinstance(batches, SwitchedBatches) else None
        cls.dev = read_dev(trainer_options) if is_first_process() else None
        super().run(trainer_options=trainer_options, **parts)

    @classmethod
    def resume(cls, checkpoint: str | Path, model: Any, reporter: Any, **parts: Any) -> None:
        """Load the checkpoint, and the losses that decide about a plateau."""
        ResumableTrainer.resume(checkpoint, model, reporter, **parts)
        if cls.batches:
            cls.batches.valid_losses = valid_losses(reporter.stats)

    @classmethod
    def train_one_epoch(cls, *, options: Any, **parts: Any) -> bool:
        """Train up to each stop, and do there what is to be done; return whether no step was valid."""
        iterator = parts["iterator"]
        first = (parts["reporter"].get_epoch() - 1) * options.batches_per_epoch // options.batches_per_step
        last = first + len(iterator) // options.accum_grad
        switch = cls.batches.step if cls.batches else None
        measured = DevBleuConfig(**options.dev_bleu).steps(first, last)
        stops = sorted({*measured, last, *([switch] if switch and first < switch < last else [])})
        log_interval = options.log_interval or max(len(iterator) // 20, 10)
        stretched = dataclasses.replace(options, log_interval=log_interval)
        batches, invalid = iter(iterator), True
        for start, stop in itertools.pairwise([first, *stops]):
            if start == switch:
                cls.begin_switched(parts["optimizers"], parts["schedulers"])
            stretch = Stretch(batches, (stop - start) * options.accum_grad)
            invalid &= super().train_one_epoch(options=stretched, **{**parts, "iterator": stretch})
            if stop in measured:
                cls.measure(parts["model"], options, stop, switched=switch is not None and stop > switch)
        return invalid

    @classmethod
    def begin_switched(cls, optimizers: Sequence[Any], schedulers: Sequence[Any]) -> None:
        """Restart what is to be restarted before the first step with the other targets."""
        assert cls.batches and cls.batches.step is not None
        switch, step = cls.batches.switch, cls.batches.step
        logger.info("after step %d: targets of %s, restarting %s", step, switch.tokens, switch.restart)
        restart(switch.restart, optimizers, schedulers, steps_done=step)

    @classmethod
    def measure(cls, model: Any, options: Any, step: int, *, switched: bool) -> None:
        """Add the BLEU of the model as it is to dev_bleu.csv."""
        if cls.dev is None:  # another process writes
            return
        started = time.monotonic()
        cls.bleu = bleu = cls.dev.measure(getattr(model, "module", model))
        seconds = time.monotonic() - started
        logger.info("step %d: BLEU %.2f on the development set, %.1f s", step, bleu, seconds)
        tokens = cls.batches.switch.tokens if cls.batches and switched else options.train_tokens
        record_bleu(Path(options.output_dir), CurvePoint(step, bleu, Path(tokens).name))

    @classmethod
    def validate_one_epoch(cls, *, reporter: Any, options: Any, **parts: Any) -> None:
        """Validate, and tell checkpoints before the switch from those after it."""
        super().validate_one_epoch(reporter=reporter, options=options, **parts)
        loss, epoch = float(aggregate(reporter.stats["loss"])), reporter.get_epoch()
        scores = {}
        if DevBleuConfig(**options.dev_bleu).choose:  # only the first process has it, and chooses
            scores[DEV_BLEU] = 0.0 if cls.bleu is None else cls.bleu
        if cls.batches:
            step, end = cls.batches.step, epoch * options.batches_per_epoch // options.batches_per_step
            worse = 0.0 if step is not None and end > step else BEFORE_SWITCH
            after = {"loss": loss + worse, **{name: score - worse for name, score in scores.items()}}
            scores |= {name + AFTER_SWITCH: score for name, score in after.items()}
            cls.batches.valid_losses = [*cls.batches.valid_losses[: epoch - 1], loss]
        if scores:
            reporter.register(scores)
            reporter.next()


class Stretch:
    """The next ``length`` batches of an iterator."""

    def __init__(self, batches: Iterator[tuple[Any, Any]], length: int) -> None:
        """Take nothing from the iterator yet."""
        self.batches, self.length = batches, length

    def __len__(self) -> int:
        """Return the number of batches."""
        return self.length

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches."""
        return itertools.islice(self.batches, self.length)


def restart(what: Restart, optimizers: Sequence[Any], schedulers: Sequence[Any], *, steps_done: int) -> None:
    """Forget the optimisers' moments, or begin the schedules again for the steps that are left."""
    for optimizer in optimizers:
        if what in ("optimiser", "both"):
            optimizer.state.clear()
    for scheduler in schedulers:
        if what in ("schedule", "both"):
            scheduler.total_steps -= steps_done
            scheduler.last_epoch = 0
            scheduler.init_lr()


def read_dev(options: SwitchTrainerOptions) -> DevBleu | None:
    """Read the development set if BLEU is to be measured on it."""
    if not DevBleuConfig(**options.dev_bleu).is_on:
        return None
    tokenizer = Path(options.output_dir) / "tgt.model"
    return DevBleu(
        Path(options.valid_tokens), src=options.src_lang, tgt=options.tgt_lang, tokenizer=tokenizer
    )


class SwitchTask(TokenMTTask):
    """The task of token arrays, with targets that change."""

    trainer = SwitchTrainer

    @classmethod
    def add_task_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Add the switch, and where BLEU is measured."""
        super().add_task_arguments(parser)
        group = parser.add_argument_group("Switching targets")
        group.add_argument("--switch", action=NestedDictAction, default={}, help="fields of Switch")
        group.add_argument("--dev_bleu", action=NestedDictAction, default={}, help="fields of DevBleuConfig")

    @classmethod
    def build_iter_factory(
        cls,
        args: argparse.Namespace,
        distributed_option: DistributedOption,
        mode: str,
        kwargs: dict[str, Any] | None = None,
    ) -> AbsIterFactory:
        """Return the batches of ``mode`` ("train" or "valid")."""
        before = super().build_iter_factory(args, distributed_option, mode, kwargs)
        if mode != "train" or not args.switch:
            return before
        switch = Switch(**args.switch)
        other = argparse.Namespace(**{**vars(args), "train_tokens": switch.tokens})
        after = super().build_iter_factory(other, distributed_option, mode, kwargs)
        return SwitchedBatches(before, after, switch, accumulate=args.batches_per_step)
