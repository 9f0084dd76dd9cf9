"""Add source-only text or speech, translated by the teacher, to a training set."""

import logging
from pathlib import Path

from synthst.atomic import atomic_file
from synthst.datadir import new_directory, text_path
from synthst.info import is_made, write_info
from synthst.lookup import look_up
from synthst.speechtables import attach_speech, joined_speech_tables, write_recordings
from synthst.tables import join_tables, merge_rows, write_tables
from synthst.targets.hypotheses import EmptyPolicy, Targets, provenance

logger = logging.getLogger(__name__)


def expand_targets(
    base: Path,
    extra: Path,
    store: Path,
    out: Path,
    *,
    src: str,
    tgt: str,
    prefix: str = "",
    empty: EmptyPolicy = "error",
    drop_cut_off: bool = False,
) -> None:
    """Write ``base`` and the sources of ``extra`` with their best hypotheses in ``store`` to ``out``.

    No reference in ``extra`` is read. ``prefix`` goes before the ids of ``extra``, and those of its
    recordings and speakers. Both have speech, or neither; the result has segments if one of them has.
    Otherwise this is as `replace_targets`; info.json counts base and, for ``extra``, what `Targets` counts.
    made_by: step "expand_targets" and the arguments but ``out``.
    Raises DataError when the store lacks a source sentence or an id is in both.
    """
    made_by = {"step": "expand_targets", "base": base, "extra": extra, "store": store, "prefix": prefix}
    made_by |= {"src": src, "tgt": tgt, "empty": empty, "drop_cut_off": drop_cut_off}
    if is_made(out, made_by):
        logger.info("%s is there already", out)
        return
    with look_up(store, text_path(extra, src)) as lookup, new_directory(out) as temporary:
        targets = Targets(lookup, store, extra, empty=empty, drop_cut_off=drop_cut_off)
        rows = _write_tables(base, extra, targets, temporary, src=src, tgt=tgt, prefix=prefix)
        counts = {"base": rows - targets.counts["kept"], **targets.counts}
        write_info(temporary, made_by, counts=counts, parents=[base, extra, store], **provenance(store))
    logger.info("%s: %s", out, ", ".join(f"{reason} {count:,}" for reason, count in counts.items()))


def _write_tables(
    base: Path, extra: Path, targets: Targets, out: Path, *, src: str, tgt: str, prefix: str
) -> int:
    """Write the tables of both, and dropped.tsv; return the number of rows."""
    speech = joined_speech_tables([base, extra])
    tables = [text_path(out, src), text_path(out, tgt), *(out / name for name in speech)]
    pairs = join_tables([text_path(base, src), text_path(base, tgt)])
    old = attach_speech(pairs, base, text_path(base, src), speech)
    with atomic_file(out / "dropped.tsv") as dropped:
        new = attach_speech(targets.rows(dropped), extra, text_path(extra, src), speech, prefix=prefix)
        rows = write_tables(tables, merge_rows([old, new], names=[str(base), str(extra)]))
    write_recordings(out, [(base, ""), (extra, prefix)])
    return rows
