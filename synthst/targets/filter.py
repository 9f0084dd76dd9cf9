"""Drop sentence pairs that are no good to learn from, real or synthetic; count, list and show them."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tqdm import tqdm

from synthst.atomic import atomic_file
from synthst.datadir import new_directory, table_names, text_path
from synthst.errors import DataError
from synthst.info import is_made, write_info
from synthst.processes import count_workers
from synthst.speechtables import write_recordings
from synthst.tables import JoinedRow, join_tables, write_tables
from synthst.targets.filters.judge import Judge, Judgement, judged
from synthst.targets.filters.overlap import Overlap
from synthst.targets.filters.parse import describe_filters as describe_filters
from synthst.targets.filters.parse import parse_filters as parse_filters
from synthst.targets.filters.parse import read_filters as read_filters
from synthst.targets.filters.spec import CorpusFilter
from synthst.targets.filters.spec import FilterSpec as FilterSpec
from synthst.targets.filters.spec import Pair as Pair
from synthst.targets.filters.verdicts import Verdicts, open_verdicts

logger = logging.getLogger(__name__)

Drop = Callable[[Pair, str], None]


class Filters:
    """Filters in the order of a list: a pair falls to the first that drops it.

    ``counts`` ("kept", "dropped_<reason>", and "unknown_<reason>" for pairs that a filter could not judge) is
    complete when `decide` was read to its end. What exceeds memory goes to ``folder`` (the system's for
    temporary files, if None).
    """

    def __init__(
        self,
        specs: Sequence[FilterSpec],
        *,
        src: str,
        tgt: str,
        folder: Path | None = None,
        workers: int = 1,
    ) -> None:
        """Read what the filters need; ``workers`` are processes.

        Raises ConfigError for a filter that cannot work with these languages.
        """
        self._specs, self._folder, self._workers = list(specs), folder, workers
        self._judge = Judge(specs, src, tgt)
        self._compared = {number: spec for number, spec in enumerate(specs) if isinstance(spec, CorpusFilter)}
        self.counts = Counter({"kept": 0, **{f"dropped_{spec.reason}": 0 for spec in specs}})

    def decide(self, pairs: Callable[[], Iterator[Pair]]) -> Iterator[tuple[Pair, str]]:
        """Yield every pair with "" if it is kept, else the reason.

        ``pairs`` is called once, or twice where a filter compares pairs, and must give the same ones in the
        same order. Raises ConfigError when a filter needs what is not known of a pair.
        """
        if not self._compared:
            with judged(self._judge, pairs(), self._workers) as results:
                for pair, judgement in _shown(results):
                    self._count_unknown(judgement)
                    yield pair, self._count(judgement.fallen)
            return
        with ExitStack() as stack:  # DuckDB's threads come after the processes
            results = stack.enter_context(judged(self._judge, pairs(), self._workers))
            verdicts = stack.enter_context(open_verdicts(self._compared, folder=self._folder))
            total = self._collect(results, verdicts)
            fallen = verdicts.fallen()
            position, number = next(fallen, (total, 0))
            seen = 0
            for seen, pair in enumerate(pairs(), 1):
                falls = seen - 1 == position
                yield pair, self._count(number if falls else None)
                position, number = next(fallen, (total, 0)) if falls else (position, number)
        if seen != total:
            raise DataError(f"{total:,} pairs became {seen:,} while they were filtered; run again")

    def _collect(self, results: Iterator[tuple[Pair, Judgement]], verdicts: Verdicts) -> int:
        """Keep what is known of each pair by itself, and return the number of pairs."""
        total = 0
        for position, (_, judgement) in enumerate(_shown(results)):
            total += 1
            self._count_unknown(judgement)
            for number, value in judgement.values:
                verdicts.compare(position, number, value)
            if judgement.fallen is not None:
                verdicts.drop(position, judgement.fallen)
        return total

    def _count_unknown(self, judgement: Judgement) -> None:
        for number in judgement.unknown:
            self.counts[f"unknown_{self._specs[number].reason}"] += 1

    def _count(self, number: int | None) -> str:
        reason = "" if number is None else self._specs[number].reason
        self.counts[f"dropped_{reason}" if reason else "kept"] += 1
        return reason


def _shown(results: Iterator[tuple[Pair, Judgement]]) -> Iterator[tuple[Pair, Judgement]]:
    yield from tqdm(results, desc="filtering", unit=" pairs", disable=None)


@contextmanager
def dropped_pairs(out: Path, *, src: str, tgt: str, keep_texts: bool) -> Iterator[Drop]:
    """Open ``out``/dropped.tsv: id and reason of what the block drops by calling what it is given, in order.

    With ``keep_texts`` the sentences are in ``out``/dropped, a data directory unless some are empty, and all
    together in dropped/pairs.tsv: reason, id, source, target.
    """
    folder = out / "dropped"
    with ExitStack() as stack:
        reasons = stack.enter_context(atomic_file(out / "dropped.tsv"))
        if keep_texts:
            folder.mkdir()
            paths = [text_path(folder, src), text_path(folder, tgt), folder / "pairs.tsv"]
            sources, targets, together = (stack.enter_context(atomic_file(path)) for path in paths)

        def drop(pair: Pair, reason: str) -> None:
            reasons.write(f"{pair.id}\t{reason}\n".encode())
            if keep_texts:
                sources.write(f"{pair.id} {pair.source}".rstrip(" ").encode() + b"\n")
                targets.write(f"{pair.id} {pair.target}".rstrip(" ").encode() + b"\n")
                together.write(f"{reason}\t{pair.id}\t{pair.source}\t{pair.target}\n".encode())

        yield drop


def filter_datadir(
    data: Path,
    out: Path,
    *,
    src: str,
    tgt: str,
    filters: Path,
    held_out: list[Path] | None = None,
    keep_dropped: bool = False,
    workers: int | None = None,
) -> None:
    """Copy the pairs of a data directory, real or synthetic, that pass the filters of a YAML file.

    ``held_out`` are data directories of dev and test sets: what is in them, on either side, is dropped first.
    See conf/filters_mild.yaml for the file, and `filter_pairs` for what is written. ``workers`` are
    processes, by default one per core.
    """
    specs = read_filters(filters, held_out=held_out or [])
    filter_pairs(data, out, specs, src=src, tgt=tgt, keep_dropped=keep_dropped, workers=workers)


def filter_pairs(
    data: Path,
    out: Path,
    specs: Sequence[FilterSpec],
    *,
    src: str,
    tgt: str,
    keep_dropped: bool = False,
    workers: int | None = None,
) -> None:
    """Copy every table of ``data`` to ``out``, without the utterances whose pair of texts falls to a filter.

    Empty sentences may be in ``data`` if a filter drops them. dropped.tsv lists id and reason, info.json has
    the counts, and ``keep_dropped`` writes the sentences to ``out``/dropped (see `dropped_pairs`). Does
    nothing when ``out`` was made by the same arguments. made_by: step "filter_pairs" and the arguments but
    ``out``; not ``workers``, which change nothing. Raises DataError when nothing is kept.
    """
    made_by = {"step": "filter_pairs", "data": data, "src": src, "tgt": tgt}
    made_by |= {"filters": describe_filters(specs), "keep_dropped": keep_dropped}
    if is_made(out, made_by):
        logger.info("%s is there already", out)
        return
    names, workers = _tables(data, src, tgt), count_workers(workers)
    with new_directory(out) as temporary:
        chosen = Filters(specs, src=src, tgt=tgt, folder=temporary, workers=workers)
        with dropped_pairs(temporary, src=src, tgt=tgt, keep_texts=keep_dropped) as drop:
            kept = _kept_rows(data, names, chosen, drop)
            write_tables([temporary / name for name in names], kept)
        if not chosen.counts["kept"]:
            raise DataError(f"no pair of {data} is left ({told(chosen.counts)}); take milder filters")
        write_recordings(temporary, [(data, "")])
        sets = [directory for spec in specs if isinstance(spec, Overlap) for directory in spec.sets]
        write_info(temporary, made_by, counts=chosen.counts, parents=[data, *sets])
    logger.info("%s: %s", out, told(chosen.counts))


def told(counts: Counter[str]) -> str:
    """Say in a line what was kept and what fell to which filter."""
    return ", ".join(f"{reason} {count:,}" for reason, count in counts.items() if count or reason == "kept")


def _tables(data: Path, src: str, tgt: str) -> list[str]:
    """List the tables of a data directory, the two texts first."""
    names = table_names(data)
    texts = [text_path(data, lang).name for lang in (src, tgt)]
    if lacking := [name for name in texts if name not in names]:
        raise DataError(f"{data} has no {lacking[0]}; name a directory with both texts, or other languages")
    return texts + [name for name in names if name not in texts]


def _kept_rows(data: Path, names: Sequence[str], filters: Filters, drop: Drop) -> Iterator[JoinedRow]:
    """Yield the rows of the pairs that are kept, and drop the others."""

    def rows() -> Iterator[JoinedRow]:
        return join_tables([data / name for name in names], allow_empty=True)

    def pairs() -> Iterator[Pair]:
        return (Pair(utterance, values[0], values[1]) for utterance, values in rows())

    for (pair, reason), row in zip(filters.decide(pairs), rows(), strict=True):
        if pair.id != row[0]:
            raise DataError(f"{data} changed while it was read, at {row[0]}; run again")
        if reason:
            drop(pair, reason)
        else:
            yield row
