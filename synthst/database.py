"""Open DuckDB so that what it is asked for takes disk, not memory."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from synthst.errors import DataError

MEMORY_LIMIT = "1GB"  # of the joins; batches on their way through Python come on top, some 300 MB
MAX_THREADS = 4  # each needs a share of the memory


@contextmanager
def open_database(
    folder: Path, task: str, *, memory_limit: str = MEMORY_LIMIT
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an empty database; what exceeds ``memory_limit`` goes to ``folder``.

    Rows have no order but the one that a query asks for. Raises DataError, "<task> takes more room for
    passing files beside it", when the disk or the memory does not suffice.
    """
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory_limit,
        "temp_directory": str(folder / "spill"),
        "preserve_insertion_order": "false",
        "threads": min(os.cpu_count() or 1, MAX_THREADS),
    }
    try:
        with duckdb.connect(config=config) as connection:
            connection.execute("SET enable_progress_bar = false")
            yield connection
    except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
        told = str(error).split("\n", 1)[0]
        raise DataError(
            f"{task} takes more room for passing files beside it ({told}); nothing was changed: free some "
            "space there and run again"
        ) from error
