"""The licences of corpora and teachers, as far as they are stated."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import yaml

from synthst.errors import ConfigError
from synthst.pack.lineage import Origin

NOT_STATED = "not stated"
SECTIONS = ("corpora", "teachers")


@dataclass(frozen=True)
class Licence:
    """What ``of`` is under, and where that is stated."""

    of: str
    licence: str = NOT_STATED
    stated: str = ""


Known = Mapping[str, Mapping[str, Mapping[str, str]]]


def read_licences(path: Path | None) -> Known:
    """Read a file like conf/licences.yaml; raises ConfigError when it is of another form."""
    if path is None:
        return {}
    try:
        known = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read ({error}); give a file like conf/licences.yaml") from error
    if not isinstance(known, dict) or not set(known) <= set(SECTIONS):
        raise ConfigError(f"{path} has other sections than {' and '.join(SECTIONS)}; see conf/licences.yaml")
    for section, entries in known.items():
        for name, entry in (entries or {}).items():
            if not isinstance(entry, dict) or not {"licence"} <= set(entry) <= {"licence", "stated"}:
                raise ConfigError(f"{path}: {section}: {name} wants {{licence: ..., stated: ...}}")
    return {section: entries or {} for section, entries in known.items()}


def find_corpus_licences(origins: Sequence[Origin], known: Known) -> list[Licence]:
    """Return the licence of every corpus among ``origins``: by its own info.json, else by its step."""
    table, found = known.get("corpora", {}), dict[str, Licence]()
    for origin in origins:
        if not (origin.is_corpus or origin.licence or origin.step in table):
            continue
        name = f"{origin.step}, {origin.path.parent.name}" if origin.step else str(origin.path)
        if origin.licence:
            found[name] = Licence(name, origin.licence, f"{origin.path}/info.json")
        else:
            found[name] = Licence(name, **table.get(origin.step, {}))
    return list(found.values())


def find_teacher_licence(name: str, known: Known) -> Licence:
    """Return the licence of a teacher made elsewhere by the first pattern that its name matches."""
    for pattern, entry in known.get("teachers", {}).items():
        if fnmatch(name.lower(), pattern.lower()):
            return Licence(name, **entry)
    return Licence(name)
