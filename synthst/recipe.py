"""Stages from Python, with the options, the announcements and the messages of a run.sh (tools/recipe.sh)."""

import logging
import sys
import time
import traceback
from argparse import ArgumentError
from collections.abc import Callable, Sequence
from pathlib import Path
from types import NoneType
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

from jsonargparse import ArgumentParser

from synthst.cli import configure_logging
from synthst.errors import ConfigError, SynthstError

FIRST_STAGE, LAST_STAGE = 1, 13


class Stage(NamedTuple):
    """A function that is run if its number is asked for and the options are such that it is needed."""

    number: int
    title: str
    function: Callable[[Any], object]
    when: Callable[[Any], bool]


class Recipe[Options]:
    """Numbered stages that share the options of a command line."""

    def __init__(self, header: str | None, options: type[Options]) -> None:
        """Start a recipe without stages; ``header``, the script's docstring, is what --help prints.

        ``options`` is a frozen dataclass: an option is a field with a default, of type str, int, Path, a
        Literal of its choices, or a union of these. Its __post_init__ may raise ConfigError.
        """
        self.header, self.options = (header or "").strip(), options
        self.stages: dict[tuple[int, str], Stage] = {}

    def stage[Function: Callable[[Any], object]](
        self, number: int, title: str, *, when: Callable[[Options], bool] = lambda options: True
    ) -> Callable[[Function], Function]:
        """Make a function of the options a stage, which is left out unless ``when`` says yes.

        Stages of one number run in the order of their definition; one with the number and title of an
        earlier one takes its place.
        """

        def add(function: Function) -> Function:
            self.stages[number, title] = Stage(number, title, function, when)
            return function

        return add

    def run(self, argv: Sequence[str] | None = None) -> int:
        """Run the stages that are asked for; return 0, 1 after a failure, 2 for options that are wrong."""
        words = sys.argv[1:] if argv is None else argv
        try:
            values = read_options(words, get_type_hints(self.options))
            if values is None:
                print(self.header)
                return 0
            first, last = values.pop("stage"), values.pop("stop_stage")
            options = self.options(**values)
        except ConfigError as error:
            print(f"{script()}: {error}", file=sys.stderr)
            return 2
        if not logging.getLogger().handlers:
            configure_logging()
        chosen = [stage for stage in self.stages.values() if first <= stage.number <= last]
        return run_stages(sorted(chosen, key=lambda stage: stage.number), options)


def run_stages(stages: Sequence[Stage], options: object) -> int:
    """Run stages one after the other until one fails; return 0, or 1 after a failure."""
    for stage in filter(lambda stage: stage.when(options), stages):
        print(f"{time.strftime('%H:%M:%S')} stage {stage.number}: {stage.title}", file=sys.stderr)
        try:
            stage.function(options)
        except (Exception, KeyboardInterrupt) as error:
            if isinstance(error, SynthstError):
                print(f"{script()}: {error}", file=sys.stderr)
            else:
                traceback.print_exc()
            remedy = f"mend the cause and go on with --stage {stage.number}"
            print(f"{script()}: stage {stage.number} ({stage.title}) failed; {remedy}", file=sys.stderr)
            return 1
    return 0


def script() -> str:
    """Name the recipe, for messages."""
    return Path(sys.argv[0]).name


def read_options(words: Sequence[str], types: dict[str, Any]) -> dict[str, Any] | None:
    """Return the options given, stage and stop_stage in any case; None when help is asked for.

    Raises ConfigError saying what was wanted.
    """
    types = {"stage": int, "stop_stage": int} | types
    given = {"stage": str(FIRST_STAGE), "stop_stage": str(LAST_STAGE)}
    remaining = iter(words)
    for word in remaining:
        name = word.removeprefix("--").replace("-", "_")
        if word in ("-h", "--help"):
            return None
        if not word.startswith("--"):
            raise ConfigError(f"{word!r} is no option; options start with --, see --help")
        if name not in types:
            raise ConfigError(f"unknown option {word}; known:{''.join(f' --{known}' for known in types)}")
        given[name] = next(remaining, "")
        if not given[name] or given[name].startswith("--"):
            raise ConfigError(f"{word} wants a value")
    check_stages(given["stage"], given["stop_stage"])
    return {name: convert(name, value, kinds_of(types[name])) for name, value in given.items()}


def check_stages(stage: str, stop_stage: str) -> None:
    """Raise ConfigError unless both are numbers of stages, in order."""
    for name, value in (("stage", stage), ("stop_stage", stop_stage)):
        if value not in map(str, range(FIRST_STAGE, LAST_STAGE + 1)):
            wanted = f"a number from {FIRST_STAGE} to {LAST_STAGE}"
            raise ConfigError(f"--{name} is {value!r}, wanted is {wanted}")
    if int(stage) > int(stop_stage):
        raise ConfigError(f"--stage {stage} comes after --stop_stage {stop_stage}")


def kinds_of(wanted: Any) -> list[Any]:
    """List what an option of this type may be: types, and strings that are choices."""
    if get_origin(wanted) is Literal or not get_args(wanted):
        return list(get_args(wanted)) or [wanted]
    return [kind for part in get_args(wanted) for kind in kinds_of(part) if kind is not NoneType]


def convert(name: str, value: str, kinds: Sequence[Any]) -> Any:
    """Return ``value`` as the first of ``kinds`` that it can be."""
    for kind in kinds:
        if kind == value:
            return value
        if kind in (str, Path) or (kind is int and value.isascii() and value.isdecimal()):
            return kind(value)
    choices = ["NUMBER" if kind is int else str(kind) for kind in kinds]
    raise ConfigError(f"--{name} is {value!r}, wanted is one of: {' '.join(choices)}")


def call[T](function: Callable[..., T], *, config: Sequence[Path] = (), **arguments: object) -> T:
    """Call ``function`` with ``arguments`` and the values in the YAML files ``config``, as `synthst` does.

    A later file overrides an earlier one, value by value. Raises ConfigError for a file that is not there
    and for an unknown key.
    """
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--config", action="config")
    parser.add_function_arguments(function, skip=set(arguments))
    try:
        values = parser.instantiate(parser.parse_args([f"--config={path}" for path in config]))
    except ArgumentError as error:
        raise ConfigError(f"{function.__name__} with {', '.join(map(str, config))}: {error}") from error
    del values["config"]
    return function(**dict(values), **arguments)
