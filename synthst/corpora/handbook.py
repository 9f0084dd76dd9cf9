"""Debian's and GNOME's manuals as parallel text: handbook, reference, installation guide and desktop help.

Their translations have the form of the original, block by block. Debian's are under the GPL, GNOME's help
is under CC-BY-SA 3.0.
"""

import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from synthst.corpora.debian import fetch_packages, package_version, read_members
from synthst.corpora.libreoffice_pairs import Pair, keep_clean, split_alike
from synthst.corpora.manual_html import Block, parse_manual
from synthst.corpora.sets import cap_sets, divide_by_group, other_language, write_sets
from synthst.corpora.untranslated import drop_untranslated
from synthst.datadir import is_made
from synthst.errors import ConfigError, DataError

logger = logging.getLogger(__name__)

Pages = dict[str, dict[str, list[Block]]]  # language -> page -> its blocks

_LOCALES = {"en": "en-US", "de": "de-DE", "es": "es-ES", "fr": "fr-FR", "ru": "ru-RU"}
_NUMBER = re.compile(r"^(?:\d+|[A-Z])(?:\.\d+)*\. ")  # of a section


class Manual(NamedTuple):
    """Where the pages of a manual are; {lang} in ``package`` and ``path``, a regular expression, is a folder.

    The group of ``path`` is the page, named alike in all languages of ``folders``.
    """

    package: str
    path: str
    folders: Mapping[str, str]


MANUALS = {
    "handbook": Manual(
        "debian-handbook", r"usr/share/doc/debian-handbook/html/{lang}/([^/]+)\.html", _LOCALES
    ),
    "reference": Manual(
        "debian-reference-{lang}",
        r"usr/share/debian-reference/(\w+)\.{lang}\.html",
        {"en": "en", "de": "de", "es": "es", "fr": "fr"},
    ),
    "installation": Manual(
        "installation-guide-amd64",
        r"usr/share/doc/installation-guide-amd64/{lang}/([^/]+)\.html",
        {lang: lang for lang in _LOCALES},
    ),
    "gnome": Manual(
        "gnome-user-docs",
        r"usr/share/help/{lang}/gnome-help/([^/]+)\.page",
        {lang: lang for lang in _LOCALES} | {"en": "C"},
    ),
}


def prepare_handbook(
    out: Path,
    *,
    src: str,
    tgt: str,
    downloads: Path,
    deb_dir: Path | None = None,
    manuals: Sequence[str] = tuple(MANUALS),
    min_words: int = 4,
    max_words: int | None = 80,
    max_dev: int | None = 1000,
    max_test: int | None = 2000,
    seed: int = 0,
) -> None:
    """Write the data directories ``out``/train, dev and test, unless they are there already.

    Pages with the same sequence of blocks in both languages are aligned block by block, and split into
    sentences where both sides give as many. A section is in one set; no text of dev or test, on either side,
    is in train. Manuals without a translation into the language are left out. ``min_words`` and ``max_words``
    count words of the source.
    """
    made_by: dict[str, object] = {"step": "prepare_handbook", "src": src, "tgt": tgt, "manuals": manuals}
    made_by |= {"min_words": min_words, "max_words": max_words, "max_dev": max_dev, "max_test": max_test}
    made_by["seed"] = seed
    other = other_language(src, tgt, "handbook")
    chosen = choose_manuals(manuals, other)
    if is_made(out, made_by):
        logger.info("%s is there already", out)
        return
    packages = dict.fromkeys(name for manual in chosen for name in package_names(MANUALS[manual], other))
    debs = dict(zip(packages, fetch_packages(list(packages), downloads, deb_dir=deb_dir), strict=True))
    counts: Counter[str] = Counter()
    pairs = (pair for name in chosen for pair in read_manual(name, debs, other, counts))
    directed = pairs if src == "en" else (pair._replace(src=pair.tgt, tgt=pair.src) for pair in pairs)
    clean = keep_clean(directed, counts, languages=(src, tgt), min_words=min_words, max_words=max_words)
    translated = drop_untranslated(clean, counts, from_english=src == "en")
    sets = divide_by_group(translated, counts, seed=seed)
    capped = cap_sets(sets, {"dev": max_dev, "test": max_test}, seed, counts)
    versions = {name: package_version(deb) for name, deb in debs.items()}
    write_sets(out, capped, (src, tgt), counts, made_by, versions)


def choose_manuals(names: Iterable[str], other: str) -> list[str]:
    """Return the manuals that are translated into a language; raises ConfigError for unknown names."""
    for name in names:
        if name not in MANUALS:
            raise ConfigError(f"there is no manual {name!r}; known are {', '.join(MANUALS)}")
    chosen = [name for name in names if other in MANUALS[name].folders]
    if not chosen:
        raise ConfigError(f"none of the manuals {', '.join(names)} is translated into {other}; choose others")
    return chosen


def package_names(manual: Manual, other: str) -> list[str]:
    """Return the packages that hold a manual in English and in the other language."""
    names = (manual.package.format(lang=manual.folders[lang]) for lang in ("en", other))
    return list(dict.fromkeys(names))


def read_manual(name: str, debs: Mapping[str, Path], other: str, counts: Counter[str]) -> Iterator[Pair]:
    """Yield the pairs (English, other) of a manual, in the order of their ids."""
    manual = MANUALS[name]
    pages: Pages = {"en": {}, other: {}}
    for package in package_names(manual, other):
        _read_pages(manual, debs[package], pages)
    for lang, found in pages.items():
        if not found:
            raise DataError(f"{debs[package]} holds no page of {name} in {lang}; leave that manual out")
    named = {_page_id(name, page): page for page in pages["en"]}
    for key in sorted(named):
        page = named[key]
        counts["pages"] += 1
        blocks, translated = pages["en"][page], pages[other].get(page, [])
        if [block.place for block in blocks] == [block.place for block in translated]:
            yield from _align_blocks(key, f"{name}/{page}", blocks, translated, other, counts)
        else:
            counts["pages_of_other_form"] += 1


def _read_pages(manual: Manual, deb: Path, pages: Pages) -> None:
    """Add the pages of a package in the languages that ``pages`` has."""
    paths = {lang: re.compile(manual.path.format(lang=re.escape(manual.folders[lang]))) for lang in pages}
    for path, content in read_members(deb, lambda name: any(p.fullmatch(name) for p in paths.values())):
        for lang, pattern in paths.items():
            if match := pattern.fullmatch(path):
                try:
                    pages[lang][match[1]] = parse_manual(content.decode("utf-8"))
                except UnicodeDecodeError as error:
                    raise DataError(f"{deb}: {path} is not UTF-8; fetch the package again") from error


def _page_id(manual: str, page: str) -> str:
    return f"hb_{manual}_{blake2b(page.encode(), digest_size=4).hexdigest()}"


def _align_blocks(
    key: str, page: str, blocks: list[Block], translated: list[Block], other: str, counts: Counter[str]
) -> Iterator[Pair]:
    """Pair blocks by position, ``hb_<manual>_<hash of the page>_<block>_<sentence, or 00>``.

    ``page`` of a pair is the section: the page and how many headings came before.
    """
    section = 0
    for number, (block, foreign) in enumerate(zip(blocks, translated, strict=True)):
        counts["blocks"] += 1
        section += block.place.startswith(("h1", "h2", "h3", "title"))
        text, translation = (_NUMBER.sub("", one.text) for one in (block, foreign))
        for sentence, (one, two) in split_alike(text, translation, other, counts):
            yield Pair(f"{key}_{number:04d}_{sentence:02d}", f"{page}#{section}", one, two)
