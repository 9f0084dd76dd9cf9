"""Read an experiment: which options of a recipe make the rows, columns and systems of a table."""

import statistics
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from synthst.errors import ConfigError

type Options = dict[str, str]

RESERVED = ("preset", "workdir", "seed", "stage", "stop_stage", "test_set")


@dataclass(frozen=True)
class Entry:
    """A row, column or system: its name and the options of run.sh that it stands for.

    It belongs to ``presets`` only, if any are named. ``test_set`` is the set that its cells are scored on.
    ``paper`` names what stands in its place in the paper.
    """

    name: str
    options: Options = field(default_factory=dict)
    presets: tuple[str, ...] = ()
    test_set: str | None = None
    paper: str | None = None


@dataclass(frozen=True)
class Experiment:
    """A table: each row and column hold the scores of all ``systems``; others are compared with the first.

    ``recipe`` is a run.sh, ``options`` are for all cells. ``paper`` has the paper's scores by row and column,
    one for each system. ``average`` is the name of a last column with the mean of the others, if any.
    """

    name: str
    title: str
    recipe: Path
    options: Options
    rows: tuple[Entry, ...]
    columns: tuple[Entry, ...]
    systems: tuple[Entry, ...]
    paper: Mapping[tuple[str, str], tuple[float, ...]]
    average: str | None = None

    def at(self, axis: str, preset: str) -> list[Entry]:
        """Return the rows, columns or systems that belong to ``preset``."""
        entries: tuple[Entry, ...] = getattr(self, axis)
        return [entry for entry in entries if not entry.presets or preset in entry.presets]

    def only(self, axis: str, names: Collection[str] | None) -> "Experiment":
        """Return the experiment with those rows or columns alone, with all if no names are given.

        Raises ConfigError for an unknown name.
        """
        if not names:
            return self
        entries: tuple[Entry, ...] = getattr(self, axis)
        known = [entry.name for entry in entries]
        if unknown := [name for name in names if name not in known]:
            raise ConfigError(f"{self.name} has no {axis} {', '.join(unknown)}; it has {', '.join(known)}")
        kept = {axis: tuple(entry for entry in entries if entry.name in names)}
        return replace(self, **kept)  # type: ignore[arg-type]

    def paper_scores(self, row: str, column: str, preset: str) -> tuple[float, ...] | None:
        """Return the paper's scores beside a row and column of ours; those of the average are the means."""
        if column != self.average:
            return self.paper.get((row, column))
        by_column = [self.paper.get((row, entry.name)) for entry in self.at("columns", preset)]
        known = [scores for scores in by_column if scores is not None]
        if len(known) < len(by_column):
            return None
        return tuple(statistics.fmean(scores) for scores in zip(*known, strict=True))


def read_experiment(path: Path) -> Experiment:
    """Read and check an experiment's YAML file; ``recipe`` in it is relative to the file.

    Raises ConfigError for what cannot be read, an unknown key, a name that is there twice, and numbers of the
    paper for a row, column or system that is not there.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        told = f"{path} is not there; name an experiment's YAML file, see egs/README.md"
        raise ConfigError(told) from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} is no YAML file that can be read: {error}") from error
    reader = _Reader(path)
    wanted = {"title", "recipe", "options", "rows", "columns", "systems", "paper", "average"}
    values = reader.mapping(content, "the file", wanted, required=wanted - {"options", "paper", "average"})
    recipe = (path.parent / reader.text(values["recipe"], "recipe")).resolve()
    if not recipe.is_file():
        raise ConfigError(f"{path}: recipe is {values['recipe']!r}, but {recipe} is no run.sh")
    axes = {axis: reader.entries(values[axis], axis) for axis in ("rows", "columns", "systems")}
    if (average := values.get("average")) is not None:
        average = reader.text(average, "average")
        if average in {column.name for column in axes["columns"]}:
            raise ConfigError(f"{path}: average is {average!r}, which is a column's name; choose another")
    return Experiment(
        name=path.stem,
        title=" ".join(reader.text(values["title"], "title").split()),
        recipe=recipe,
        options=reader.options(values.get("options", {}), "options"),
        paper=reader.paper(values.get("paper", {}), **axes),
        average=average,
        **axes,
    )


class _Reader:
    """Turn parsed YAML into entries; every complaint names the file and the place in it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def refuse(self, told: str) -> ConfigError:
        return ConfigError(f"{self.path}: {told}")

    def mapping(
        self, value: object, where: str, known: Collection[str], *, required: Collection[str] = ()
    ) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self.refuse(f"{where} is {value!r}, wanted is a mapping with {', '.join(sorted(known))}")
        for key in value:
            if key not in known:
                nearest = get_close_matches(str(key), known, n=1)
                remedy = f"did you mean {nearest[0]}?" if nearest else f"give {', '.join(sorted(known))}"
                raise self.refuse(f"{where} has an unknown key {key!r}; {remedy}")
        if lacking := [key for key in sorted(required) if key not in value]:
            raise self.refuse(f"{where} lacks {' and '.join(lacking)}")
        return value

    def text(self, value: object, where: str) -> str:
        if isinstance(value, bool) or not isinstance(value, str | int | float) or not str(value).strip():
            raise self.refuse(f"{where} is {value!r}, wanted is a text or a number; quote what is neither")
        return str(value)

    def options(self, value: object, where: str) -> Options:
        if not isinstance(value, dict):
            raise self.refuse(f"{where} is {value!r}, wanted are options of run.sh: {{student: 2x2}}")
        for name in value:
            if name in RESERVED:
                raise self.refuse(
                    f"{where} may not set {name}; give it to synthst table, a test_set to the entry"
                )
        return {
            self.text(name, where): self.text(option, f"{where}.{name}") for name, option in value.items()
        }

    def entries(self, value: object, axis: str) -> tuple[Entry, ...]:
        if not isinstance(value, list) or not value:
            raise self.refuse(f"{axis} is {value!r}, wanted is a list of entries, each with a name")
        entries = tuple(self.entry(item, f"{axis}[{number}]") for number, item in enumerate(value))
        for number, entry in enumerate(entries):
            for other in entries[:number]:
                if other.name == entry.name and _overlap(other.presets, entry.presets):
                    raise self.refuse(f"{axis} has {entry.name!r} twice for one preset; rename one")
        return entries

    def entry(self, value: object, where: str) -> Entry:
        values = self.mapping(value, where, {field.name for field in fields(Entry)}, required=("name",))
        presets = values.get("presets", [])
        if not isinstance(presets, list):
            raise self.refuse(f"{where}.presets is {presets!r}, wanted is a list: [mini]")
        texts = {
            key: self.text(values[key], f"{where}.{key}") for key in ("test_set", "paper") if key in values
        }
        return Entry(
            name=self.text(values["name"], f"{where}.name"),
            options=self.options(values.get("options", {}), f"{where}.options"),
            presets=tuple(self.text(preset, f"{where}.presets") for preset in presets),
            **texts,
        )

    def paper(
        self,
        value: object,
        *,
        rows: tuple[Entry, ...],
        columns: tuple[Entry, ...],
        systems: tuple[Entry, ...],
    ) -> dict[tuple[str, str], tuple[float, ...]]:
        scores = {}
        by_row = self.mapping(value, "paper", {row.name for row in rows})
        for row, cells in by_row.items():
            by_column = self.mapping(cells, f"paper.{row}", {column.name for column in columns})
            for column, numbers in by_column.items():
                scores[row, column] = self.numbers(
                    numbers, f"paper.{row}.{column}", [s.name for s in systems]
                )
        return scores

    def numbers(self, value: object, where: str, systems: list[str]) -> tuple[float, ...]:
        wanted = f"wanted is a list of scores, one for each of {', '.join(systems)}"
        if not isinstance(value, list) or len(value) != len(systems):
            raise self.refuse(f"{where} is {value!r}, {wanted}")
        if not all(isinstance(number, int | float) and not isinstance(number, bool) for number in value):
            raise self.refuse(f"{where} is {value!r}, {wanted}")
        return tuple(float(number) for number in value)


def _overlap(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Tell whether some preset has both; no presets named means all."""
    return not one or not other or bool(set(one) & set(other))
