"""Add source-only text or speech, translated by the teacher, to a training set."""

import logging
from collections import Counter
from pathlib import Path

from synthst.atomic import scratch_directory
from synthst.datadir import new_directory, text_path
from synthst.errors import ConfigError
from synthst.info import is_made, write_info
from synthst.multilingual import refuse_pairs
from synthst.nbest import NBest, read_nbest
from synthst.processes import count_workers
from synthst.speechtables import attach_speech, joined_speech_tables, write_recordings
from synthst.tables import join_tables, merge_rows, write_tables
from synthst.targets.filter import dropped_pairs
from synthst.targets.hypotheses import EmptyPolicy, TargetOptions, Targets, provenance, read_filter_lists
from synthst.targets.select import SelectOptions, check_choice

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
    select: SelectOptions = SelectOptions(),  # noqa: B008 (frozen)
    nbest_targets: int = 1,
    filters: Path | None = None,
    held_out: list[Path] | None = None,
    keep_dropped: bool = False,
    workers: int | None = None,
) -> None:
    """Write ``base`` and the sources of ``extra`` with hypotheses in ``store`` to ``out``.

    No reference in ``extra`` is read, ``base`` stays as it is. ``prefix`` goes before the ids of ``extra``,
    its recordings and speakers. Both have speech, or neither. Otherwise this is as `replace_targets`;
    info.json counts base and what `Targets` counts. Raises DataError when an id is in both.
    """
    _refuse_unfit(base, extra, select)
    specs = read_filter_lists(filters, held_out)
    options = TargetOptions(src, tgt, empty, drop_cut_off, select, nbest_targets, specs, keep_dropped)
    made_by = {"step": "expand_targets", "base": base, "extra": extra, "store": store, "prefix": prefix}
    made_by |= options.made_by()
    if is_made(out, made_by):
        logger.info("%s is there already", out)
        return
    check_choice(store, select, nbest_targets)
    text, cut, workers = text_path(extra, src), options.max_hypotheses, count_workers(workers)
    with read_nbest(store, text, max_hypotheses=cut) as nbest, new_directory(out) as folder:
        counts = _write_tables(base, extra, nbest, options, folder, prefix=prefix, workers=workers)
        parents = [base, extra, store, *(held_out or [])]
        write_info(folder, made_by, counts=counts, parents=parents, **provenance(store, options))
    logger.info("%s: %s", out, ", ".join(f"{reason} {count:,}" for reason, count in counts.items()))


def _refuse_unfit(base: Path, extra: Path, select: SelectOptions) -> None:
    for directory in (base, extra):
        refuse_pairs(directory)
    if select.by in ("bleu", "chrf"):
        raise ConfigError(f"select.by is {select.by}, but extra text has no references; give mbr_{select.by}")


def _write_tables(
    base: Path,
    extra: Path,
    nbest: NBest,
    options: TargetOptions,
    out: Path,
    *,
    prefix: str,
    workers: int,
) -> Counter[str]:
    """Write the tables of both, and what is dropped; return the counts."""
    speech = joined_speech_tables([base, extra])
    source, target = text_path(base, options.src), text_path(base, options.tgt)
    old = attach_speech(join_tables([source, target]), base, source, speech)
    with (
        scratch_directory(out / "text", "choosing") as scratch,
        dropped_pairs(out, src=options.src, tgt=options.tgt, keep_texts=options.keep_dropped) as drop,
    ):
        targets = Targets(
            nbest, extra, options, scratch=scratch, names=speech, prefix=prefix, workers=workers
        )
        tables = [out / source.name, out / target.name, *(out / name for name in speech)]
        rows = write_tables(tables, merge_rows([old, targets.rows(drop)], names=[str(base), str(extra)]))
    write_recordings(out, [(base, ""), (extra, prefix)])
    return Counter({"base": rows - targets.counts["kept"], **targets.counts})
