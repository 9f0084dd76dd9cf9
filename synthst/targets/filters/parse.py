"""Read a list of filters from YAML, and describe it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Literal, Never, get_args, get_origin, get_type_hints

import yaml

from synthst.errors import ConfigError, DataError
from synthst.targets.filters.content import Broken, Copy, Repetition
from synthst.targets.filters.corpus import Duplicates, ScoreQuantile
from synthst.targets.filters.language import Language
from synthst.targets.filters.overlap import Overlap
from synthst.targets.filters.script import Script
from synthst.targets.filters.shape import CutOff, Empty, Length, LengthRatio
from synthst.targets.filters.spec import FilterSpec

CLASSES: Sequence[type[FilterSpec]] = (
    *(Empty, CutOff, Length, LengthRatio, Copy, Repetition),
    *(Broken, Script, Language, ScoreQuantile, Duplicates, Overlap),
)
FILTERS = {cls.name: cls for cls in CLASSES}


def parse_filters(items: object) -> list[FilterSpec]:
    """Make filters of a list of mappings, each with ``name`` and options.

    Raises ConfigError for an unknown name or option, with the nearest known one, and for a wrong value.
    """
    if not isinstance(items, Sequence) or isinstance(items, str) or not items:
        _refuse(f"the filters are {items!r}", "a list, each with a name: - name: empty")
    return [_parse_filter(item) for item in items]


def read_filters(path: Path, *, held_out: Sequence[Path] = ()) -> list[FilterSpec]:
    """Read a list of filters from YAML; `overlap` with the data directories ``held_out`` goes before them."""
    try:
        items = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}; name a file of filters") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no YAML: {error}; mend it") from error
    try:
        specs = parse_filters(items)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    return [Overlap(sets=tuple(held_out)), *specs] if held_out else specs


def describe_filters(specs: Sequence[FilterSpec]) -> list[dict[str, object]]:
    """Say for made_by in info.json what the filters are, with all options; the inverse of `parse_filters`."""
    return [{"name": spec.name, **_options(spec)} for spec in specs]


def _options(spec: FilterSpec) -> dict[str, object]:
    return {
        key: [str(one) for one in value] if isinstance(value, tuple) else value
        for key, value in asdict(spec).items()
    }


def _parse_filter(item: object) -> FilterSpec:
    if not isinstance(item, Mapping) or not isinstance(item.get("name"), str):
        _refuse(f"a filter is {item!r}", f"its name and options; names are {', '.join(FILTERS)}")
    name = item["name"]
    if name not in FILTERS:
        _refuse(f"there is no filter {name!r}", _nearest(name, FILTERS))
    cls = FILTERS[name]
    hints = get_type_hints(cls)
    known = [field.name for field in fields(cls)]
    options = {str(key): value for key, value in item.items() if key != "name"}
    for key in options:
        if key not in known:
            _refuse(f"filter {name} has no option {key!r}", _nearest(key, known))
    return cls(**{key: _convert(value, hints[key], f"{name}: {key}") for key, value in options.items()})


def _convert(value: object, wanted: object, where: str) -> object:
    """Check a value from YAML against the type of an option; make tuples of paths."""
    if get_origin(wanted) is tuple:
        if isinstance(value, list) and all(isinstance(one, str) for one in value):
            return tuple(map(Path, value))
        _refuse(f"filter {where} is {value!r}", "a list of paths")
    if get_origin(wanted) is Literal:
        if value in get_args(wanted):
            return value
        _refuse(f"filter {where} is {value!r}", f"one of {', '.join(get_args(wanted))}")
    if wanted is float and type(value) is int:
        return float(value)
    if type(value) is not wanted:
        assert isinstance(wanted, type)
        _refuse(f"filter {where} is {value!r}", f"a value of type {wanted.__name__}")
    return value


def _nearest(name: str, known: Sequence[str] | Mapping[str, object]) -> str:
    nearest = get_close_matches(name, list(known), n=1)
    told = f"one of {', '.join(known)}" if known else "none"
    return f"{nearest[0]!r}, or {told}" if nearest else told


def _refuse(found: str, wanted: str) -> Never:
    raise ConfigError(f"{found}; give {wanted}")
