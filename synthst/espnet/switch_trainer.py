"""Train with targets that change on the way."""

import argparse
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import synthst.espnet.lean  # noqa: F401

# isort: split
from espnet2.iterators.abs_iter_factory import AbsIterFactory
from espnet2.train.distributed_utils import DistributedOption
from espnet2.train.reporter import aggregate
from espnet2.utils.build_dataclass import build_dataclass
from espnet2.utils.nested_dict_action import NestedDictAction

from synthst.espnet.course import AFTER_SWITCH, valid_losses
from synthst.espnet.dev_bleu import DevBleu
from synthst.espnet.measuring_trainer import MeasuringOptions, MeasuringTrainer, add_dev_bleu
from synthst.espnet.switch import Restart, Switch
from synthst.espnet.switch_batches import SwitchedBatches
from synthst.espnet.task import ResumableTrainer, TokenMTTask

logger = logging.getLogger(__name__)

BEFORE_SWITCH = 1e3  # what checkpoints that are not to be chosen are worse


@dataclass
class SwitchTrainerOptions(MeasuringOptions):
    """ESPnet's options and ours."""

    src_lang: str


class SwitchTrainer(MeasuringTrainer):
    """Train in stretches that end where BLEU is measured, or where the targets change."""

    batches: SwitchedBatches | None = None

    @classmethod
    def build_options(cls, args: argparse.Namespace) -> SwitchTrainerOptions:
        """Take the options from ESPnet's arguments."""
        options: SwitchTrainerOptions = build_dataclass(SwitchTrainerOptions, args)
        return options

    @classmethod
    def run(cls, *, trainer_options: Any, **parts: Any) -> None:
        """Find the batches that change, then train."""
        batches = parts["train_iter_factory"]
        cls.batches = batches if isinstance(batches, SwitchedBatches) else None
        super().run(trainer_options=trainer_options, **parts)

    @classmethod
    def read_dev(cls, options: Any) -> DevBleu:
        """Read the development set."""
        tokenizer = Path(options.output_dir) / "tgt.model"
        langs = {"src": options.src_lang, "tgt": options.tgt_lang}
        return DevBleu(Path(options.valid_tokens), **langs, tokenizer=tokenizer)

    @classmethod
    def resume(cls, checkpoint: str | Path, model: Any, reporter: Any, **parts: Any) -> None:
        """Load the checkpoint, and the losses that decide about a plateau."""
        ResumableTrainer.resume(checkpoint, model, reporter, **parts)
        if cls.batches:
            cls.batches.valid_losses = valid_losses(reporter.stats)

    @classmethod
    def other_stops(cls, first: int, last: int) -> set[int]:
        """Stop where the targets change."""
        switch = cls.batches.step if cls.batches else None
        return {switch} if switch and first < switch < last else set()

    @classmethod
    def begin(cls, step: int, parts: dict[str, Any]) -> None:
        """Restart what is to be restarted before the first step with the other targets."""
        if cls.batches is None or step != cls.batches.step:
            return
        switch = cls.batches.switch
        logger.info("after step %d: targets of %s, restarting %s", step, switch.tokens, switch.restart)
        restart(switch.restart, parts["optimizers"], parts["schedulers"], steps_done=step)

    @classmethod
    def targets(cls, options: Any, step: int) -> Path:
        """Return the tokens that were learnt from in ``step``."""
        switched = cls.batches is not None and cls.batches.step is not None and step > cls.batches.step
        return Path(cls.batches.switch.tokens if cls.batches and switched else options.train_tokens)

    @classmethod
    def scores(cls, reporter: Any, options: Any) -> dict[str, float]:
        """Tell checkpoints before the switch from those after it."""
        scores = super().scores(reporter, options)
        if cls.batches is None:
            return scores
        loss, epoch, step = float(aggregate(reporter.stats["loss"])), reporter.get_epoch(), cls.batches.step
        cls.batches.valid_losses = [*cls.batches.valid_losses[: epoch - 1], loss]
        end = epoch * options.batches_per_epoch // options.batches_per_step
        worse = 0.0 if step is not None and end > step else BEFORE_SWITCH
        after = {"loss": loss + worse, **{name: score - worse for name, score in scores.items()}}
        return {**scores, **{name + AFTER_SWITCH: score for name, score in after.items()}}


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


class SwitchTask(TokenMTTask):
    """The task of token arrays, with targets that change."""

    trainer = SwitchTrainer

    @classmethod
    def add_task_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Add the switch, and where BLEU is measured."""
        super().add_task_arguments(parser)
        add_dev_bleu(parser)
        group = parser.add_argument_group("Switching targets")
        group.add_argument("--switch", action=NestedDictAction, default={}, help="fields of Switch")

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
