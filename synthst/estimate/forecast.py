"""Foretell rows, bytes and hours of a recipe's commands, each from those before it.

Rows are counted where a directory is there, follow from the commands where they can, and else are what the
recipe's conf/plan.yaml foretells; what is not known stays unknown, and so does what depends on it. Formulas
are in this file and in work.py, the rates in conf/rates.yaml.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from synthst.errors import DataError
from synthst.espnet.config import ModelConfig, TrainingConfig
from synthst.espnet.speech_config import SpeechModelConfig, SpeechTrainingConfig
from synthst.estimate.commands import Command
from synthst.estimate.rates import Device, Expected, Rates, find_expected, find_shape
from synthst.estimate.work import (
    SPEECH_TOKENS_PER_SECOND,
    Parts,
    frames_per_second,
    speech_parts,
    text_parts,
)
from synthst.info import info_path, read_info

FLOAT_BYTES = 4
KEPT_COPIES = 4
"""Of the weights in a finished model directory: model.pth, and checkpoint.pth with both moments of Adam."""
DEFAULT_VOCABULARY = 32_000


@dataclass(frozen=True)
class Estimate:
    """What one command will write; None is not known. ``is_there`` is it already."""

    command: Command
    out: Path | None
    rows: int | None = None
    bytes: float | None = None
    hours: float | None = None
    is_there: bool = False
    gpu_hours: float = 0.0
    """Hours times the GPUs that they are spent on."""


@dataclass
class Forecast:
    """Walk through a recipe's commands; `add` gives each one's estimate."""

    rates: Rates
    expected: Expected = field(default_factory=lambda: Expected({}, {}))
    _rows: dict[Path, int] = field(default_factory=dict)
    _vocabularies: dict[Path, int] = field(default_factory=dict)
    _models: dict[Path, Parts] = field(default_factory=dict)

    def add(self, command: Command) -> Estimate:
        """Return what a command will write and how long it will take."""
        foretell = FORETOLD.get(command.name)
        out = command.path("out")
        made = out if out is not None and out.exists() and command.name != "results" else None
        if foretell is None or out is None:
            rows, hours = self._prepared(command, out), 0.0 if made else self._translation(command)
            size = _size(made) if made or rows is None else rows * 2 * self.rates.bytes["sentence"]
            gpu_hours = hours or 0.0 if self.device(command)[0] is self.rates.gpu else 0.0
            return Estimate(command, out, rows, size, hours, bool(made), gpu_hours)
        estimate = foretell(self, command, out)
        if made is not None and command.name != "decode":
            return Estimate(command, out, estimate.rows, _size(made), 0.0, is_there=True)
        return estimate

    def rows(self, directory: Path | None) -> int | None:
        """Return the rows of a data directory: counted, reckoned before, or foretold."""
        if directory is None:
            return None
        counted = count_rows(directory)
        if counted is not None:
            return counted
        known = self._rows.get(directory)
        return known if known is not None else find_expected(self.expected.rows, directory)

    def device(self, command: Command) -> tuple[Device, int]:
        """Return what a command computes on, and how many of them."""
        ngpu = int(command.settings.get("ngpu") or 0) * int(command.settings.get("num_nodes") or 1)
        return (self.rates.gpu, ngpu) if ngpu else (self.rates.cpu, 1)

    def keep(
        self, command: Command, out: Path, rows: int | None, size: float, *, read: int | None = None
    ) -> Estimate:
        """Remember the rows of a data directory, the recipe's own number first; ``size`` is bytes a row.

        Time goes by the rows that the command has to ``read``, as many as it writes unless they are told.
        """
        foretold = find_expected(self.expected.rows, out)
        rows = rows if foretold is None else foretold
        if rows is not None:
            self._rows.setdefault(out, rows)
        speed, read = self.rates.rows_per_second.get(command.name), rows if read is None else read
        hours = read / speed / 3600 if read is not None and speed else None
        return Estimate(command, out, rows, None if rows is None else rows * size, hours)

    def _prepared(self, command: Command, out: Path | None) -> int | None:
        """Return the rows of a directory, or the training pairs of a corpus of several sets, as they come."""
        several = out is not None and command.name.startswith("prepare_")
        places = [out / "raw", out / "train", out] if out is not None and several else [out]
        return next((rows for place in places if (rows := self.rows(place)) is not None), None)

    def _translation(self, command: Command) -> float | None:
        """Return the hours in which known models translate test sets of known size."""
        data, hours = command.path("data"), 0.0
        if command.name != "translate_sets" or data is None:
            return None
        for model in command.paths("models"):
            for name in command.paths("test_sets"):
                rows, parts = self.rows(data / name), self._models.get(model)
                if rows is None or parts is None:
                    return None
                hours += self._search_hours(command, parts, rows, processes=1)
        return hours

    def _search_hours(self, command: Command, parts: Parts, rows: int, processes: int | None = None) -> float:
        device, _ = self.device(command)
        count = processes or int(command.settings.get("ngpu") or 0) or 1
        length = self.rates.tokens_per_sentence
        beam = int((command.settings.get("search") or {}).get("beam", 4))
        return rows * parts.decode_flops(length, length, beam) / device.decode_flops / count / 3600

    def _subset(self, command: Command, out: Path) -> Estimate:
        total, size = self.rows(command.path("data")), command.settings.get("size", "all")
        rows = total if size == "all" else min(int(size), total or int(size))
        rest = command.path("rest")
        if rest is not None and rows is not None and total is not None and total > rows:
            most = command.settings.get("max_rest") or total
            self._rows.setdefault(rest, min(total - rows, int(most)))
        return self.keep(command, out, rows, 2 * self.rates.bytes["sentence"], read=total)

    def _sum(self, command: Command, out: Path) -> Estimate:
        parents = [
            path for name in ("parents", "pairs", "base", "extra", "data") for path in command.paths(name)
        ]
        counts = [self.rows(path) for path in parents]
        rows = None if None in counts else sum(count for count in counts if count is not None)
        return self.keep(command, out, rows, 2 * self.rates.bytes["sentence"], read=rows)

    def _tokens(self, command: Command, out: Path) -> Estimate:
        langs = len(command.settings.get("langs") or [1, 2])
        rows = self.rows(command.path("data"))
        return self.keep(command, out, rows, langs * self.rates.bytes["tokens_row"])

    def _dump(self, command: Command, out: Path) -> Estimate:
        rows, speeds = self.rows(command.path("data")), command.settings.get("speeds") or [1.0]
        second = self.rates.bytes["audio_second"] * sum(1 / float(speed) for speed in speeds)
        seconds = find_expected(self.expected.seconds, command.path("data") or Path())
        return self.keep(command, out, rows, second * (seconds or self.rates.seconds_per_utterance))

    def _tokenizers(self, command: Command, out: Path) -> Estimate:
        self._vocabularies[out] = int(command.settings.get("vocabulary_size", DEFAULT_VOCABULARY))
        return Estimate(command, out)

    def _vocabulary(self, command: Command) -> int:
        tokenizers = command.path("tokenizers")
        return self._vocabularies.get(tokenizers or Path(), DEFAULT_VOCABULARY)

    def _train(self, command: Command, out: Path) -> Estimate:
        training = command.configured("training", TrainingConfig)
        parts = text_parts(command.configured("model", ModelConfig), self._vocabulary(command))
        flops = parts.train_flops(training.batch_tokens, training.batch_tokens) * training.max_steps
        return self._trained(command, out, parts, flops)

    def _train_speech(self, command: Command, out: Path) -> Estimate:
        training = command.configured("training", SpeechTrainingConfig)
        model = command.configured("model", SpeechModelConfig)
        parts, seconds = speech_parts(model, self._vocabulary(command)), training.batch_seconds
        work = parts.train_flops(seconds * frames_per_second(model), seconds * SPEECH_TOKENS_PER_SECOND)
        return self._trained(command, out, parts, work * training.max_steps)

    def _trained(self, command: Command, out: Path, parts: Parts, flops: float) -> Estimate:
        self._models[out] = parts
        device, count = self.device(command)
        size = KEPT_COPIES * FLOAT_BYTES * parts.parameters
        hours = flops / device.train_flops / count / 3600
        gpu_hours = count * hours if device is self.rates.gpu else 0.0
        return Estimate(command, out, None, size, hours, gpu_hours=gpu_hours)

    def _teacher(self, command: Command, out: Path) -> Estimate:
        if command.options.get("teacher") == "own":
            return self._train(command, out)
        if shape := find_shape(self.rates.teachers, command.options.get("teacher", "")):
            self._models[out] = text_parts(*shape)
        return Estimate(command, out, bytes=0.0, hours=0.0)  # taken as it is

    def _decode(self, command: Command, out: Path) -> Estimate:
        rows, parts = self.rows(command.path("data")), self._models.get(Path(command.options["teacher"]))
        if rows is None:
            return Estimate(command, out)
        size = rows * self.rates.bytes["stored_source"]
        if parts is None:  # a teacher taken from elsewhere, of unknown shape
            return Estimate(command, out, rows, size)
        storing = rows / self.rates.rows_per_second["decode"] / 3600
        hours = self._search_hours(command, parts, rows)
        gpu_hours = hours * int(command.settings.get("ngpu") or 0)
        return Estimate(command, out, rows, size, storing + hours, gpu_hours=gpu_hours)

    def _packed(self, command: Command, out: Path) -> Estimate:
        """Foretell a pack, of float32 weights, or an export, of int8 ones; both take seconds."""
        parts = self._models.get(command.path("model") or Path())
        weight = FLOAT_BYTES if command.name == "pack" else 1
        size = None if parts is None else weight * parts.parameters
        return Estimate(command, out, bytes=size, hours=0.0)


FORETOLD: dict[str, Callable[[Forecast, Command, Path], Estimate]] = {
    "subset": Forecast._subset,
    "filter": Forecast._sum,
    "combine": Forecast._sum,
    "combine_pairs": Forecast._sum,
    "replace_targets": Forecast._sum,
    "expand_targets": Forecast._sum,
    "expand_with_speech": Forecast._sum,
    "tokens": Forecast._tokens,
    "dump": Forecast._dump,
    "train_tokenizers": Forecast._tokenizers,
    "train": Forecast._train,
    "teacher": Forecast._teacher,
    "train_recogniser": Forecast._train_speech,
    "train_speech": Forecast._train_speech,
    "decode": Forecast._decode,
    "pack": Forecast._packed,
    "export": Forecast._packed,
}


def count_rows(directory: Path) -> int | None:
    """Return the rows that a data directory's info.json counts; None when it is not there."""
    if not info_path(directory).is_file():
        return None
    try:
        counts = read_info(directory).get("counts")
    except DataError:
        return None
    if not isinstance(counts, dict):
        return None
    found = [counts[key] for key in ("rows", "kept") if isinstance(counts.get(key), int)]
    return found[0] + int(counts.get("base", 0)) if found else None


def _size(path: Path | None) -> float | None:
    if path is None:
        return None
    files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    return float(sum(one.stat().st_size for one in files))
