"""Put the teacher's translations in place of a data directory's real targets."""

import logging
from pathlib import Path

from synthst.atomic import atomic_file
from synthst.datadir import new_directory, text_path
from synthst.info import is_made, write_info
from synthst.lookup import look_up
from synthst.speechtables import attach_speech, joined_speech_tables, write_recordings
from synthst.tables import write_tables
from synthst.targets.hypotheses import EmptyPolicy, Targets, provenance

logger = logging.getLogger(__name__)


def replace_targets(
    data: Path,
    store: Path,
    out: Path,
    *,
    src: str,
    tgt: str,
    empty: EmptyPolicy = "error",
    drop_cut_off: bool = False,
) -> None:
    """Copy text.<src> of ``data`` to ``out``, with the best hypotheses in ``store`` as text.<tgt>.

    All targets are replaced or none, and those of ``data`` are not read. What `Targets` drops is dropped from
    both sides and listed in ``out``/dropped.tsv as id and reason; info.json has the counts. If ``data`` has
    speech, ``out`` has the speech tables of what is kept. Does nothing when ``out`` was made by the same
    arguments. made_by: step "replace_targets" and the arguments but ``out``.
    Raises DataError when the store lacks a source sentence.
    """
    made_by = {"step": "replace_targets", "data": data, "store": store, "src": src, "tgt": tgt}
    made_by |= {"empty": empty, "drop_cut_off": drop_cut_off}
    if is_made(out, made_by):
        logger.info("%s is there already", out)
        return
    with look_up(store, text_path(data, src)) as lookup, new_directory(out) as temporary:
        targets = Targets(lookup, store, data, empty=empty, drop_cut_off=drop_cut_off)
        speech = joined_speech_tables([data])
        tables = [
            text_path(temporary, src),
            text_path(temporary, tgt),
            *(temporary / name for name in speech),
        ]
        with atomic_file(temporary / "dropped.tsv") as dropped:
            rows = targets.rows(dropped)
            write_tables(tables, attach_speech(rows, data, text_path(data, src), speech))
        write_recordings(temporary, [(data, "")])
        write_info(temporary, made_by, counts=targets.counts, parents=[data, store], **provenance(store))
    logger.info("%s: %s", out, ", ".join(f"{reason} {count:,}" for reason, count in targets.counts.items()))
