"""Find in the translation store how a teacher scored each synthetic target, and whether it was cut off."""

from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synthst.audit.sample import Sample
from synthst.store import sound_parts, source_hash
from synthst.targets.candidates import clean

_HYPOTHESES = """
    SELECT source, hypothesis, score, finished
    FROM read_parquet($parts, filename = true) SEMI JOIN wanted USING (source_hash)
    ORDER BY rank DESC, filename DESC"""


@dataclass(frozen=True)
class Stored:
    """By pair: ``cut_off`` at the length limit, the teacher's ``score``, and whether the store has it."""

    found: NDArray[np.bool_]
    cut_off: NDArray[np.bool_]
    score: NDArray[np.float64]


def find_stored(store: Path, sample: Sample, *, memory_limit: str = "1GB") -> Stored:
    """Look up each synthetic target among the hypotheses of its source, of whatever rank."""
    stored = _read_hypotheses(store, sample, memory_limit)
    rows = [stored.get((pair.source, pair.synthetic), (np.nan, True)) for pair in sample.pairs]
    return Stored(
        found=np.array([(pair.source, pair.synthetic) in stored for pair in sample.pairs], bool),
        cut_off=np.array([not finished for _, finished in rows], bool),
        score=np.array([score for score, _ in rows], float),
    )


def _read_hypotheses(
    store: Path, sample: Sample, memory_limit: str
) -> dict[tuple[str, str], tuple[float, bool]]:
    """Map source and hypothesis, as a target is written, to score and whether it ended; low ranks count."""
    parts = [str(part) for part in sound_parts(store)]
    wanted = pa.table({"source_hash": sorted({source_hash(source) for source in sample.sources})})
    if not parts:
        return {}
    with duckdb.connect(config={"memory_limit": memory_limit}) as connection:
        connection.execute("SET enable_progress_bar = false")
        connection.register("wanted", wanted)
        rows = connection.execute(_HYPOTHESES, {"parts": parts}).fetchall()
    return {(source, clean(hypothesis)): (score, finished) for source, hypothesis, score, finished in rows}
