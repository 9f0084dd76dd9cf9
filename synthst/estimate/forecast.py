"""Foretell rows, bytes and hours of a recipe's commands, each from those before it.

Rows are counted where a directory is there, follow from the commands where they can, and else are what the
recipe's conf/plan.yaml foretells; what is not known stays unknown, and so does what depends on it. Formulas
are in this file and in work.py, the rates in conf/rates.yaml.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from synthst.espnet.config import ModelConfig, TrainingConfig
from synthst.espnet.speech_config import SpeechModelConfig, SpeechTrainingConfig
from synthst.estimate.commands import Command
from synthst.estimate.directories import count_bytes, count_rows
from synthst.estimate.rates import Device, Expected, Rates, find_expected, find_shape
from synthst.estimate.work import (
    SPEECH_TOKENS_PER_SECOND,
    Parts,
    frames_per_second,
    speech_parts,
    text_parts,
)

FLOAT_BYTES = 4
KEPT_COPIES = 4
"""Of the weights in a finished model directory: model.pth, and checkpoint.pth with both moments of Adam."""
DEFAULT_VOCABULARY = 32_000
MOST_SENTENCES = 10_000_000
"""That a tokeniser is trained on, by itself."""
ENTROPY_SEARCHES = 1.5
"""Stage 12 searches, and runs the model over the references and over what it found."""


@dataclass(frozen=True)
class Model:
    """A model's matrices; ``frames`` of its encoder for a second of audio, 0 of a model of text."""

    parts: Parts
    frames: float = 0.0


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
    _seconds: dict[Path, float] = field(default_factory=dict)
    _models: dict[Path, Model] = field(default_factory=dict)

    def add(self, command: Command) -> Estimate:
        """Return what a command will write and how long it will take."""
        out = command.path("out")
        made = out if out is not None and out.exists() and command.name not in SHORT else None
        estimate = FORETOLD.get(command.name, Forecast._prepare)(self, command, out or Path())
        if made is not None and command.name != "decode":
            return Estimate(command, out, estimate.rows, count_bytes(made), 0.0, is_there=True)
        return replace(estimate, out=out)

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

    def _prepare(self, command: Command, out: Path) -> Estimate:
        """Foretell a corpus: the rows of a directory, or the training pairs of several sets, as they come."""
        places = [out / "raw", out / "train", out] if command.name.startswith("prepare_") else [out]
        rows = next((rows for place in places if (rows := self.rows(place)) is not None), None)
        speed = self.rates.rows_per_second.get(command.name)
        size = None if rows is None else rows * 2 * self.rates.bytes["sentence"]
        return Estimate(command, out, rows, size, rows / speed / 3600 if rows and speed else None)

    def _short(self, command: Command, out: Path) -> Estimate:
        return Estimate(command, out, bytes=0.0, hours=0.0)  # seconds, or a few minutes

    def _translate(self, command: Command, out: Path) -> Estimate:
        """Foretell the hours in which known models translate test sets of known size."""
        where = command.path("data") or command.path("audio") or Path()
        sets = [where / name for name in command.paths("test_sets")]
        models = [self._models.get(path) for path in command.paths("models")]
        hours = [self._set_hours(command, model, one) for model in models for one in sets]
        return self._searched(command, out, None if None in hours else sum(one or 0.0 for one in hours))

    def _entropy(self, command: Command, out: Path) -> Estimate:
        model, data = self._models.get(command.path("model") or Path()), command.path("data") or Path()
        hours = self._set_hours(command, model, command.path("audio") or data)
        return self._searched(command, out, None if hours is None else ENTROPY_SEARCHES * hours)

    def _searched(self, command: Command, out: Path, hours: float | None) -> Estimate:
        gpu_hours = hours or 0.0 if self.device(command)[0] is self.rates.gpu else 0.0
        return Estimate(command, out, bytes=0.0, hours=hours, gpu_hours=gpu_hours)

    def _set_hours(self, command: Command, model: Model | None, test_set: Path) -> float | None:
        rows = self.rows(test_set)
        if rows is None or model is None:
            return None
        return self._search_hours(command, model, rows, processes=1, test_set=test_set)

    def _search_hours(
        self, command: Command, model: Model, rows: int, *, processes: int, test_set: Path | None = None
    ) -> float:
        device, _ = self.device(command)
        length = self.rates.tokens_per_sentence
        seconds = self._seconds.get(test_set or Path(), self.rates.seconds_per_utterance)
        read, written = (
            (model.frames * seconds, SPEECH_TOKENS_PER_SECOND * seconds) if model.frames else (length, length)
        )
        beam = int((command.settings.get("search") or {}).get("beam", 4))
        return rows * model.parts.decode_flops(read, written, beam) / device.decode_flops / processes / 3600

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
        told = find_expected(self.expected.seconds, command.path("data") or Path())
        seconds = self._seconds[out] = told or self.rates.seconds_per_utterance
        written = [seconds / float(speed) for speed in speeds]
        estimate = self.keep(command, out, rows, self.rates.bytes["audio_second"] * sum(written))
        if rows is None:
            return estimate
        speed = self.rates.audio_per_second
        work = (one / speed["dump" if one == seconds else "dump_at_other_speed"] for one in written)
        return replace(estimate, hours=rows * sum(work) / 3600)

    def _restorer(self, command: Command, out: Path) -> Estimate:
        text, speed = command.path("text"), self.rates.rows_per_second.get(command.name)
        rows = self.rows(text.parent if text else None)
        return Estimate(command, out, bytes=0.0, hours=rows / speed / 3600 if rows and speed else None)

    def _tokenizers(self, command: Command, out: Path) -> Estimate:
        self._vocabularies[out] = int(command.settings.get("vocabulary_size", DEFAULT_VOCABULARY))
        rows, speed = self.rows(command.path("data")), self.rates.rows_per_second.get(command.name)
        hours = min(rows, MOST_SENTENCES) / speed / 3600 if rows and speed else None
        return Estimate(command, out, bytes=0.0, hours=hours)

    def _vocabulary(self, command: Command) -> int:
        tokenizers = command.path("tokenizers")
        return self._vocabularies.get(tokenizers or Path(), DEFAULT_VOCABULARY)

    def _train(self, command: Command, out: Path) -> Estimate:
        training = command.configured("training", TrainingConfig)
        parts = text_parts(command.configured("model", ModelConfig), self._vocabulary(command))
        flops = parts.train_flops(training.batch_tokens, training.batch_tokens) * training.max_steps
        return self._trained(command, out, Model(parts), flops)

    def _train_speech(self, command: Command, out: Path) -> Estimate:
        training = command.configured("training", SpeechTrainingConfig)
        model = command.configured("model", SpeechModelConfig)
        parts, seconds = speech_parts(model, self._vocabulary(command)), training.batch_seconds
        work = parts.train_flops(seconds * frames_per_second(model), seconds * SPEECH_TOKENS_PER_SECOND)
        return self._trained(command, out, Model(parts, frames_per_second(model)), work * training.max_steps)

    def _trained(self, command: Command, out: Path, model: Model, flops: float) -> Estimate:
        self._models[out] = model
        device, count = self.device(command)
        size = KEPT_COPIES * FLOAT_BYTES * model.parts.parameters
        hours = flops / device.train_flops / count / 3600
        gpu_hours = count * hours if device is self.rates.gpu else 0.0
        return Estimate(command, out, None, size, hours, gpu_hours=gpu_hours)

    def _teacher(self, command: Command, out: Path) -> Estimate:
        if command.options.get("teacher") == "own":
            return self._train(command, out)
        if shape := find_shape(self.rates.teachers, command.options.get("teacher", "")):
            self._models[out] = Model(text_parts(*shape))
        return Estimate(command, out, bytes=0.0, hours=0.0)  # taken as it is

    def _decode(self, command: Command, out: Path) -> Estimate:
        rows, model = self.rows(command.path("data")), self._models.get(Path(command.options["teacher"]))
        if rows is None:
            return Estimate(command, out)
        size = rows * self.rates.bytes["stored_source"]
        if model is None:  # a teacher taken from elsewhere, of unknown shape
            return Estimate(command, out, rows, size)
        storing = rows / self.rates.rows_per_second["decode"] / 3600
        ngpu = int(command.settings.get("ngpu") or 0)
        hours = self._search_hours(command, model, rows, processes=ngpu or 1)
        gpu_hours = hours * ngpu
        return Estimate(command, out, rows, size, storing + hours, gpu_hours=gpu_hours)

    def _expand_speech(self, command: Command, out: Path) -> Estimate:
        """Foretell the translation of transcripts by a known teacher, and the join."""
        joined, rows = self._sum(command, out), self.rows(command.path("extra"))
        model = self._models.get(command.path("teacher") or Path())
        if joined.hours is None or rows is None or model is None:
            return replace(joined, hours=None)
        ngpu = int(command.settings.get("ngpu") or 0)
        hours = self._search_hours(command, model, rows, processes=ngpu or 1)
        return replace(joined, hours=joined.hours + hours, gpu_hours=hours * ngpu)

    def _packed(self, command: Command, out: Path) -> Estimate:
        """Foretell a pack, of float32 weights, or an export, of int8 ones; both take seconds."""
        model = self._models.get(command.path("model") or Path())
        weight = FLOAT_BYTES if command.name == "pack" else 1
        size = None if model is None else weight * model.parts.parameters
        return Estimate(command, out, bytes=size, hours=0.0)


SHORT = ("check_sources", "resegment", "results")
FORETOLD: dict[str, Callable[[Forecast, Command, Path], Estimate]] = {
    "subset": Forecast._subset,
    "filter": Forecast._sum,
    "combine": Forecast._sum,
    "combine_pairs": Forecast._sum,
    "replace_targets": Forecast._sum,
    "expand_targets": Forecast._sum,
    "expand_with_speech": Forecast._expand_speech,
    "tokens": Forecast._tokens,
    "dump": Forecast._dump,
    "train_tokenizers": Forecast._tokenizers,
    "train_restorer": Forecast._restorer,
    "train": Forecast._train,
    "teacher": Forecast._teacher,
    "train_recogniser": Forecast._train_speech,
    "train_speech": Forecast._train_speech,
    "decode": Forecast._decode,
    "pack": Forecast._packed,
    "export": Forecast._packed,
    "translate_sets": Forecast._translate,
    "translate_speech": Forecast._translate,
    "entropy": Forecast._entropy,
    **dict.fromkeys(SHORT, Forecast._short),
}
