"""Beneath a Steel Sky, a game of 1994, as speech translation data: English speech, texts in five languages.

The game (Revolution Software) is free to distribute and modify; its readme goes with every copy, so also with
ours. Debian has it as beneath-a-steel-sky; the table by which its texts are read is in scummvm.
"""

import gzip
import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from synthst.corpora.debian import fetch_packages, package_version, read_members
from synthst.corpora.steel_sky_clips import clip_id, clip_path, write_clips
from synthst.corpora.steel_sky_files import SkyFiles, read_places
from synthst.corpora.steel_sky_spelling import Spelling, clean_text
from synthst.corpora.steel_sky_text import LANGUAGES, Tree, decode_glyphs, find_tree, has_marks, read_texts
from synthst.datadir import is_made, new_directory, text_path, write_info
from synthst.errors import ConfigError, DataError
from synthst.tables import write_table, write_tables

logger = logging.getLogger(__name__)

GAME, PLAYER = "beneath-a-steel-sky", "scummvm"
FOLDER = "usr/share/scummvm/beneath-a-steel-sky"
README = "usr/share/doc/beneath-a-steel-sky/readme.txt"
PROGRAM = "usr/games/scummvm"
WORD_LISTS = {"de": "wogerman", "fr": "wfrench", "es": "wspanish", "it": "witalian"}  # de: the old spelling
# Sections follow the plot, so that no scene is in two sets. Section 0 has lines of all places: for training.
SECTIONS = {"train": (0, 2, 3, 4, 6), "dev": (1,), "test": (5,)}
HELD_OUT = {"test": (), "dev": ("test",), "train": ("test", "dev")}  # whose lines a set must not have
MIN_LETTERS_PER_SECOND, MAX_LETTERS_PER_SECOND = 3, 26  # of the clips 99.9 % are between
NOTICE = """\
These clips and texts were taken out of the game Beneath a Steel Sky (Revolution Software) and changed: this
is a modified version of the game's data, not the game. Its terms are in readme.txt.
"""


class Line(NamedTuple):
    """A line of the game: section and number, the clip's length, the English text and its translation."""

    section: int
    number: int
    seconds: float
    src: str
    tgt: str


def prepare_steel_sky(
    out: Path,
    *,
    tgt: str = "de",
    downloads: Path,
    deb_dir: Path | None = None,
    workers: int | None = None,
) -> None:
    """Write the speech data directories ``out``/train, dev and test, unless they are there already.

    ``tgt`` is de, fr, es or it. The clips are in ``out``/audio: mono, 11,025 Hz, 8 bits. Who speaks is not
    known, so every clip is its own speaker. Dropped and counted are empty clips; texts that are empty, hold
    marks of the game's makers, or are the same in both languages; clips too short or too long for their
    text; and lines of train and dev that a set held out has as well, on either side.
    """
    if tgt not in WORD_LISTS:
        raise ConfigError(f"Beneath a Steel Sky is not prepared for en-{tgt}; take {', '.join(WORD_LISTS)}")
    made_by: dict[str, object] = {"step": "prepare_steel_sky", "src": "en", "tgt": tgt}
    if is_made(out, made_by):
        logger.info("%s is there already", out)
        return
    names = [GAME, PLAYER, WORD_LISTS[tgt]]
    debs = dict(zip(names, fetch_packages(names, downloads, deb_dir=deb_dir), strict=True))
    files, readme = read_game(debs[GAME])
    tree = find_tree(_read_one(debs[PLAYER], PROGRAM), files.text_file(LANGUAGES["en"], 1))
    src_texts = spell_texts(files, tree, "en", [])
    tgt_texts = spell_texts(files, tree, tgt, read_words(debs[WORD_LISTS[tgt]]))
    counts: Counter[str] = Counter()
    with new_directory(out) as directory:
        seconds = write_clips(files, directory / "audio", counts, workers=workers)
        lines = keep_good(pair_lines(seconds, src_texts, tgt_texts), counts)
        for name, kept in divide_lines(list(lines), counts).items():
            _write_set(directory / name, kept, out.absolute() / "audio", {**made_by, "set": name})
        (directory / "readme.txt").write_bytes(readme)
        (directory / "NOTICE").write_text(NOTICE, encoding="utf-8")
        packages = {name: package_version(deb) for name, deb in debs.items()}
        write_info(directory, made_by, counts=counts, packages=packages)
    logger.info("%s: %s", out, ", ".join(f"{key} {count:,}" for key, count in sorted(counts.items())))


def read_game(deb: Path) -> tuple[SkyFiles, bytes]:
    """Return the game's files and its readme. Raises DataError when the package lacks one."""
    names = (f"{FOLDER}/sky.dnr", f"{FOLDER}/sky.dsk", f"{README}.gz")
    found = dict(read_members(deb, lambda name: name in names))
    for name in names:
        if name not in found:
            raise DataError(f"{deb} holds no {name}; is it Debian's package {GAME}?")
    directory, data, readme = (found[name] for name in names)
    return SkyFiles(read_places(directory), data), gzip.decompress(readme)


def read_words(deb: Path) -> list[str]:
    """Return the words of a package that brings a list of them."""
    for _, content in read_members(deb, lambda name: name.startswith("usr/share/dict/")):
        return content.decode("utf-8").split()
    raise DataError(f"{deb} holds no list usr/share/dict/*; is it Debian's package?")


def _read_one(deb: Path, wanted: str) -> bytes:
    for _, content in read_members(deb, lambda name: name == wanted):
        return content
    raise DataError(f"{deb} holds no {wanted}; is it Debian's package?")


def spell_texts(files: SkyFiles, tree: Tree, language: str, words: Sequence[str]) -> list[list[str]]:
    """Return the texts of each section, ordinarily spelled; "" in place of those with marks of the makers."""
    texts = []
    for section in range(8):  # the last has no speech, but words
        glyphs = read_texts(files.text_file(LANGUAGES[language], section), tree)
        decoded = [decode_glyphs(one, language) for one in glyphs]
        texts.append(["" if has_marks(text, language) else clean_text(text, language) for text in decoded])
    spelling = Spelling(language, (text for section in texts for text in section), words)
    return [[spelling.lower_emphasis(text) for text in section] for section in texts]


def pair_lines(
    seconds: Mapping[tuple[int, int], float], src: Sequence[Sequence[str]], tgt: Sequence[Sequence[str]]
) -> Iterator[Line]:
    """Yield the lines that have a clip, in order; a text that is missing is ""."""
    for (section, number), length in sorted(seconds.items()):
        texts = (texts[section][number] if number < len(texts[section]) else "" for texts in (src, tgt))
        yield Line(section, number, length, *texts)


def keep_good(lines: Iterable[Line], counts: Counter[str]) -> Iterator[Line]:
    """Yield the lines that are fit for training and testing; count the others by reason."""
    for line in lines:
        letters_per_second = sum(character.isalpha() for character in line.src) / line.seconds
        if not (line_key(line.src) and line_key(line.tgt)):
            counts["dropped_empty_text"] += 1
        elif line_key(line.src) == line_key(line.tgt):
            counts["dropped_untranslated"] += 1
        elif not MIN_LETTERS_PER_SECOND <= letters_per_second <= MAX_LETTERS_PER_SECOND:
            counts["dropped_odd_duration"] += 1
        else:
            yield line


def line_key(text: str) -> str:
    """Return what two lines have in common that differ in case and punctuation only."""
    return " ".join(re.findall(r"\w+", text.casefold()))


def divide_lines(lines: Sequence[Line], counts: Counter[str]) -> dict[str, list[Line]]:
    """Put the lines into the sets of their sections, without those that a set held out has as well."""
    sets: dict[str, list[Line]] = {}
    for name, others in HELD_OUT.items():
        held_out = [
            line
            for other in others
            for section in SECTIONS[other]
            for line in lines
            if line.section == section
        ]
        sources, targets = (
            {line_key(line.src) for line in held_out},
            {line_key(line.tgt) for line in held_out},
        )
        own = [line for line in lines if line.section in SECTIONS[name]]
        sets[name] = [
            line for line in own if line_key(line.src) not in sources and line_key(line.tgt) not in targets
        ]
        counts[f"dropped_{name}_held_out"] = len(own) - len(sets[name])
        counts[f"kept_{name}"] = len(sets[name])
    return sets


def _write_set(directory: Path, lines: Sequence[Line], audio: Path, made_by: Mapping[str, object]) -> None:
    if not lines:
        raise DataError(f"no line is left for {directory.name}; is it the CD version of the game, 0.0372?")
    tgt = str(made_by["tgt"])
    directory.mkdir()
    ids = [clip_id(line.section, line.number) for line in lines]
    texts = zip(ids, ((line.src, line.tgt) for line in lines), strict=True)
    write_tables([text_path(directory, "en"), text_path(directory, tgt)], texts)
    paths = (str(audio / clip_path(line.section, line.number)) for line in lines)
    write_table(directory / "wav.scp", zip(ids, paths, strict=True))
    write_table(directory / "utt2spk", zip(ids, ids, strict=True))
    write_table(directory / "utt2dur", zip(ids, (f"{line.seconds:.3f}" for line in lines), strict=True))
    write_info(directory, made_by, counts={"kept": len(lines)})
