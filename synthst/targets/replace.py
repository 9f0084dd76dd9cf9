"""Put the teacher's translations in place of a data directory's real targets."""

import logging
from collections import Counter
from pathlib import Path

from synthst.atomic import scratch_directory
from synthst.datadir import new_directory, text_path
from synthst.info import is_made, write_info
from synthst.multilingual import refuse_pairs
from synthst.nbest import NBest, read_nbest
from synthst.processes import count_workers
from synthst.speechtables import joined_speech_tables, write_recordings
from synthst.tables import write_tables
from synthst.targets.filter import dropped_pairs
from synthst.targets.hypotheses import EmptyPolicy, TargetOptions, Targets, provenance, read_filter_lists
from synthst.targets.select import SelectOptions, check_choice

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
    select: SelectOptions = SelectOptions(),  # noqa: B008 (frozen)
    nbest_targets: int = 1,
    filters: Path | None = None,
    held_out: list[Path] | None = None,
    keep_dropped: bool = False,
    workers: int | None = None,
) -> None:
    """Copy text.<src> of ``data`` to ``out``, with hypotheses in ``store`` as text.<tgt>.

    All targets are replaced or none, each by the best by ``select``; those of ``data`` are read to choose by
    bleu or chrf only. With ``nbest_targets`` above 1 a source comes that many times, as <id>-h1, ... Dropped
    is what falls to the ``filters`` of a YAML file (as conf/filters_mild.yaml; in ``workers`` processes, one
    per core by default), what is in the directories ``held_out``, and what `TargetOptions` says.
    ``out``/dropped.tsv lists ids and reasons, ``out``/dropped has the texts with ``keep_dropped``, info.json
    the counts. Does nothing when ``out`` was made by the same arguments. made_by: step "replace_targets" and
    the arguments but ``out``, ``workers``. Raises DataError when a source is not in ``store``.
    """
    refuse_pairs(data)
    specs = read_filter_lists(filters, held_out)
    options = TargetOptions(src, tgt, empty, drop_cut_off, select, nbest_targets, specs, keep_dropped)
    made_by = {"step": "replace_targets", "data": data, "store": store, **options.made_by()}
    if is_made(out, made_by):
        logger.info("%s is there already", out)
        return
    check_choice(store, select, nbest_targets)
    text, cut, workers = text_path(data, src), options.max_hypotheses, count_workers(workers)
    with read_nbest(store, text, max_hypotheses=cut) as nbest, new_directory(out) as folder:
        counts = _write_tables(data, nbest, options, folder, workers)
        parents = [data, store, *(held_out or [])]
        write_info(folder, made_by, counts=counts, parents=parents, **provenance(store, options))
    logger.info("%s: %s", out, ", ".join(f"{reason} {count:,}" for reason, count in counts.items()))


def _write_tables(data: Path, nbest: NBest, options: TargetOptions, out: Path, workers: int) -> Counter[str]:
    """Write the tables, and what is dropped; return the counts."""
    speech = joined_speech_tables([data])
    tables = [text_path(out, options.src), text_path(out, options.tgt), *(out / name for name in speech)]
    with (
        scratch_directory(out / "text", "choosing") as scratch,
        dropped_pairs(out, src=options.src, tgt=options.tgt, keep_texts=options.keep_dropped) as drop,
    ):
        targets = Targets(nbest, data, options, scratch=scratch, names=speech, workers=workers)
        write_tables(tables, targets.rows(drop))
    write_recordings(out, [(data, "")])
    return targets.counts
