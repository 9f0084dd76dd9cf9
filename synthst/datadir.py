"""Make, check, subset and combine data directories: flat, with tables of the same ids and an info.json."""

import logging
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from synthst.atomic import atomic_directory
from synthst.errors import ConfigError, DataError
from synthst.info import info_path
from synthst.info import is_made as is_made
from synthst.info import read_info as read_info
from synthst.info import write_info as write_info
from synthst.sampling import choose_ids
from synthst.speechtables import speech_tables, write_recordings
from synthst.tables import JoinedRow, Row, join_tables, merge_rows, read_table, write_tables

logger = logging.getLogger(__name__)

_LANGUAGE = re.compile(r"[A-Za-z0-9_@-]+")
_TABLE = re.compile(rf"text\.{_LANGUAGE.pattern}|wav\.scp|segments|utt2spk|utt2dur|utt2pair")


def text_path(directory: Path, lang: str) -> Path:
    """Name the table of a language's sentences. Raises ConfigError if ``lang`` cannot be in a file's name."""
    if not _LANGUAGE.fullmatch(lang):
        raise ConfigError(f"{lang!r} is no language code; write one like en, de or pt-BR")
    return directory / f"text.{lang}"


@contextmanager
def new_directory(out: Path, *, made_by: Mapping[str, object] | None = None) -> Iterator[Path]:
    """Make a directory whole or not at all: the block fills ``.<name>.tmp-<pid>``, which becomes ``out``.

    After an error nothing is left, and what killed processes left is removed. If ``made_by`` is given and
    the block writes no info.json, one with it is written. Raises DataError when ``out`` exists.
    """
    with atomic_directory(out) as temporary:
        yield temporary
        if made_by is not None and not info_path(temporary).exists():
            write_info(temporary, made_by)


@dataclass(frozen=True)
class Lengths:
    """The least, average and greatest length of the values of a table."""

    min: int
    mean: float
    max: int


@dataclass(frozen=True)
class TableSummary:
    """What a table holds: rows, and the lengths of its values in words (between blanks) and characters."""

    name: str
    rows: int
    words: Lengths
    characters: Lengths

    def __str__(self) -> str:
        lengths = (("words", self.words), ("characters", self.characters))
        shown = (f"{unit} {found.min:,}/{found.mean:,.1f}/{found.max:,}" for unit, found in lengths)
        return f"{self.name}: {self.rows:,} rows, {', '.join(shown)} (min/mean/max)"


def check_datadir(directory: Path) -> list[TableSummary]:
    """Read every table of a data directory and measure it.

    Raises DataError for a line that breaks the rules of tables, for ids that are not in every table, and
    when there is no text or no row at all.
    """
    names = table_names(directory)
    words = [_Tally() for _ in names]
    characters = [_Tally() for _ in names]
    for _, values in read_datadir(directory):
        for value, tally, other in zip(values, words, characters, strict=True):
            tally.add(len(value.split()))
            other.add(len(value))
    tallies = zip(names, words, characters, strict=True)
    return [TableSummary(name, one.rows, one.lengths(), other.lengths()) for name, one, other in tallies]


def table_names(directory: Path) -> list[str]:
    """List the tables of a data directory that have one row per utterance.

    That is all of them, but for a wav.scp beside segments: it has one row per recording.
    """
    if not directory.is_dir():
        raise DataError(f"{directory} is not a directory; make it or name another one")
    names = sorted(entry.name for entry in directory.iterdir())
    if "segments" in names:
        speech_tables(directory)  # refuses segments without wav.scp
        names = [name for name in names if name != "wav.scp"]
    if not any(name.startswith("text.") for name in filter(_TABLE.fullmatch, names)):
        raise DataError(f"{directory} holds no text.<lang>; make it or name another one")
    return list(filter(_TABLE.fullmatch, names))


def read_datadir(directory: Path) -> Iterator[JoinedRow]:
    """Read a data directory: each id with its values in the order of ``table_names``.

    Raises DataError, at the end, for ids that are not in every table and when there is no row.
    """
    rows = 0
    for row in join_tables([directory / name for name in table_names(directory)]):
        rows += 1
        yield row
    if not rows:
        raise DataError(f"{directory} holds no utterance; make it again or name another one")


def subset_datadir(data: Path, out: Path, *, size: int, seed: int = 0) -> int:
    """Copy ``size`` utterances of ``data`` to ``out``, chosen by a hash of the id; return their number.

    The choice depends on ids and seed only, and a smaller subset of the same seed is inside a larger one.
    Raises DataError when ``data`` has fewer. made_by: step "subset_datadir", data, size, seed.
    """
    wanted = choose_ids(data / table_names(data)[0], size, seed=seed)
    counts: Counter[str] = Counter()
    made_by = {"step": "subset_datadir", "data": data, "size": size, "seed": seed}
    kept = _choose(read_datadir(data), wanted, counts)
    return _write_datadir(out, table_names(data), kept, counts, made_by, [data], [data])


def exclude_datadir(data: Path, minus: Path, out: Path) -> int:
    """Copy the utterances of ``data`` whose id is not in ``minus`` to ``out``; return their number.

    Raises DataError when none is left. made_by: step "exclude_datadir", data, minus.
    """
    counts: Counter[str] = Counter()
    made_by = {"step": "exclude_datadir", "data": data, "minus": minus}
    unwanted = _member_of(read_table(minus / table_names(minus)[0]))
    kept = _choose(read_datadir(data), lambda utterance: not unwanted(utterance), counts)
    return _write_datadir(out, table_names(data), kept, counts, made_by, [data, minus], [data])


def combine_datadirs(parents: Sequence[Path], out: Path, *, langs: Sequence[str] | None = None) -> int:
    """Copy the utterances of all ``parents``, with the texts of ``langs`` or all, to ``out``; count them.

    Raises DataError when an id is in two of them, or when they do not have the same tables.
    made_by: step "combine_datadirs", parents and, if given, langs.
    """
    names = _tables_of(parents[0], langs)
    for parent in parents[1:]:
        if (found := _tables_of(parent, langs)) != names:
            raise DataError(
                f"{parent} has {', '.join(found)} but {parents[0]} has {', '.join(names)}; combine "
                "directories with the same tables, or name the langs that all have"
            )
    tables = [join_tables([parent / name for name in names]) for parent in parents]
    rows = merge_rows(tables, names=[str(parent) for parent in parents])
    counts: Counter[str] = Counter()
    kept = _choose(rows, lambda utterance: True, counts)
    made_by = {"step": "combine_datadirs", "parents": parents} | ({"langs": langs} if langs else {})
    return _write_datadir(out, names, kept, counts, made_by, parents, parents)


def _tables_of(directory: Path, langs: Sequence[str] | None) -> list[str]:
    """List the tables, with those texts only that are wanted."""
    wanted = {f"text.{lang}" for lang in langs or ()}
    names = table_names(directory)
    return [name for name in names if langs is None or name in wanted or not name.startswith("text.")]


def _choose(
    rows: Iterable[JoinedRow], wanted: Callable[[str], bool], counts: Counter[str]
) -> Iterator[JoinedRow]:
    """Keep the rows with a wanted id, and count the kept and the others."""
    for row in rows:
        if wanted(row[0]):
            counts["kept"] += 1
            yield row
        else:
            counts["left_out"] += 1


def _member_of(rows: Iterator[Row]) -> Callable[[str], bool]:
    """Make a test for ids of a table; it must be asked in byte order."""
    row = next(rows, None)

    def is_member(utterance: str) -> bool:
        nonlocal row
        while row is not None and row[0] < utterance:
            row = next(rows, None)
        return row is not None and row[0] == utterance

    return is_member


def _write_datadir(
    out: Path,
    names: Sequence[str],
    rows: Iterable[JoinedRow],
    counts: Counter[str],
    made_by: Mapping[str, object],
    parents: Sequence[Path],
    sources: Sequence[Path],
) -> int:
    """Write the tables and, if they have segments, the recordings of ``sources`` that these name."""
    if is_made(out, made_by):
        logger.info("%s is there already", out)
        return kept_rows(out)
    with new_directory(out) as temporary:
        write_tables([temporary / name for name in names], rows)
        write_recordings(temporary, [(source, "") for source in sources])
        if not counts["kept"]:
            raise DataError(f"no utterance of {parents[0]} is left for {out}; ask for another choice")
        write_info(temporary, made_by, counts=counts, parents=parents)
    logger.info("%s: kept %d utterances, left out %d", out, counts["kept"], counts["left_out"])
    return counts["kept"]


def kept_rows(directory: Path) -> int:
    """Read from info.json how many utterances a directory that was made here holds."""
    counts = read_info(directory)["counts"]
    assert isinstance(counts, dict)
    return int(counts["kept"])


class _Tally:
    """Add up lengths."""

    def __init__(self) -> None:
        self.rows, self.total, self.min, self.max = 0, 0, sys.maxsize, 0

    def add(self, length: int) -> None:
        """Count the length of one more value."""
        self.rows += 1
        self.total += length
        self.min = min(self.min, length)
        self.max = max(self.max, length)

    def lengths(self) -> Lengths:
        """Sum up; at least one length was added."""
        return Lengths(self.min, self.total / self.rows, self.max)
