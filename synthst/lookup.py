"""Join the sentences of a text table with a translation store, by hash and text, out of core."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import batched
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa

from synthst.atomic import scratch_directory
from synthst.store import PART_SCHEMA, sound_parts, source_hash
from synthst.tables import read_table

BATCH_SCHEMA = pa.schema([("id", pa.string()), ("source_hash", pa.string()), ("source", pa.string())])

# One statement per join, each with a table as result: together they would need their memory at once.
# Two processes may both have decoded a source. Then the part with the smallest checksum counts: the choice
# depends on what the store holds, not on the order in which it is read.
KEY = "CAST('0x' || source_hash AS UHUGEINT)"
PARTS = f"""
    CREATE VIEW parts AS
    SELECT *, {KEY} AS key, CAST('0x' || substr(parse_filename(filename), 6, 16) AS UBIGINT) AS part
    FROM files WHERE rank = 0"""
CHOSEN = """
    CREATE TABLE chosen AS
    SELECT key, min(part) AS part FROM parts SEMI JOIN wanted USING (key) GROUP BY key"""
BEST = """
    CREATE TABLE best AS
    SELECT key, source, hypothesis, finished FROM parts SEMI JOIN chosen USING (key, part)"""
TRANSLATED = """
    CREATE TABLE translated AS
    SELECT wanted.id, wanted.key, wanted.source, best.hypothesis, best.finished
    FROM wanted LEFT JOIN best USING (key, source)"""
MISSING = "SELECT DISTINCT key, source FROM translated WHERE hypothesis IS NULL"
COMPLETENESS = """
    SELECT count(*), count(hypothesis), count(*) FILTER (NOT finished), count(*) FILTER (hypothesis = ''),
        min(id) FILTER (hypothesis IS NULL), arg_min(source, id) FILTER (hypothesis IS NULL)
    FROM translated"""


class Translation(NamedTuple):
    """The best hypothesis for one utterance; not finished means cut off at the length limit."""

    id: str
    source: str
    hypothesis: str
    finished: bool


@dataclass(frozen=True)
class Completeness:
    """How far a store covers a text table, in utterances; ``str()`` is the sentence to print."""

    wanted: int
    found: int
    cut_off: int
    empty: int
    first_missing: tuple[str, str] | None = None

    @property
    def missing(self) -> int:
        """The utterances without a translation."""
        return self.wanted - self.found

    def __str__(self) -> str:
        told = f"{self.found:,} of {self.wanted:,} sentences, {self.cut_off:,} cut off at the length limit"
        told += f", {self.empty:,} empty" if self.empty else ""
        return told + (f"; the first missing is {quote(*self.first_missing)}" if self.first_missing else "")


def quote(utterance: str, sentence: str, max_characters: int = 60) -> str:
    """Show an utterance in a message, a long sentence shortened."""
    shown = sentence if len(sentence) <= max_characters else f"{sentence[: max_characters - 3]}..."
    return f'{utterance} ("{shown}")'


class Lookup:
    """The utterances of a text table, each with its best translation or none; made by `look_up`."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def completeness(self) -> Completeness:
        """Count the utterances with and without a translation."""
        ((wanted, found, cut_off, empty, *first),) = self._connection.execute(COMPLETENESS).fetchall()
        return Completeness(wanted, found, cut_off, empty, tuple(first) if wanted > found else None)

    def count_missing(self) -> tuple[int, int]:
        """Count the distinct sources without a translation, and their characters."""
        counts = f"SELECT count(*), coalesce(sum(length(source)), 0) FROM ({MISSING})"
        ((sources, characters),) = self._connection.execute(counts).fetchall()
        return int(sources), int(characters)

    def missing_sources(self) -> Iterator[str]:
        """Yield every source without a translation once, the longest first.

        So neighbours are of similar length, and what does not fit into memory fails at once.
        """
        ordered = f"SELECT source FROM ({MISSING}) ORDER BY length(source) DESC, key, source"
        return (source for (source,) in self._stream(ordered))

    def translations(self) -> Iterator[Translation]:
        """Yield the utterances that have a translation, in byte order of id."""
        columns = "id, source, hypothesis, finished"
        ordered = f"SELECT {columns} FROM translated WHERE hypothesis IS NOT NULL ORDER BY id"
        return (Translation(*row) for row in self._stream(ordered))

    def _stream(self, query: str, rows_per_batch: int = 10_000) -> Iterator[tuple[Any, ...]]:
        for batch in self._connection.cursor().sql(query).to_arrow_reader(rows_per_batch):
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


@contextmanager
def look_up(store: Path, text: Path, *, memory_limit: str = "2GB") -> Iterator[Lookup]:
    """Join the sources of the table ``text`` with ``store`` as it is now.

    What exceeds ``memory_limit`` goes to a directory beside the store, which is removed at the end.
    Raises DataError when a part is damaged.
    """
    parts = sound_parts(store)
    with scratch_directory(store, "lookup") as folder:
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": memory_limit,
            "temp_directory": str(folder),
            "preserve_insertion_order": "false",
        }
        with duckdb.connect(config=config) as connection:
            _load_wanted(connection, text)
            _join_parts(connection, parts)
            yield Lookup(connection)


def check_store(store: Path, text: Path) -> Completeness:
    """Count which sources of the table ``text`` the store holds."""
    with look_up(store, text) as lookup:
        return lookup.completeness()


def _load_wanted(connection: duckdb.DuckDBPyConnection, text: Path, rows_per_batch: int = 50_000) -> None:
    connection.execute("CREATE TABLE wanted (id VARCHAR, key UHUGEINT, source VARCHAR)")
    for rows in batched(read_table(text), rows_per_batch):
        keyed = [(utterance, source_hash(source), source) for utterance, source in rows]
        connection.register(
            "batch", pa.table([list(column) for column in zip(*keyed, strict=True)], BATCH_SCHEMA)
        )
        connection.execute(f"INSERT INTO wanted SELECT id, {KEY}, source FROM batch")
        connection.unregister("batch")


def _join_parts(connection: duckdb.DuckDBPyConnection, parts: list[Path]) -> None:
    if parts:
        connection.read_parquet([str(part) for part in parts], filename=True).create_view("files")
    else:
        connection.register("files", PART_SCHEMA.append(pa.field("filename", pa.string())).empty_table())
    for statement in (PARTS, CHOSEN, BEST, TRANSLATED):
        connection.execute(statement)
    connection.execute("DROP TABLE wanted; DROP TABLE chosen; DROP TABLE best")
