"""Read the n-best lists of a translation store for the sentences of a text table, out of core."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from synthst.database import MEMORY_LIMIT
from synthst.errors import DataError
from synthst.lookup import KEYS, ROWS_PER_BATCH, load_sources, open_parts, quote, scratch_database
from synthst.store import sound_parts
from synthst.tables import read_table

# Sentences are numbered by their place in the table: ids and sources are read from it again, in the same
# order, and need no room here but for a second hash. One statement per join, each with a table as result:
# together they would need their memory at once. Of several parts with a source that with the smallest
# checksum counts, as in a lookup.
PARTS = f"""
    CREATE VIEW parts AS
    SELECT *, {KEYS}, CAST('0x' || substr(parse_filename(filename), 6, 16) AS UBIGINT) AS part FROM files"""
CHOSEN = """
    CREATE TABLE chosen AS
    SELECT key, other_key, min(part) AS part
    FROM (SELECT key, other_key, part FROM parts WHERE rank = 0) SEMI JOIN wanted USING (key, other_key)
    GROUP BY key, other_key"""
PLACES = """
    CREATE TABLE places AS
    SELECT position, key, other_key, part FROM wanted LEFT JOIN chosen USING (key, other_key)"""
HYPOTHESES = """
    CREATE TABLE hypotheses AS
    SELECT position, rank, hypothesis, score, tokens, finished
    FROM parts JOIN places USING (key, other_key, part) WHERE rank < {max_rank}"""
MISSING = "SELECT count(*), min(position) FROM places WHERE part IS NULL"
ORDERED = "SELECT * FROM hypotheses ORDER BY position, rank"


class StoredHypothesis(NamedTuple):
    """A hypothesis as the teacher wrote it; rank 0 is its best, not finished means cut off."""

    rank: int
    text: str
    score: float
    tokens: int
    finished: bool


class NBestList(NamedTuple):
    """An utterance with the hypotheses for its source, the teacher's best first; at least one."""

    id: str
    source: str
    hypotheses: list[StoredHypothesis]


class NBest:
    """The n-best lists for a text table; made by `read_nbest`."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, store: Path, text: Path) -> None:
        """Raise DataError when the store lacks a source of the table."""
        self._connection, self.store, self.text = connection, store, text
        self._refuse_missing()

    def lists(self) -> Iterator[NBestList]:
        """Yield the list of every utterance in byte order of id; each call begins anew."""
        found = groupby(self._stream(ORDERED), key=itemgetter(0))
        for (utterance, source), (_, rows) in zip(read_table(self.text), found, strict=True):
            yield NBestList(utterance, source, [StoredHypothesis(*row[1:]) for row in rows])

    def close(self) -> None:
        """Let memory, files and threads go before the block ends; there are no lists to read any more."""
        self._connection.close()

    def _refuse_missing(self) -> None:
        ((missing, first),) = self._connection.execute(MISSING).fetchall()
        if missing:
            ((wanted,),) = self._connection.execute("SELECT count(*) FROM places").fetchall()
            shown = quote(*next(islice(read_table(self.text), first, None)))
            raise DataError(
                f"{self.store} lacks {missing:,} of {wanted:,} sources of {self.text.parent}, the first is "
                f"{shown}; run stage 3 again to finish decoding"
            )

    def _stream(self, query: str) -> Iterator[tuple[Any, ...]]:
        for batch in self._connection.cursor().sql(query).to_arrow_reader(ROWS_PER_BATCH):
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


@contextmanager
def read_nbest(
    store: Path, text: Path, *, max_hypotheses: int | None = None, memory_limit: str = MEMORY_LIMIT
) -> Iterator[NBest]:
    """Join the sources of the table ``text`` with the lists in ``store``, cut to ``max_hypotheses`` each.

    What exceeds ``memory_limit`` goes to a directory beside the store, which is removed at the end.
    Raises DataError when a part is damaged or the store lacks a source.
    """
    parts = sound_parts(store)
    with scratch_database(store, "nbest", memory_limit=memory_limit) as (connection, _):
        load_sources(connection, text, f"position, {KEYS}")
        open_parts(connection, parts, "files")
        cut = HYPOTHESES.format(max_rank=2**31 - 1 if max_hypotheses is None else max_hypotheses)
        for statement in (PARTS, CHOSEN, PLACES, "DROP TABLE wanted; DROP TABLE chosen", cut):
            connection.execute(statement)
        yield NBest(connection, store, text)
