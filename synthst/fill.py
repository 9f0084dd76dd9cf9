"""Fill a teacher's frozen options from a mapping: a YAML file's, or the command line's."""

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, cast

from synthst.errors import ConfigError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def fill_options[Options: "DataclassInstance"](
    kind: type[Options], values: Mapping[str, object], where: str
) -> Options:
    """Make the dataclass ``kind`` of ``values``; numbers may be written as text.

    Raises ConfigError, which begins with ``where``, for an unknown key (with the nearest known one), for one
    that lacks and for a value of another type.
    """
    known = {field.name: field for field in fields(kind)}
    for key in values:
        if key not in known:
            raise ConfigError(f"{where}: there is no option {key!r}; {_nearest(str(key), list(known))}")
    lacking = [name for name, field in known.items() if _is_required(field) and name not in values]
    if lacking:
        raise ConfigError(f"{where}: {' and '.join(lacking)} must be given; add what lacks")
    return _parse(kind, values, where)


def _nearest(key: str, known: list[str]) -> str:
    if nearest := get_close_matches(key, known, n=1):
        return f"did you mean {nearest[0]}?"
    return f"give one of {', '.join(known)}" if known else "this kind of teacher has none"


def _is_required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _parse[Options: "DataclassInstance"](
    kind: type[Options], values: Mapping[str, object], where: str
) -> Options:
    from argparse import ArgumentError

    from jsonargparse import ArgumentParser  # a quarter of a second, and a teacher without options needs none

    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(kind, "options")
    try:
        parsed = parser.parse_object({"options": dict(values)})
        return cast(Options, parser.instantiate_classes(parsed).options)
    except ArgumentError as error:
        told = " ".join(str(error).replace("options.", "").split())
        raise ConfigError(f"{where}: {told}; correct it") from error
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error
