"""The licences of corpora and teachers, as far as they are stated."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import yaml

from synthst.errors import ConfigError
from synthst.pack.lineage import Origin
from synthst.pack.names import name_corpus, name_teacher_place

NOT_STATED = "not stated"
SECTIONS = ("corpora", "teachers")
STATED = "lineage.json in this pack"


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
    """Return the licences of every corpus among ``origins``: by its own info.json, else by its step.

    Every directory of a corpus has its own, and every corpus of mtdata; what is the same is told once.
    """
    table, found = known.get("corpora", {}), list[Licence]()
    for origin in origins:
        if origin.is_corpus or origin.licence or origin.step in table:
            found += _licences_of(origin, table)
    return list(dict.fromkeys(found))


def _licences_of(origin: Origin, table: Mapping[str, Mapping[str, str]]) -> list[Licence]:
    corpora = origin.options.get("corpora")
    if isinstance(corpora, Mapping) and corpora:
        licences = {name: isinstance(one, Mapping) and one.get("licence") for name, one in corpora.items()}
        return [Licence(name, str(one), STATED) if one else Licence(name) for name, one in licences.items()]
    name = name_corpus(origin)
    if origin.licence:
        return [Licence(name, origin.licence, STATED)]
    return [Licence(name, **table.get(origin.step, {}))]


def find_teacher_licence(name: str, known: Known) -> Licence:
    """Return the licence of a teacher made elsewhere by the first pattern that its name matches."""
    for pattern, entry in known.get("teachers", {}).items():
        if fnmatch(name.lower(), pattern.lower()):
            return Licence(name_teacher_place(name), **entry)
    return Licence(name_teacher_place(name))
