"""Bring a user's own parallel text in: one TSV file, or two files of which each line is a translation."""

import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from itertools import groupby, zip_longest
from pathlib import Path
from typing import NamedTuple, Never, Self

from synthst.datadir import new_directory, text_path, write_info
from synthst.errors import ConfigError, DataError
from synthst.tables import JoinedRow, Row, sort_rows, write_tables

logger = logging.getLogger(__name__)

_BLANK_CONTROL = re.compile(r"[\t\v\f\r\x1c-\x1f]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class _Pair(NamedTuple):
    """A sentence pair as it was read; ``dropped`` is the reason why it is not kept, or ""."""

    utterance: str
    line: int
    source: str
    target: str
    dropped: str = ""

    def to_line(self) -> str:
        """Put the fields, none of which holds a tab, into one text for sorting."""
        return "\t".join(map(str, self))

    @classmethod
    def from_line(cls, line: str) -> Self:
        """Read back what ``to_line`` made."""
        utterance, number, source, target, dropped = line.split("\t")
        return cls(utterance, int(number), source, target, dropped)


def import_pairs(
    out: Path,
    *,
    src: str,
    tgt: str,
    tsv: Path | None = None,
    src_file: Path | None = None,
    tgt_file: Path | None = None,
    id_prefix: str = "utt",
) -> None:
    """Make the data directory ``out`` of sentence pairs in the languages ``src`` and ``tgt``.

    They come from ``tsv``, lines of ``<id> TAB <source> TAB <target>``, or from ``src_file`` and
    ``tgt_file``, where the ids are ``<id_prefix>_<line number>``. Blanks at the ends of a sentence go (so
    CRLF does no harm); a tab or another blank control character within it becomes a blank. Pairs with an
    empty side, with another control character, and all but the first of equal pairs are dropped and counted.
    Raises DataError with file and line for bytes that are not UTF-8, a wrong number of fields, an id that is
    none or came already; with both counts when the two files do not have the same number of lines.
    """
    if src == tgt:
        raise ConfigError(f"source and target language are both {src}; name two languages")
    if not _is_id(f"{id_prefix}_1"):
        raise ConfigError(f"{id_prefix!r} cannot begin an id; give letters and digits")
    pairs, parents = _choose_reader(tsv, src_file, tgt_file, id_prefix)
    counts: Counter[str] = Counter()
    made_by = {"step": "import_pairs", "src": src, "tgt": tgt, "files": parents, "id_prefix": id_prefix}
    with new_directory(out) as temporary:
        rows = _kept(_sorted_by_id(_mark_duplicates(pairs, temporary), temporary), parents[0], counts)
        write_tables([text_path(temporary, src), text_path(temporary, tgt)], rows)
        if not counts["kept"]:
            raise DataError(
                f"no sentence pair of {parents[0]} can be kept: {_shown(counts)}; give other files"
            )
        write_info(temporary, made_by, counts=counts, parents=parents)
    logger.info("%s: %s", out, _shown(counts))


def _shown(counts: Counter[str]) -> str:
    return ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in counts.items()) or "no line"


def _choose_reader(
    tsv: Path | None, src_file: Path | None, tgt_file: Path | None, id_prefix: str
) -> tuple[Iterator[_Pair], list[Path]]:
    if tsv and not src_file and not tgt_file:
        return _read_tsv(tsv), [tsv]
    if src_file and tgt_file and not tsv:
        return _read_aligned(src_file, tgt_file, id_prefix), [src_file, tgt_file]
    raise ConfigError("give either a TSV file or both a source and a target file")


def _read_tsv(path: Path) -> Iterator[_Pair]:
    for number, line in _read_lines(path):
        fields = line.split("\t")
        if len(fields) != 3:
            _refuse(path, number, f"{len(fields)} fields", "write <id> TAB <source> TAB <target>")
        utterance = fields[0]
        if number == 1 and utterance.lower() == "id":
            _refuse(path, number, f"a heading, {' '.join(fields)!r}", "remove it")
        if not _is_id(utterance):
            _refuse(path, number, f"the id {utterance!r}", "write an id without blanks")
        yield _make_pair(utterance, number, fields[1], fields[2])


def _is_id(text: str) -> bool:
    return text.split() == [text] and not _CONTROL.search(text) and not text.startswith("\ufeff")


def _read_aligned(src_file: Path, tgt_file: Path, id_prefix: str) -> Iterator[_Pair]:
    sources = targets = 0
    for source, target in zip_longest(_read_lines(src_file), _read_lines(tgt_file)):
        sources += source is not None
        targets += target is not None
        if source and target:
            number = source[0]
            yield _make_pair(f"{id_prefix}_{number:09d}", number, source[1], target[1])
    if sources != targets:
        raise DataError(
            f"{src_file} has {sources:,} lines, {tgt_file} has {targets:,}; "
            "line n of one must be the translation of line n of the other: align the files again"
        )


def _read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Read the lines of a user's file, numbered from 1, without "\\n" and without a byte order mark."""
    try:
        file = open(path, "rb")  # noqa: SIM115
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}; name a file that exists") from error
    with file:
        for number, line in enumerate(file, 1):
            try:
                text = line.removesuffix(b"\n").decode("utf-8")
            except UnicodeDecodeError as error:
                found = f"byte {error.start + 1} is not UTF-8"
                _refuse(path, number, found, "convert the file with iconv -t UTF-8")
            yield number, text.removeprefix("\ufeff") if number == 1 else text


def _make_pair(utterance: str, line: int, source: str, target: str) -> _Pair:
    return _Pair(utterance, line, *tidy_pair(source, target))


def tidy_pair(source: str, target: str) -> tuple[str, str, str]:
    """Make texts fit for tables: return source, target and "", or two empty texts and why the pair goes.

    Blanks at the ends go, blank control characters within become blanks. The reasons are "empty" (a side) and
    "control_character".
    """
    source, target = (_BLANK_CONTROL.sub(" ", text).strip() for text in (source, target))
    if _CONTROL.search(source) or _CONTROL.search(target):
        return "", "", "control_character"
    if not source or not target:
        return "", "", "empty"
    return source, target, ""


def _mark_duplicates(pairs: Iterable[_Pair], folder: Path) -> Iterator[_Pair]:
    """Mark all but the first of equal pairs as dropped; the order becomes that of the pairs' hashes."""
    by_text = sort_rows(((_hash(pair), pair.to_line()) for pair in pairs), folder=folder)
    for _, group in groupby(by_text, key=lambda row: row[0]):
        for position, (_, value) in enumerate(group):
            pair = _Pair.from_line(value)
            is_copy = position > 0 and not pair.dropped
            yield pair._replace(source="", target="", dropped="duplicate") if is_copy else pair


def _hash(pair: _Pair) -> str:
    return blake2b(f"{pair.source}\t{pair.target}".encode(), digest_size=16).hexdigest()


def _sorted_by_id(pairs: Iterable[_Pair], folder: Path) -> Iterator[_Pair]:
    rows: Iterator[Row] = ((pair.utterance, pair.to_line()) for pair in pairs)
    return (_Pair.from_line(value) for _, value in sort_rows(rows, folder=folder))


def _kept(pairs: Iterable[_Pair], path: Path, counts: Counter[str]) -> Iterator[JoinedRow]:
    """Take the pairs that are not dropped, and count all; refuse an id that comes twice, dropped or not."""
    previous: _Pair | None = None
    for pair in pairs:
        counts["read"] += 1
        if previous and previous.utterance == pair.utterance:
            first, second = sorted((previous.line, pair.line))
            _refuse(path, second, f"the id {pair.utterance} came already in line {first}", "rename one")
        previous = pair
        counts[f"dropped_{pair.dropped}" if pair.dropped else "kept"] += 1
        if not pair.dropped:
            yield pair.utterance, (pair.source, pair.target)


def _refuse(path: Path, number: int, found: str, remedy: str) -> Never:
    raise DataError(f"{path}:{number}: {found}; {remedy}")
