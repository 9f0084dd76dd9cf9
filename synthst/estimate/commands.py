"""Read the commands of a recipe's dry run: their stages, options and settings files."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from synthst.cli import check_command
from synthst.errors import ConfigError


@dataclass(frozen=True)
class Command:
    """One command of a stage; ``options`` are its words by name, ``settings`` those and its files' values."""

    stage: int
    name: str
    options: Mapping[str, str]
    settings: Mapping[str, Any]
    words: Sequence[str]
    """The whole command as it is given, with its program."""

    def path(self, option: str) -> Path | None:
        """Return the path that an option names."""
        return Path(self.options[option]) if option in self.options else None

    def paths(self, option: str) -> list[Path]:
        """Return the paths of a list in YAML's writing, or of a mapping's values."""
        value = yaml.safe_load(self.options.get(option, "[]"))
        found = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
        return [Path(str(one)) for one in found]

    def configured[Config](self, name: str, config: type[Config]) -> Config:
        """Return the dataclass of model.* or training.* settings; what it does not know is left out."""
        given = self.settings.get(name) or {}
        known = {field.name for field in fields(config)}  # type: ignore[arg-type]
        return config(**{key: value for key, value in given.items() if key in known and key != "tracking"})


def read_commands(lines: Iterable[str]) -> list[Command]:
    """Read the lines that `./run.sh --dry_run` prints: a stage's number, then a command in a shell's writing.

    What is no command of synthst's keeps its first word as name. Raises ConfigError for other lines.
    """
    commands = []
    for line in lines:
        words = shlex.split(line)
        if not words:
            continue
        if not words[0].isdecimal() or len(words) < 2:
            raise ConfigError(f"{line.strip()!r} is no line of a recipe's --dry_run: no stage comes first")
        rest = words[2:] if words[1] == "synthst" else words[1:]
        name = rest[0] if rest else words[1]
        commands.append(_read_command(int(words[0]), name, words[1:]))
    return commands


def check_commands(commands: Iterable[Command]) -> None:
    """Let each command of synthst's own read its options and settings files, as if it were run.

    Raises ConfigError that names the stage of the first that refuses them.
    """
    for command in commands:
        program, *options = command.words
        if program != "synthst":
            continue
        try:
            check_command(command.name, options[1:])
        except ConfigError as error:
            files = [value for word, value in pairwise(options) if word == "--config"]
            told = f" with {' and '.join(files)}" if files else ""
            raise ConfigError(
                f"stage {command.stage}, synthst {command.name}{told}, would stop: {error}"
            ) from error


def _read_command(stage: int, name: str, words: Sequence[str]) -> Command:
    options: dict[str, str] = {}
    settings: dict[str, Any] = {}
    for word, value in pairwise(words):
        if not word.startswith("--"):
            continue
        option = word.removeprefix("--")
        if option == "config":
            _merge(settings, _read_settings(Path(value)))
        else:
            options[option] = value
            _set(settings, option.split("."), _read_value(value))
    return Command(stage, name, options, settings, words)


def _read_value(value: str) -> Any:
    try:
        return yaml.safe_load(value)
    except yaml.YAMLError:  # a path, say, that looks like the beginning of a mapping
        return value


def _read_settings(path: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise ConfigError(f"{path} holds no settings")
    return found


def _merge(settings: dict[str, Any], more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(settings.get(key), dict):
            _merge(settings[key], value)
        else:
            settings[key] = value


def _set(settings: dict[str, Any], names: Sequence[str], value: object) -> None:
    for name in names[:-1]:
        below = settings.setdefault(name, {})
        if not isinstance(below, dict):
            return
        settings = below
    settings[names[-1]] = value
