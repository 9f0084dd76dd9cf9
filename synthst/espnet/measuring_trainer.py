"""Measure BLEU on the development set as a model learns, and choose its checkpoints by it."""

import argparse
import dataclasses
import itertools
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import synthst.espnet.lean  # noqa: F401

# isort: split
from espnet2.utils.build_dataclass import build_dataclass
from espnet2.utils.nested_dict_action import NestedDictAction

from synthst.espnet.bleu_curve import CurvePoint, DevBleuConfig, record_bleu
from synthst.espnet.course import DEV_BLEU
from synthst.espnet.task import ResumableOptions, ResumableTrainer, is_first_process
from synthst.espnet.team import Batch

logger = logging.getLogger(__name__)


class DevelopmentSet(Protocol):
    """What a model in training translates."""

    def measure(self, model: Any) -> float:
        """Return the BLEU (0..100) of ``model``, which is in eval mode then."""
        ...


@dataclasses.dataclass
class MeasuringOptions(ResumableOptions):
    """ESPnet's options and ours."""

    batches_per_epoch: int
    train_tokens: str
    valid_tokens: str
    tgt_lang: str
    dev_bleu: dict[str, Any]


def add_dev_bleu(parser: argparse.ArgumentParser) -> None:
    """Add the option of where BLEU is measured."""
    group = parser.add_argument_group("BLEU on the development set")
    group.add_argument("--dev_bleu", action=NestedDictAction, default={}, help="fields of DevBleuConfig")


class MeasuringTrainer(ResumableTrainer):
    """Train in stretches that end where BLEU is measured."""

    dev: DevelopmentSet | None = None
    bleu: float | None = None  # the last one that was measured

    @classmethod
    def build_options(cls, args: argparse.Namespace) -> MeasuringOptions:
        """Take the options from ESPnet's arguments."""
        options: MeasuringOptions = build_dataclass(MeasuringOptions, args)
        return options

    @classmethod
    def run(cls, *, trainer_options: Any, **parts: Any) -> None:
        """Read the development set, then train."""
        measures = DevBleuConfig(**trainer_options.dev_bleu).is_on and is_first_process()
        cls.dev, cls.bleu = cls.read_dev(trainer_options) if measures else None, None
        super().run(trainer_options=trainer_options, **parts)

    @classmethod
    def read_dev(cls, options: Any) -> DevelopmentSet:
        """Read the development set."""
        raise NotImplementedError

    @classmethod
    def train_one_epoch(cls, *, options: Any, **parts: Any) -> bool:
        """Train up to each stop, and do there what is to be done; return whether no step was valid."""
        iterator = parts["iterator"]
        first = (parts["reporter"].get_epoch() - 1) * options.batches_per_epoch // options.batches_per_step
        last = first + len(iterator) // options.accum_grad
        measured = DevBleuConfig(**options.dev_bleu).steps(first, last)
        stops = sorted({*measured, *cls.other_stops(first, last), last})
        log_interval = options.log_interval or max(len(iterator) // 20, 10)
        stretched = dataclasses.replace(options, log_interval=log_interval)
        batches, invalid = iter(iterator), True
        for start, stop in itertools.pairwise([first, *stops]):
            cls.begin(start, parts)
            stretch = Stretch(batches, (stop - start) * options.accum_grad)
            invalid &= super().train_one_epoch(options=stretched, **{**parts, "iterator": stretch})
            if stop in measured:
                cls.measure(parts["model"], options, stop)
        return invalid

    @classmethod
    def other_stops(cls, first: int, last: int) -> set[int]:
        """Return steps between ``first`` and ``last`` to stop after besides those of measurements."""
        return set()

    @classmethod
    def begin(cls, step: int, parts: dict[str, Any]) -> None:
        """Do what is to be done before the step after ``step``, with what the trainer trains."""

    @classmethod
    def targets(cls, options: Any, step: int) -> Path:
        """Return the tokens that were learnt from in ``step``."""
        return Path(options.train_tokens)

    @classmethod
    def measure(cls, model: Any, options: Any, step: int) -> None:
        """Add the BLEU of the model as it is to dev_bleu.csv."""
        if cls.dev is None:  # another process writes
            return
        started = time.monotonic()
        cls.bleu = bleu = cls.dev.measure(getattr(model, "module", model))
        seconds = time.monotonic() - started
        logger.info("step %d: BLEU %.2f on the development set, %.1f s", step, bleu, seconds)
        record_bleu(Path(options.output_dir), CurvePoint(step, bleu, cls.targets(options, step).name))

    @classmethod
    def validate_one_epoch(cls, *, reporter: Any, options: Any, **parts: Any) -> None:
        """Validate, and add what chooses checkpoints to ESPnet's statistics."""
        super().validate_one_epoch(reporter=reporter, options=options, **parts)
        if scores := cls.scores(reporter, options):
            reporter.register(scores)
            reporter.next()

    @classmethod
    def scores(cls, reporter: Any, options: Any) -> dict[str, float]:
        """Return the BLEU of a validation if it chooses; only the first process has it, and chooses."""
        if not DevBleuConfig(**options.dev_bleu).choose:
            return {}
        return {DEV_BLEU: 0.0 if cls.bleu is None else cls.bleu}


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
