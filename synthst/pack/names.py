"""What corpora and directories are called in a card: as a reader knows them, without the maker's folders."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath

from synthst.pack.lineage import WEIGHTS, Origin

CORPORA = {
    "prepare_libreoffice": "LibreOffice's help texts",
    "prepare_wesnoth": "texts of the game Battle for Wesnoth",
    "prepare_descriptions": "descriptions of Debian's packages",
    "prepare_handbook": "manuals of programs in Debian",
    "prepare_steel_sky": "speech and subtitles of the game Beneath a Steel Sky",
    "prepare_asterisk": "Asterisk's English prompts",
    "prepare_commonvoice": "Common Voice",
    "prepare_covost": "CoVoST 2, on Common Voice 4",
    "prepare_tedlium": "TED-LIUM 3",
    "prepare_iwslt": "IWSLT's test sets",
}
"""By the step that made a corpus; those of MuST-C's form, of mtdata and of lhotse are named otherwise."""
LAYOUTS = {"st_ted": "ST-TED", "europarl_st": "Europarl-ST"}
"""Corpora of MuST-C's form."""


def name_corpus(origin: Origin) -> str:
    """Return the name of the corpus that ``origin`` is, with its languages, or the end of its path."""
    options = origin.options
    if isinstance(corpora := options.get("corpora"), Mapping) and corpora:
        name = ", ".join(map(str, corpora))
    elif origin.step == "prepare_mustc":
        name = LAYOUTS.get(str(options.get("layout")), "MuST-C")
    elif origin.step in CORPORA:
        name = CORPORA[origin.step]
    else:
        place = "/".join(origin.path.parts[-2:]).removeprefix("/")
        return f"{WEIGHTS}, {place}" if origin.step == WEIGHTS else place
    langs = "-".join(str(options[key]) for key in ("src", "tgt", "lang") if options.get(key))
    return f"{name}, {langs}" if langs else name


def shorten_paths(paths: Iterable[Path]) -> dict[str, str]:
    """Return, by path, the shortest end of two parts or more that no other of ``paths`` has."""
    every = {str(path): [part for part in path.parts if part != "/"] for path in paths}
    short = {}
    for path, parts in every.items():
        others = [other for name, other in every.items() if name != path]
        sizes = range(min(2, len(parts)), len(parts) + 1)
        unique = (size for size in sizes if all(other[-size:] != parts[-size:] for other in others))
        short[path] = "/".join(parts[-next(unique, len(parts)) :])
    return short


def find_paths(value: object) -> set[Path]:
    """Return the absolute paths in an option's value, PATH or KIND:PATH, at any depth."""
    if isinstance(value, str | PurePath):
        _, path = _split_kind(str(value))
        return {Path(path)} if path.startswith("/") else set()
    if isinstance(value, Mapping):
        value = list(value.values())
    return set().union(*map(find_paths, value)) if isinstance(value, list | tuple) else set()


def with_short_paths(value: object, short: Mapping[str, str]) -> object:
    """Return an option's value with every path that ``short`` has replaced, at any depth."""
    if isinstance(value, str | PurePath):
        kind, path = _split_kind(str(value))
        return short.get(str(value)) or kind + short.get(path, path)
    if isinstance(value, Mapping):
        return {key: with_short_paths(one, short) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [with_short_paths(one, short) for one in value]
    return value


def name_teacher_place(name: str) -> str:
    """Return a teacher's name, KIND:PLACE or PLACE, with the end of a path on the maker's machine only."""
    kind, separator, place = name.rpartition(":")
    if not place.startswith(("/", ".", "~")):
        return name
    return f"{kind}{separator}{'/'.join(Path(place).parts[-2:]).lstrip('/.')}"


def _split_kind(text: str) -> tuple[str, str]:
    """Return KIND: and the absolute path of a text KIND:PATH, "" and the text for any other."""
    found = re.fullmatch(r"([a-z][a-z0-9]*:)(/[^/].*)", text, re.DOTALL)
    return (found[1], found[2]) if found else ("", text)
