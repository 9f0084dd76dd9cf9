"""Read, write, join and merge tables: one ``<id> <value>`` line per utterance, sorted by id in byte order.

An id holds neither blanks nor control characters. A value is any text without control characters (C0,
which includes the tab, and DEL) that neither begins nor ends with a blank; a blank is what ``str.isspace``
says, so that no program that strips lines can change a value. U+0085, U+2028, U+00A0 and their kind are
therefore legal inside a value, and lines end in "\\n" only. Code point order, in which Python compares
strings, is UTF-8's byte order.
"""

import heapq
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO, Never

from synthst.atomic import atomic_file
from synthst.errors import DataError
from synthst.sorting import Row as Row
from synthst.sorting import sort_rows as sort_rows

JoinedRow = tuple[str, tuple[str, ...]]

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def read_table(path: Path, *, allow_empty: bool = False) -> Iterator[Row]:
    """Read the rows of a table one by one.

    With ``allow_empty`` a line may be ``<id>`` or ``<id> `` and its value is "". Raises DataError with file,
    line and remedy at the first line that breaks the rules above, or that lacks its newline.
    """
    previous = ""
    with _open(path) as file:
        for number, line in enumerate(file, 1):
            utterance, _, value = _decode(line, path, number).partition(" ")
            _check(utterance, value, previous, path, number, allow_empty)
            previous = utterance
            yield utterance, value


def write_table(path: Path, rows: Iterable[Row], *, allow_empty: bool = False) -> int:
    """Write a table, whole or not at all, and return the number of rows.

    An empty value is written as ``<id>``; everything else that was read comes out byte by byte the same.
    Raises DataError for what ``read_table`` would refuse, and when the disk is full.
    """
    return write_tables([path], ((utterance, (value,)) for utterance, value in rows), allow_empty=allow_empty)


def write_tables(paths: Sequence[Path], rows: Iterable[JoinedRow], *, allow_empty: bool = False) -> int:
    """Write the values of each row to one table each, the inverse of ``join_tables``; return the rows.

    Raises DataError for what ``read_table`` would refuse, and when the disk is full.
    """
    count = 0
    with ExitStack() as stack:
        appends = [stack.enter_context(_new_table(path, allow_empty=allow_empty)) for path in paths]
        for utterance, values in rows:
            for append, value in zip(appends, values, strict=True):
                append(utterance, value)
            count += 1
    return count


def join_tables(paths: Sequence[Path], *, allow_empty: bool = False) -> Iterator[JoinedRow]:
    """Read tables together: each id once, with its values in the order of ``paths``.

    Ids that a table lacks are left out and counted; at the end they raise DataError with the counts and the
    first of them. So only a join that was read to its end is complete.
    """
    lacking = _Lacking(paths)
    tables = [enumerate(read_table(path, allow_empty=allow_empty), 1) for path in paths]
    heads = [next(table, None) for table in tables]
    while ids := {head[1][0] for head in heads if head}:
        utterance = min(ids)
        lacking.ids += 1
        if len(ids) == 1 and all(heads):
            yield utterance, tuple([head[1][1] for head in heads if head])
            heads = [next(table, None) for table in tables]
        else:
            lines = {index: head[0] for index, head in enumerate(heads) if head and head[1][0] == utterance}
            lacking.record(utterance, lines)
            heads = [
                next(tables[index], None) if index in lines else head for index, head in enumerate(heads)
            ]
    lacking.refuse()


def merge_rows(sources: Sequence[Iterable[JoinedRow]], *, names: Sequence[str]) -> Iterator[JoinedRow]:
    """Merge the sorted rows of several sources into one sorted stream.

    Rows whose id came already are left out and counted; at the end they raise DataError, which calls the
    sources by their ``names``.
    """
    streams = [_labelled(rows, index) for index, rows in enumerate(sources)]
    total, twice, first = 0, 0, ""
    for utterance, group in groupby(heapq.merge(*streams), key=itemgetter(0)):
        (_, one, values), *others = group
        total += 1
        yield utterance, values
        if others:
            twice += 1
            first = first or f"{utterance} (in {names[one]} and in {names[others[0][1]]})"
    if twice:
        raise DataError(
            f"{twice:,} of {total:,} ids occur twice in {' and '.join(names)}, the first is {first}; "
            "every id must be in one of them only: remove the rows from the others, or rename them"
        )


def _labelled(rows: Iterable[JoinedRow], index: int) -> Iterator[tuple[str, int, tuple[str, ...]]]:
    return ((utterance, index, values) for utterance, values in rows)


class _Lacking:
    """Count, per table, the ids that are in another one but not in this."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths
        self.ids = 0
        self.counts = [0] * len(paths)
        self.firsts = [""] * len(paths)

    def record(self, utterance: str, lines: Mapping[int, int]) -> None:
        """Note an id that only the tables in ``lines`` (index to line number) have."""
        index, line = next(iter(lines.items()))
        for lacking in set(range(len(self.paths))) - set(lines):
            self.counts[lacking] += 1
            self.firsts[lacking] = self.firsts[lacking] or f"{utterance} ({self.paths[index]}:{line})"

    def refuse(self) -> None:
        """Raise DataError if any table lacked an id."""
        found = [
            f"{path} lacks {count:,} of {self.ids:,} ids, the first is {first}"
            for path, count, first in zip(self.paths, self.counts, self.firsts, strict=True)
            if count
        ]
        if found:
            raise DataError("; ".join(found) + "; add these lines, or remove the ids from the other tables")


@contextmanager
def _new_table(path: Path, *, allow_empty: bool) -> Iterator[Callable[[str, str], None]]:
    """Open a table for writing; the block appends its rows."""
    previous, number = "", 0

    def append(utterance: str, value: str) -> None:
        nonlocal previous, number
        number += 1
        _check(utterance, value, previous, path, number, allow_empty)
        previous = utterance
        file.write(_encode(f"{utterance} {value}\n" if value else f"{utterance}\n", path, number))

    with atomic_file(path) as file:
        yield append


def _open(path: Path) -> BinaryIO:
    try:
        return open(path, "rb")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}; make it or name another file") from error


def _decode(line: bytes, path: Path, number: int) -> str:
    if not line.endswith(b"\n"):
        _refuse(path, number, "the last line has no newline", "the file was cut short: make or copy it again")
    try:
        return line[:-1].decode("utf-8")
    except UnicodeDecodeError as error:
        _refuse(path, number, f"byte {error.start + 1} is not UTF-8", "convert the file with iconv -t UTF-8")


def _encode(line: str, path: Path, number: int) -> bytes:
    try:
        return line.encode("utf-8")
    except UnicodeEncodeError as error:
        character = ord(line[error.start])
        _refuse(path, number, f"a lone surrogate U+{character:04X}", "it is no text: remove it or the row")


def _check(utterance: str, value: str, previous: str, path: Path, number: int, allow_empty: bool) -> None:
    """Raise DataError if a row breaks a rule of tables or does not come after ``previous``."""
    if not (utterance.isprintable() and value.isprintable()):
        _check_characters(f"{utterance} {value}", path, number)
    if utterance.split() != [utterance]:
        found = f"the id {utterance!r} holds a blank" if utterance else "no id at the start of the line"
        _refuse(path, number, found, "write <id>, one blank, <value>")
    bare = value.strip()
    if not bare and not allow_empty:
        _refuse(path, number, f"{utterance} has an empty value", "remove its row from every table")
    if bare != value:
        _refuse(path, number, f"a blank at an end of the value of {utterance}", "remove it")
    if utterance <= previous:
        _refuse_order(utterance, previous, path, number)


def _check_characters(text: str, path: Path, number: int) -> None:
    if text.startswith("\ufeff"):
        _refuse(path, number, "a byte order mark", "remove the first three bytes of the line")
    match = _CONTROL.search(text)
    if match and match[0] == "\r":
        _refuse(
            path, number, "a carriage return (CRLF?)", f"lines end in \\n only: tr -d '\\r' < {path.name}"
        )
    if match:
        name = "a tab" if match[0] == "\t" else f"the control character U+{ord(match[0]):04X}"
        _refuse(
            path, number, f"{name} at character {match.start() + 1}", "put a blank in its place or remove it"
        )


def _refuse_order(utterance: str, previous: str, path: Path, number: int) -> Never:
    if utterance == previous:
        _refuse(path, number, f"the id {utterance} came already", "remove one of the two rows or rename it")
    found = f"the id {utterance} comes after {previous}, out of byte order"
    _refuse(path, number, found, f"sort the rows: LC_ALL=C sort {path.name}")


def _refuse(path: Path, number: int, found: str, remedy: str) -> Never:
    raise DataError(f"{path}:{number}: {found}; {remedy}")
