"""Ask a recipe what a run would do: the commands of its stages, and where its model will be."""

import hashlib
import json
import os
import shlex
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

from synthst.atomic import atomic_file
from synthst.datadir import text_path
from synthst.errors import ConfigError
from synthst.experiments.cells import Cell
from synthst.testsets import decoded_path

DECODE_STAGE, SCORE_STAGE = 10, 11
WRITTEN_BY = ("--out", "--rest", "--models")  # the options whose paths a command writes to
NOTE = "planned.json"  # beside translations: the plan that they were last known to be of


@dataclass(frozen=True)
class Step:
    """The commands of one stage; ``writes`` are the paths that no other step may write to meanwhile."""

    stage: int
    commands: tuple[tuple[str, ...], ...]
    writes: frozenset[str]


@dataclass(frozen=True)
class Run:
    """A run of the recipe that one or more cells come from, differing in the test set.

    ``steps`` reach up to decoding. ``model`` is the first that is decoded, ``others`` are decoded with it:
    the teacher. ``data`` holds the test sets. ``settings`` is the SHA-256 of the steps' commands, but for
    test sets, and of the YAML files that they name: tables of one model with other test sets share it.
    """

    cells: tuple[Cell, ...]
    steps: tuple[Step, ...]
    model: Path
    others: tuple[Path, ...]
    data: Path
    tgt: str
    settings: str = ""

    @property
    def test_sets(self) -> list[str]:
        """Return the test sets that cells want, each once."""
        return list(dict.fromkeys(cell.test_set for cell in self.cells))

    def hypotheses(self, test_set: str, model: Path | None = None) -> Path:
        """Name the table of a model's translations, this run's own by default."""
        return text_path(decoded_path(model or self.model, test_set), self.tgt)

    def references(self, test_set: str) -> Path:
        """Name the table of a test set's references."""
        return text_path(self.data / test_set, self.tgt)

    def is_decoded(self) -> bool:
        """Tell whether the model has decoded every test set that is wanted, whatever the settings were."""
        return all(self.hypotheses(test_set).is_file() for test_set in self.test_sets)

    def is_finished(self) -> bool:
        """Tell whether it has, and the stages have gone through with the settings of this plan."""
        return self.is_decoded() and all(
            self._noted(test_set) == self.settings for test_set in self.test_sets
        )

    def note_finished(self) -> None:
        """Note beside the translations that the stages have gone through with these settings."""
        for test_set in self.test_sets:
            with atomic_file(self._note(test_set)) as file:
                file.write(json.dumps({"settings_sha256": self.settings}).encode())

    def _note(self, test_set: str) -> Path:
        return self.hypotheses(test_set).with_name(NOTE)

    def _noted(self, test_set: str) -> str | None:
        try:
            noted = json.loads(self._note(test_set).read_text(encoding="utf-8"))
            return str(noted["settings_sha256"])
        except (OSError, ValueError, KeyError, TypeError):
            return None


def plan_runs(recipe: Path, cells: Iterable[Cell]) -> list[Run]:
    """Group cells that differ in their test set only, and ask the recipe for the plan of each group."""
    groups: dict[tuple[tuple[str, str], ...], list[Cell]] = {}
    for cell in cells:
        groups.setdefault(cell.options, []).append(cell)
    return [plan_run(recipe, group) for group in groups.values()]


def plan_run(recipe: Path, cells: list[Cell]) -> Run:
    """Read the plan of a run from ``./run.sh --dry_run``: a line for each command, its stage before it.

    Raises ConfigError when run.sh refuses the options, or its plan has no model or no data to score.
    """
    steps: dict[int, list[tuple[str, ...]]] = {}
    for line in _dry_run(recipe, cells[0]).split("\n"):
        stage, *command = shlex.split(line) or [""]
        if command:
            steps.setdefault(int(stage), []).append(tuple(command))
    decoding, scoring = steps.get(DECODE_STAGE, []), steps.get(SCORE_STAGE, [])
    models = [path for command in decoding for path in _values(command, "--models")]
    data, tgt = (value for name in ("--data", "--tgt") for value in (_only_value(scoring, name),))
    if not models or data is None or tgt is None:
        raise ConfigError(
            f"{recipe} {shlex.join(cells[0].words)}: its plan lacks --models at stage {DECODE_STAGE}, or"
            f" --data and --tgt at stage {SCORE_STAGE}, which a table reads; see {recipe.name} --dry_run"
        )
    folder = recipe.parent
    to_run = tuple(_step(stage, steps[stage]) for stage in sorted(steps) if stage <= DECODE_STAGE)
    return Run(
        cells=tuple(cells),
        steps=to_run,
        model=folder / models[0],
        others=tuple(folder / path for path in dict.fromkeys(models[1:]) if path != models[0]),
        data=folder / data,
        tgt=tgt,
        settings=_checksum(to_run, folder),
    )


def _checksum(steps: Iterable[Step], folder: Path) -> str:
    """Return the SHA-256 of all commands but their test sets, and of the YAML files among their words."""
    digest = hashlib.sha256()
    commands = (command for step in steps for command in step.commands)
    for before, word in (pair for command in commands for pair in zip(("", *command), command, strict=False)):
        path = folder / word
        content = path.read_bytes() if word.endswith((".yaml", ".yml")) and path.is_file() else b""
        if before != "--test_sets":
            digest.update(f"{word}\0{len(content)}\0".encode(errors="surrogateescape") + content)
    return digest.hexdigest()


def _dry_run(recipe: Path, cell: Cell) -> str:
    command = [str(recipe), *cell.words, "--dry_run"]
    environment = os.environ | {"LC_ALL": "C.UTF-8"}  # bash shows other letters as codes elsewhere
    try:
        done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", check=False)
    except OSError as error:
        raise ConfigError(f"{recipe} cannot be run: {error.strerror}; make it executable") from error
    if done.returncode:
        raise ConfigError(f"{cell.place}: {shlex.join(command)} fails: {done.stderr.strip()}")
    if "$'" in done.stdout:
        raise ConfigError(f"{cell.place}: an option of {shlex.join(command)} holds a control character")
    return done.stdout


def _step(stage: int, commands: list[tuple[str, ...]]) -> Step:
    written = {value for command in commands for name in WRITTEN_BY for value in _values(command, name)}
    return Step(stage, tuple(commands), frozenset(map(os.path.normpath, written)))


def _values(command: tuple[str, ...], name: str) -> list[str]:
    """Return what follows the option ``name`` in a command; a list in YAML's writing is taken apart."""
    values = [after for word, after in zip(command, command[1:], strict=False) if word == name]
    return [item for value in values for item in _items(value)]


def _items(value: str) -> list[str]:
    if not value.startswith("["):
        return [value]
    return [str(item) for item in yaml.safe_load(value)]


def _only_value(commands: list[tuple[str, ...]], name: str) -> str | None:
    values = {value for command in commands for value in _values(command, name)}
    return values.pop() if len(values) == 1 else None
