"""A teacher that is a file: translations made elsewhere, by any program, taken by source or by id."""

import hashlib
import logging
import math
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from synthst.datadir import text_path
from synthst.errors import ConfigError, DataError
from synthst.lookup import quote
from synthst.tables import read_table
from synthst.teacher.protocol import Hypothesis, SearchSettings

logger = logging.getLogger(__name__)

HEADERS = [(key, "hypothesis", *score) for key in ("source", "id") for score in ((), ("score",))]

# The database is a temporary file that SQLite itself removes, so a file of any size needs little memory.
TABLES = """
    CREATE TABLE rows (key TEXT, hypothesis TEXT, score REAL);
    CREATE TABLE wanted (id TEXT, source TEXT)"""
INDEXES = "CREATE INDEX rows_by_key ON rows (key); CREATE INDEX wanted_by_source ON wanted (source)"
BY_SOURCE = "CREATE VIEW translations AS SELECT key AS source, rowid AS line, hypothesis, score FROM rows"
BY_ID = """
    CREATE VIEW translations AS SELECT source, rows.rowid AS line, hypothesis, score
    FROM wanted JOIN rows ON rows.key = wanted.id"""
NBEST = """
    SELECT hypothesis, max(score) FROM translations WHERE source = ?
    GROUP BY hypothesis ORDER BY max(score) DESC, min(line) LIMIT ?"""
LACKING = """
    SELECT count(*), min(id), source FROM wanted
    WHERE NOT EXISTS (SELECT 1 FROM translations WHERE translations.source = wanted.source)"""
AMBIGUOUS = """
    SELECT count(*) FROM (SELECT 1 FROM translations WHERE source IN (SELECT source FROM wanted)
    GROUP BY source HAVING count(DISTINCT hypothesis) > ?)"""


class FileTeacher:
    """Look translations up in a TSV file.

    The first line names the columns: ``source`` or ``id``, ``hypothesis`` and, if there is one, ``score``
    (higher is better), between tabs. Nothing is quoted or escaped. A source must be that of the data,
    character by character; ids are those of ``data``. Several rows for one source are its n-best list, the
    highest score first, then in the file's order. Utterances of one source share its translations.
    """

    def __init__(
        self, path: Path, settings: SearchSettings, *, data: Path | None = None, src: str | None = None
    ) -> None:
        """Read ``path``; raise DataError at once when it lacks a sentence of ``data``'s text.<src>."""
        self.settings = settings
        self._path = path
        if not path.is_file():
            raise DataError(f"{path} is no file; name a TSV file of translations")
        with path.open("rb") as file:
            checksum = hashlib.file_digest(file, "sha256").hexdigest()
        self.identity = {"kind": "file", "name": path.name, "sha256": checksum}
        lines = _read_lines(path)
        header = _header(path, next(lines, ("", ()))[1])
        key = header[0]
        if key == "id" and (data is None or src is None):
            raise ConfigError(f"{path} is by id; give the data directory and source language of the ids")
        self._database = sqlite3.connect("", check_same_thread=False)
        self._database.executescript(TABLES)
        self._database.executemany(
            "INSERT INTO rows VALUES (?, ?, ?)", (_row(where, fields, header) for where, fields in lines)
        )
        if data is not None and src is not None:
            self._database.executemany("INSERT INTO wanted VALUES (?, ?)", read_table(text_path(data, src)))
        self._database.executescript(f"{INDEXES}; {BY_ID if key == 'id' else BY_SOURCE}")
        self._check(data)

    def translate(self, sources: Sequence[str]) -> list[list[Hypothesis]]:
        """Return the file's translations; a token is a word here. Raise DataError when one is lacking."""
        found = [
            self._database.execute(NBEST, (source, self.settings.nbest)).fetchall() for source in sources
        ]
        lacking = [source for source, rows in zip(sources, found, strict=True) if not rows]
        if lacking:
            raise DataError(
                f"{self._path} lacks {len(lacking):,} of {len(sources):,} sources, "
                f"the first is {lacking[0]!r}; add them to the file"
            )
        return [[Hypothesis(text, score, len(text.split()), True) for text, score in rows] for rows in found]

    def _check(self, data: Path | None) -> None:
        ((lacking, first, source),) = self._database.execute(LACKING)
        ((wanted,),) = self._database.execute("SELECT count(*) FROM wanted")
        if lacking:
            raise DataError(
                f"{self._path} lacks {lacking:,} of {wanted:,} sentences of {data}, the first is "
                f"{quote(first, source)}; add them to the file"
            )
        ((ambiguous,),) = self._database.execute(AMBIGUOUS, (self.settings.nbest,))
        if ambiguous:
            logger.warning(
                "%s has more than %d translations for %d sources; the best scored or first ones are taken",
                self._path,
                self.settings.nbest,
                ambiguous,
            )


def _read_lines(path: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the place and the fields of each line."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            where = f"{path}:{number}"
            if not line.endswith(b"\n") or line.endswith(b"\r\n"):
                raise DataError(
                    f"{where} does not end in one \\n; write the file anew, whole and without \\r"
                )
            try:
                yield where, tuple(line[:-1].decode("utf-8").split("\t"))
            except UnicodeDecodeError as error:
                raise DataError(f"{where} is not UTF-8 ({error.reason}); convert the file") from None


def _header(path: Path, fields: tuple[str, ...]) -> tuple[str, ...]:
    if fields not in HEADERS:
        wanted = " or ".join("<TAB>".join(header) for header in HEADERS)
        raise DataError(
            f"{path}:1 is {'<TAB>'.join(fields)!r}; make it a header that names the columns, {wanted}"
        )
    return fields


def _row(where: str, fields: tuple[str, ...], header: tuple[str, ...]) -> tuple[str, str, float]:
    if len(fields) != len(header):
        raise DataError(f"{where} has {len(fields)} fields, the header has {len(header)}; mend the line")
    try:
        score = float(fields[2]) if len(header) == 3 else 0.0
    except ValueError:
        score = math.nan
    if not math.isfinite(score):
        raise DataError(f"{where} has the score {fields[2]!r}; give a number")
    return fields[0], fields[1], score
