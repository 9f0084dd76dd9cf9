"""Debian's package descriptions as parallel text: what thousands of volunteers translated (DDTP).

The lists Translation-<lang> of Debian's archive hold them; Description-md5 tells which belong together.
Each is under the licence of its package.
"""

import logging
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from synthst.corpora.debian_lists import fetch_descriptions, read_list
from synthst.corpora.libreoffice_html import normalise_text
from synthst.corpora.libreoffice_pairs import Pair, keep_clean, split_alike
from synthst.corpora.sets import cap_sets, divide_by_group, other_language, write_sets
from synthst.corpora.untranslated import drop_untranslated
from synthst.datadir import is_made

logger = logging.getLogger(__name__)

_ENTRY = re.compile(
    r"Package: (?P<package>\S+)\nDescription-md5: (?P<md5>[0-9a-f]{32})\nDescription-[\w-]+: (?P<text>.+)",
    re.S,
)
_BULLET = re.compile(r"\s*(?:[*+•o–-]+|\d+[.)])\s+")
_FAMILY = re.compile(r"(?:(?:lib|python3?-|node-|golang-|ruby-|fonts-|r-|haskell-|php-)+)?([a-z]+)")


class Description(NamedTuple):
    """What a package is for: its name, and the texts of the short and the long description."""

    package: str
    segments: list[str]


def prepare_descriptions(
    out: Path,
    *,
    src: str,
    tgt: str,
    downloads: Path,
    deb_dir: Path | None = None,
    min_words: int = 4,
    max_words: int | None = 80,
    max_dev: int | None = 1000,
    max_test: int | None = 2000,
    seed: int = 0,
) -> None:
    """Write the data directories ``out``/train, dev and test, unless they are there already.

    Short descriptions, paragraphs and list entries are paired where both languages have as many of them, and
    split into sentences likewise. Packages whose names begin alike (mono-mcs, libmono-corlib) are in one set;
    no text of dev or test, on either side, is in train. ``deb_dir`` holds lists Translation-<lang>.
    ``min_words`` and ``max_words`` count words of the source.
    """
    made_by: dict[str, object] = {"step": "prepare_descriptions", "src": src, "tgt": tgt, "seed": seed}
    made_by |= {"min_words": min_words, "max_words": max_words, "max_dev": max_dev, "max_test": max_test}
    other = other_language(src, tgt, "package descriptions")
    if is_made(out, made_by):
        logger.info("%s is there already", out)
        return
    lists = fetch_descriptions(["en", other], downloads, deb_dir=deb_dir)
    english, foreign = (
        {key: entry for path in lists if f"Translation-{lang}" in path.name for key, entry in _read(path)}
        for lang in ("en", other)
    )
    counts: Counter[str] = Counter()
    pairs = align_descriptions(english, foreign, other, counts, from_english=src == "en")
    clean = keep_clean(pairs, counts, languages=(src, tgt), min_words=min_words, max_words=max_words)
    sets = divide_by_group(drop_untranslated(clean, counts, from_english=src == "en"), counts, seed=seed)
    capped = cap_sets(sets, {"dev": max_dev, "test": max_test}, seed, counts)
    write_sets(out, capped, (src, tgt), counts, made_by, {path.name: "list" for path in lists})


def _read(path: Path) -> Iterator[tuple[str, Description]]:
    return parse_list(read_list(path))


def parse_list(text: str) -> Iterator[tuple[str, Description]]:
    """Yield (Description-md5, the description) of a list; entries of another form are passed over."""
    for paragraph in text.split("\n\n"):
        if match := _ENTRY.match(paragraph.strip("\n")):
            yield match["md5"], Description(match["package"], split_description(match["text"]))


def split_description(text: str) -> list[str]:
    """Return the short description, and the long one's paragraphs and list entries, each on one line.

    In the long one every line begins with a blank, " ." is an empty line, and what is indented further is an
    entry of a list, the next line of one, or a line that stands by itself.
    """
    short, *lines = text.split("\n")
    segments: list[list[str]] = [[short]]
    begins, in_entry = True, False
    for line in (line.removeprefix(" ") for line in lines):
        if line.strip() in (".", ""):
            begins, in_entry = True, False
            continue
        bullet = _BULLET.match(line)
        stands_alone = line[0] == " " and not in_entry
        if begins or bullet or stands_alone:
            segments.append([])
        segments[-1].append(line[bullet.end() :] if bullet else line)
        begins, in_entry = stands_alone and not bullet, bullet is not None or (in_entry and line[0] == " ")
    return [normalise_text(" ".join(segment)) for segment in segments]


def align_descriptions(
    english: Mapping[str, Description],
    foreign: Mapping[str, Description],
    other: str,
    counts: Counter[str],
    *,
    from_english: bool,
) -> Iterator[Pair]:
    """Pair the segments of descriptions by md5, ``ddtp_<md5>_<segment>_<sentence, or 00>``."""
    for md5 in sorted(english.keys() & foreign.keys()):
        texts, translations = english[md5].segments, foreign[md5].segments
        counts["descriptions"] += 1
        if len(texts) != len(translations):
            counts["descriptions_of_other_form"] += 1
            texts, translations = texts[:1], translations[:1]  # the short ones still belong together
        for number, both in enumerate(zip(texts, translations, strict=True)):
            for sentence, pair in split_alike(*both, other, counts):
                source, target = pair if from_english else pair[::-1]
                key = f"ddtp_{md5[:16]}_{number:02d}_{sentence:02d}"
                yield Pair(key, family_of(english[md5].package), source, target)


def family_of(package: str) -> str:
    """Return the group of a package: the letters that its name begins with, without "lib" and the like."""
    match = _FAMILY.match(package)
    return match[1] if match else package
