"""Cut the sources of a corpus into the parts to decode, the same ones whoever asks and however often.

The plan lists the distinct sources that the store does not have from elsewhere, the longest first, and
cuts this list by size. What the plan's own parts have brought meanwhile is left out inside a part but
moves no cut: so a second run, or another machine with its share of the parts, cuts where the first did.
A part in the store says which plan it belongs to.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.parquet

from synthst.atomic import unwritable
from synthst.errors import ConfigError
from synthst.lookup import KEY, ROWS_PER_BATCH, load_sources, open_parts, scratch_database
from synthst.store import part_plan, sound_parts
from synthst.teacher.protocol import Hypothesis

BYTES_PER_TOKEN = 4

DISTINCT = "CREATE TABLE sources AS SELECT DISTINCT key, source FROM wanted; DROP TABLE wanted"
SUMMARY = "SELECT count(*), bit_xor(key) FROM sources"
STORED = f"SELECT {KEY} AS key, source FROM {{view}} WHERE rank = 0"
PLANNED = f"""
    CREATE TABLE planned AS
    SELECT key, source, EXISTS (FROM ({STORED.format(view="own")}) AS stored
        WHERE stored.key = sources.key AND stored.source = sources.source) AS done
    FROM sources ANTI JOIN ({STORED.format(view="others")}) USING (key, source);
    DROP TABLE sources"""
ORDERED = "SELECT source, done FROM planned ORDER BY strlen(source) DESC, key, source"


@dataclass(frozen=True)
class PartSize:
    """How much a part holds at most: what a killed process loses, and what a worker gets at a time.

    Teachers cut text differently and plans must not depend on them: so a token is four bytes of UTF-8 here.
    """

    tokens: int = 50_000
    sentences: int = 2_000

    def __post_init__(self) -> None:
        if min(self.tokens, self.sentences) < 1:
            raise ConfigError(
                f"a part shall have at most {self.tokens} tokens and {self.sentences} sentences; "
                "give 1 or more of both"
            )


@dataclass(frozen=True)
class Shard:
    """Which parts of a plan a process decodes: number, number + count, number + 2 count, ..."""

    number: int = 1
    count: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise ConfigError(f"the shard is {self.number}/{self.count}; give I/N with I from 1 to N")

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read I/N."""
        number, slash, count = text.partition("/")
        if not (slash and number.isdecimal() and count.isdecimal()):
            raise ConfigError(f"the shard is {text!r}; give I/N, 1/8 to 8/8 for eight jobs")
        return cls(int(number), int(count))

    def __contains__(self, part: int) -> bool:
        return part % self.count == self.number - 1


class TranslatedPart(NamedTuple):
    """Sources with the n-best list of each."""

    sources: Sequence[str]
    results: Sequence[Sequence[Hypothesis]]


@dataclass(frozen=True)
class Plan:
    """The parts that are to be decoded now: never empty ones, and those of one shard only.

    ``sources`` is the number of distinct sources of the corpus, ``stored`` how many of them are in the store.
    """

    id: str
    sources: int
    stored: int
    parts: int
    sentences: int
    characters: int
    file: Path

    def __iter__(self) -> Iterator[list[str]]:
        """Yield the sources of each part, the longest first."""
        if self.parts:
            with pyarrow.parquet.ParquetFile(self.file) as table:
                for number in range(self.parts):
                    yield table.read_row_group(number).column("source").to_pylist()


@contextmanager
def plan_parts(
    store: Path,
    text: Path,
    size: PartSize = PartSize(),
    shard: Shard = Shard(),  # noqa: B008 (frozen)
) -> Iterator[Plan]:
    """Cut the sources of the table ``text`` that ``store`` lacks, or those of them that are in ``shard``.

    The plan is a file beside the store while the block lasts; no memory is held.
    Raises DataError when a part of the store is damaged, or there is no room beside it.
    """
    parts = sound_parts(store)
    with scratch_database(store, "plan") as (connection, folder):
        load_sources(connection, text, f"{KEY} AS key, source")
        connection.execute(DISTINCT)
        plan_id, sources = _identify(connection, size)
        open_parts(connection, [part for part in parts if part_plan(part) == plan_id], "own")
        open_parts(connection, [part for part in parts if part_plan(part) != plan_id], "others")
        connection.execute(PLANNED)
        plan = _write_plan(connection, folder / "plan.parquet", plan_id, sources, size, shard)
        connection.close()
        yield plan


def _identify(connection: duckdb.DuckDBPyConnection, size: PartSize) -> tuple[str, int]:
    """Name the plan after what it cuts and how; return its name and the number of sources."""
    ((sources, keys),) = connection.execute(SUMMARY).fetchall()
    named = f"{sources} {keys} {size.tokens} {size.sentences}"
    return hashlib.blake2b(named.encode(), digest_size=16).hexdigest(), int(sources)


def _write_plan(
    connection: duckdb.DuckDBPyConnection,
    file: Path,
    plan_id: str,
    sources: int,
    size: PartSize,
    shard: Shard,
) -> Plan:
    """Write what is missing as a Parquet file with a row group for each part."""
    ((missing,),) = connection.execute("SELECT count(*) FILTER (NOT done) FROM planned").fetchall()
    parts = sentences = characters = 0
    schema = pa.schema([("source", pa.string())])
    try:
        with pyarrow.parquet.ParquetWriter(file, schema, compression="zstd") as writer:
            for number, part in enumerate(cut_parts(_stream(connection), size)):
                lacking = [source for source, done in part if not done]
                if lacking and number in shard:
                    writer.write_table(pa.table([lacking], schema), row_group_size=len(lacking))
                    parts += 1
                    sentences += len(lacking)
                    characters += sum(map(len, lacking))
    except OSError as error:
        raise unwritable(file, error) from error
    return Plan(plan_id, sources, sources - missing, parts, sentences, characters, file)


def _stream(connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, bool]]:
    for batch in connection.sql(ORDERED).to_arrow_reader(ROWS_PER_BATCH):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def cut_parts(rows: Iterable[tuple[str, bool]], size: PartSize) -> Iterator[list[tuple[str, bool]]]:
    """Cut rows, whose first field is a source, into parts of at most ``size``, of one source at least."""
    part: list[Any] = []
    tokens = 0
    for row in rows:
        more = reckon_tokens(row[0])
        if part and (tokens + more > size.tokens or len(part) == size.sentences):
            yield part
            part, tokens = [], 0
        part.append(row)
        tokens += more
    if part:
        yield part


def reckon_tokens(source: str) -> int:
    """Estimate a source's tokens without a tokeniser: a quarter of its UTF-8 bytes, rounded up."""
    return -(-len(source.encode()) // BYTES_PER_TOKEN)
