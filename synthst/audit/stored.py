"""Find in the translation store how a teacher scored each synthetic target, and whether it was cut off."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synthst.audit.sample import Sample
from synthst.database import open_database
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


def find_stored(store: Path, sample: Sample, *, folder: Path) -> Stored:
    """Look up each synthetic target among the hypotheses of its source, of whatever rank.

    What exceeds memory goes to ``folder``. Raises DataError when the disk does not suffice.
    """
    stored = _read_hypotheses(store, sample, folder)
    rows = [stored.get((pair.source, pair.synthetic), (np.nan, True)) for pair in sample.pairs]
    return Stored(
        found=np.array([(pair.source, pair.synthetic) in stored for pair in sample.pairs], bool),
        cut_off=np.array([not finished for _, finished in rows], bool),
        score=np.array([score for score, _ in rows], float),
    )


def _read_hypotheses(store: Path, sample: Sample, folder: Path) -> dict[tuple[str, str], tuple[float, bool]]:
    """Map source and hypothesis, as a target is written, to score and whether it ended; low ranks count."""
    parts = [str(part) for part in sound_parts(store)]
    wanted = pa.table({"source_hash": sorted({source_hash(source) for source in sample.sources})})
    if not parts:
        return {}
    with (
        TemporaryDirectory(dir=folder) as scratch,
        open_database(Path(scratch), f"{folder}: to read {store}") as connection,
    ):
        connection.register("wanted", wanted)
        rows = connection.execute(_HYPOTHESES, {"parts": parts}).fetchall()
    return {(source, clean(hypothesis)): (score, finished) for source, hypothesis, score, finished in rows}
