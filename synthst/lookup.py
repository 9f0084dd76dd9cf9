"""Join the sentences of a text table with a translation store, by two hashes, out of core."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import batched, islice
from pathlib import Path

import duckdb
import pyarrow as pa

from synthst.atomic import scratch_directory, unwritable
from synthst.database import MEMORY_LIMIT, open_database
from synthst.store import PART_SCHEMA, sound_parts, source_hash
from synthst.tables import read_table

BATCH_SCHEMA = pa.schema([("position", pa.int64()), ("source_hash", pa.string()), ("source", pa.string())])
KEY = "CAST('0x' || source_hash AS UHUGEINT)"
KEYS = f"{KEY} AS key, hash(source) AS other_key"

ROWS_PER_BATCH = 20_000

# Two processes may both have decoded a source. Then the part with the smallest checksum counts: the choice
# depends on what the store holds, not on the order in which it is read.
BEST = f"""
    CREATE TABLE best AS
    SELECT key, other_key, arg_min(finished, part) AS finished, arg_min(empty, part) AS empty
    FROM (SELECT {KEYS}, finished, hypothesis = '' AS empty,
        CAST('0x' || substr(parse_filename(filename), 6, 16) AS UBIGINT) AS part FROM files WHERE rank = 0)
    SEMI JOIN wanted USING (key, other_key)
    GROUP BY key, other_key"""
COMPLETENESS = """
    SELECT count(*), count(finished), count(*) FILTER (NOT finished), count(*) FILTER (empty),
        min(position) FILTER (finished IS NULL)
    FROM wanted LEFT JOIN best USING (key, other_key)"""


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


def check_store(store: Path, text: Path) -> Completeness:
    """Count which sources of the table ``text`` the store holds.

    Raises DataError when a part is damaged, or there is no room for passing files beside the store.
    """
    parts = sound_parts(store)
    with scratch_database(store, "check") as (connection, _):
        load_sources(connection, text, f"position, {KEYS}")
        open_parts(connection, parts, "files")
        connection.execute(BEST)
        ((wanted, found, cut_off, empty, first),) = connection.execute(COMPLETENESS).fetchall()
    missing = None if first is None else next(islice(read_table(text), first, None))
    return Completeness(wanted, found, cut_off, empty, missing)


@contextmanager
def scratch_database(
    store: Path, purpose: str, *, memory_limit: str = MEMORY_LIMIT
) -> Iterator[tuple[duckdb.DuckDBPyConnection, Path]]:
    """Open an empty database with the directory beside ``store`` that takes what exceeds ``memory_limit``.

    The directory is the block's to use too, and is removed at the end. Raises DataError when it cannot be
    made, and when the disk or the memory does not suffice.
    """
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(scratch_directory(store, purpose))
        except OSError as error:
            raise unwritable(store, error) from error
        database = open_database(folder, f"{store}: to read it", memory_limit=memory_limit)
        yield stack.enter_context(database), folder


def load_sources(connection: duckdb.DuckDBPyConnection, text: Path, columns: str) -> None:
    """Make the table "wanted" of the table ``text``.

    Its ``columns``, in SQL, are made of position (0, 1, ...), source_hash and source.
    """
    connection.register("batch", BATCH_SCHEMA.empty_table())
    connection.execute(f"CREATE TABLE wanted AS SELECT {columns} FROM batch")
    for rows in batched(enumerate(read_table(text)), ROWS_PER_BATCH):
        keyed = [(place, source_hash(source), source) for place, (_, source) in rows]
        batch = pa.table([list(column) for column in zip(*keyed, strict=True)], BATCH_SCHEMA)
        connection.register("batch", batch)
        connection.execute(f"INSERT INTO wanted SELECT {columns} FROM batch")
    connection.unregister("batch")


def open_parts(connection: duckdb.DuckDBPyConnection, parts: list[Path], view: str) -> None:
    """Make a view of parts of a store, with their rows' ``filename``."""
    if parts:
        connection.read_parquet([str(part) for part in parts], filename=True).create_view(view)
    else:
        connection.register(view, PART_SCHEMA.append(pa.field("filename", pa.string())).empty_table())
