"""Remember which pair fell to which filter, and compare pairs with each other, out of core."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pyarrow as pa

from synthst.database import MEMORY_LIMIT, open_database
from synthst.targets.filters.spec import CorpusFilter, Value

_ROWS = 50_000


class Verdicts:
    """A table of pairs that fell, by position and number of the filter, and one per comparing filter."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, filters: Mapping[int, CorpusFilter]) -> None:
        self._connection, self._filters = connection, filters
        self._fallen: list[tuple[int, int]] = []
        self._values: dict[int, list[tuple[int, Value]]] = {number: [] for number in filters}
        connection.execute("CREATE TABLE fallen (position BIGINT, filter INTEGER)")
        for number in filters:
            connection.execute(f"CREATE TABLE values{number} (position BIGINT, value {self._type(number)})")

    def drop(self, position: int, number: int) -> None:
        """Say that a pair fell to a filter."""
        self._fallen.append((position, number))
        if len(self._fallen) == _ROWS:
            self._flush()

    def compare(self, position: int, number: int, value: Value) -> None:
        """Give a comparing filter the value of a pair that no filter before it dropped on sight."""
        self._values[number].append((position, value))
        if len(self._values[number]) == _ROWS:
            self._flush()

    def fallen(self) -> Iterator[tuple[int, int]]:
        """Let the filters compare, in their order; yield position and filter of what fell, by position."""
        self._flush()
        for number, one in self._filters.items():
            before = f"(SELECT position FROM fallen WHERE filter < {number}) AS before"
            self._connection.execute(
                f"CREATE OR REPLACE TABLE alive AS FROM values{number} ANTI JOIN {before} USING (position);"
                f"DROP TABLE values{number};"
                f"INSERT INTO fallen SELECT position, {number} FROM ({one.query})"
            )
        first = "SELECT position, min(filter) FROM fallen GROUP BY position ORDER BY position"
        for batch in self._connection.cursor().sql(first).to_arrow_reader(_ROWS):
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)

    def _type(self, number: int) -> str:
        return "DOUBLE" if self._filters[number].compares == "numbers" else "BLOB"

    def _flush(self) -> None:
        self._insert("fallen", self._fallen, pa.int32())
        for number, rows in self._values.items():
            numbers = self._filters[number].compares == "numbers"
            self._insert(f"values{number}", rows, pa.float64() if numbers else pa.binary())

    def _insert(
        self, table: str, rows: list[tuple[int, int]] | list[tuple[int, Value]], kind: pa.DataType
    ) -> None:
        if rows:
            positions, values = zip(*rows, strict=True)
            batch = pa.table([pa.array(positions, pa.int64()), pa.array(values, kind)], ["position", "value"])
            self._connection.register("batch", batch)
            self._connection.execute(f"INSERT INTO {table} SELECT position, value FROM batch")
            self._connection.unregister("batch")
            rows.clear()


@contextmanager
def open_verdicts(
    filters: Mapping[int, CorpusFilter], *, folder: Path | None = None, memory_limit: str = MEMORY_LIMIT
) -> Iterator[Verdicts]:
    """Make empty tables; what exceeds ``memory_limit`` goes to ``folder``, or the system's if None.

    Raises DataError when the disk or the memory does not suffice.
    """
    with TemporaryDirectory(prefix="synthst-filter-", dir=folder) as scratch:
        task = f"{Path(scratch).parent}: to compare pairs in it"
        with open_database(Path(scratch), task, memory_limit=memory_limit) as connection:
            yield Verdicts(connection, filters)
