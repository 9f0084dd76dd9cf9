"""The cells of an experiment at one preset, and the runs of the recipe that they come from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from synthst.errors import ConfigError
from synthst.experiments.definition import Entry, Experiment, Options

DEFAULT_TEST_SET = "test"


class Place(NamedTuple):
    """Where a score stands, by name; ``seed`` is None where the recipe's own is taken."""

    row: str
    column: str
    system: str
    seed: int | None

    def __str__(self) -> str:
        told = f"{self.row}, {self.column}, {self.system}"
        return told if self.seed is None else f"{told}, seed {self.seed}"


@dataclass(frozen=True)
class Cell:
    """One score: where it stands, the options of run.sh that lead to it, and the test set that it is of."""

    place: Place
    options: tuple[tuple[str, str], ...]
    test_set: str

    @property
    def words(self) -> list[str]:
        """Return the options as words of a command line."""
        return [word for name, value in self.options for word in (f"--{name}", value)]


def list_cells(
    experiment: Experiment,
    *,
    preset: str,
    seeds: Sequence[int | None],
    options: Mapping[str, str],
    workdir: str,
) -> list[Cell]:
    """List the cells row by row; ``options`` are given to every run, over the experiment's own.

    Raises ConfigError when an axis is empty at this preset, or two entries of one cell set the same option.
    """
    axes = {axis: experiment.at(axis, preset) for axis in ("rows", "columns", "systems")}
    if empty := [axis for axis, entries in axes.items() if not entries]:
        raise ConfigError(f"{experiment.name} has no {' and no '.join(empty)} at --preset {preset}")
    shared = {"preset": preset, "workdir": workdir}
    cells = []
    for row in axes["rows"]:
        for column in axes["columns"]:
            for system in axes["systems"]:
                made = merge_options(experiment, (row, column, system), options)
                test_set = choose_test_set(experiment, (row, column, system))
                for seed in seeds:
                    seeded = {} if seed is None else {"seed": str(seed)}
                    place = Place(row.name, column.name, system.name, seed)
                    cells.append(Cell(place, tuple((shared | made | seeded).items()), test_set))
    return cells


def merge_options(experiment: Experiment, entries: Sequence[Entry], given: Mapping[str, str]) -> Options:
    """Return the options of one cell: the experiment's, overridden by its entries' and by those given."""
    merged, setters = dict(experiment.options), dict[str, str]()
    for setter, options in [(entry.name, entry.options) for entry in entries] + [("--options", dict(given))]:
        for name, value in options.items():
            if name in setters:
                told = f"{setters[name]!r} and {setter!r} both set {name} of a cell"
                raise ConfigError(f"{experiment.name}: {told}; let one of them do it")
            merged[name], setters[name] = value, setter
    return merged


def choose_test_set(experiment: Experiment, entries: Sequence[Entry]) -> str:
    """Return the test set that one of a cell's entries names, or "test"."""
    named = [entry.test_set for entry in entries if entry.test_set is not None]
    if len(named) > 1:
        told = f"a cell has the test sets {' and '.join(named)}"
        raise ConfigError(f"{experiment.name}: {told}; let rows, columns or systems name them")
    return named[0] if named else DEFAULT_TEST_SET
