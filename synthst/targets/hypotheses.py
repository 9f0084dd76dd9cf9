"""Turn stored n-best lists into the targets of a training set, counting what is changed and dropped."""

import heapq
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import tee
from pathlib import Path
from typing import Literal, NamedTuple

from synthst.errors import ConfigError, DataError
from synthst.lookup import quote
from synthst.nbest import NBest
from synthst.speechtables import attach_speech
from synthst.store import read_manifest
from synthst.tables import JoinedRow
from synthst.targets.candidates import Choice
from synthst.targets.candidates import clean as clean
from synthst.targets.filter import Drop, Filters, FilterSpec, Pair, describe_filters, read_filters
from synthst.targets.filters.overlap import Overlap
from synthst.targets.select import SelectOptions, describe_selection, select_targets

EmptyPolicy = Literal["error", "drop"]


@dataclass(frozen=True)
class TargetOptions:
    """What becomes of the stored hypotheses.

    A table cannot hold an empty target, and students that are to be compared must share ids: so an empty
    target is an error, unless ``empty`` is "drop" or a filter drops it. Cut-off hypotheses are kept unless
    ``drop_cut_off`` or a filter drops them. With ``nbest_targets`` above 1 each source gets that many
    different targets, with -h1, -h2, ... behind its id, the best first.
    """

    src: str
    tgt: str
    empty: EmptyPolicy = "error"
    drop_cut_off: bool = False
    select: SelectOptions = SelectOptions()  # noqa: RUF009 (frozen)
    nbest_targets: int = 1
    filters: tuple[FilterSpec, ...] = ()
    keep_dropped: bool = False

    def __post_init__(self) -> None:
        if self.empty not in ("error", "drop"):
            raise ConfigError(f"empty is {self.empty!r}; give error or drop")

    def made_by(self) -> dict[str, object]:
        """Say for info.json what was asked for; what came later only if it was."""
        made_by: dict[str, object] = {"src": self.src, "tgt": self.tgt}
        made_by |= {"empty": self.empty, "drop_cut_off": self.drop_cut_off}
        if self.select != SelectOptions():
            made_by["select"] = asdict(self.select)
        if self.nbest_targets != 1:
            made_by["nbest_targets"] = self.nbest_targets
        if self.filters:
            made_by["filters"] = describe_filters(self.filters)
        return made_by | ({"keep_dropped": True} if self.keep_dropped else {})

    @property
    def may_drop_empty(self) -> bool:
        """Tell whether an empty target is no error."""
        return self.empty == "drop" or any(spec.name == "empty" for spec in self.filters)

    @property
    def max_hypotheses(self) -> int | None:
        """Return how many hypotheses of each source have to be read; None for all."""
        return 1 if self.select.by == "first" and self.nbest_targets == 1 else None


class TargetRow(NamedTuple):
    """One target of an utterance, with what it has in the speech tables."""

    id: str
    source: str
    text: str
    is_cleaned: bool
    score: float
    tokens: int
    finished: bool
    speech: Sequence[str]


class Targets:
    """The utterances of a data directory with the targets chosen for them.

    ``prefix`` goes before their ids, recordings and speakers, ``names`` are the speech tables of the result.
    ``counts`` is complete when `rows` has been read to its end. Files are in the folder ``scratch``. Filters
    work in ``workers`` processes.
    """

    def __init__(
        self,
        nbest: NBest,
        data: Path,
        options: TargetOptions,
        *,
        scratch: Path,
        names: Sequence[str] = (),
        prefix: str = "",
        workers: int = 1,
    ) -> None:
        self._nbest, self._data, self._options = nbest, data, options
        self._scratch, self._names, self._prefix = scratch, names, prefix
        langs = {"src": options.src, "tgt": options.tgt}
        self._filters = Filters(options.filters, **langs, folder=scratch, workers=workers)
        self._first_empty = ""
        reasons = ("kept", "kept_cleaned", "kept_cut_off", "dropped_empty", "dropped_cut_off")
        self.counts = Counter(dict.fromkeys([*reasons, *self._filters.counts], 0))

    def rows(self, drop: Drop) -> Iterator[JoinedRow]:
        """Yield (id, (source, target, speech...)) in byte order of id; tell ``drop`` of all others, in order.

        Raises DataError at the end for empty hypotheses that are not to be dropped, and when nothing is kept.
        """
        for row, reason in self._decide():
            if reason:
                self._drop(drop, row, reason)
                continue
            self.counts["kept"] += 1
            self.counts["kept_cleaned"] += row.is_cleaned
            self.counts["kept_cut_off"] += not row.finished
            yield row.id, (row.source, row.text, *row.speech)
        self.counts.update({key: n for key, n in self._filters.counts.items() if key.startswith("unknown_")})
        self._check()

    def _decide(self) -> Iterator[tuple[TargetRow, str]]:
        """Yield every target with "" if it is kept, else the reason."""
        if not self._options.filters:
            yield from ((row, self._flaw(row)) for row in self._chosen())
            return
        path = self._scratch / "targets.jsonl"  # to choose may take long and filters may look twice
        _save_rows(path, self._chosen())
        self._nbest.close()  # whose threads must not be there when the filters' processes are forked
        fit = self._filters.decide(lambda: (_pair(row) for row in _load_rows(path) if not self._flaw(row)))
        for row in _load_rows(path):
            yield row, self._flaw(row) or next(fit)[1]
        assert next(fit, None) is None  # and its counts are complete

    def _chosen(self) -> Iterator[TargetRow]:
        options = self._options
        choices = select_targets(
            self._nbest,
            options.select,
            nbest_targets=options.nbest_targets,
            data=self._data,
            tgt=options.tgt,
            scratch=self._scratch,
            counts=self.counts,
        )
        choices, ids = tee(choices)
        utterances: Iterator[JoinedRow] = ((choice.id, ()) for choice in ids)
        spoken = attach_speech(utterances, self._data, self._nbest.text, self._names, prefix=self._prefix)
        return number_targets(zip(choices, spoken, strict=True), several=options.nbest_targets > 1)

    def _flaw(self, row: TargetRow) -> str:
        if not row.text:
            return "empty"
        return "cut_off" if self._options.drop_cut_off and not row.finished else ""

    def _drop(self, drop: Drop, row: TargetRow, reason: str) -> None:
        self.counts[f"dropped_{reason}"] += 1
        drop(_pair(row), reason)
        if reason == "empty":
            self._first_empty = self._first_empty or quote(row.id, row.source)

    def _check(self) -> None:
        store, empty = self._nbest.store, self.counts["dropped_empty"]
        if empty and not self._options.may_drop_empty:
            raise DataError(
                f"{store} has {empty:,} empty hypotheses for {self._data}, the first is for "
                f"{self._first_empty}; train the teacher longer, or drop them (--empty drop) and restrict "
                "whatever is compared to the same ids"
            )
        if not self.counts["kept"]:
            raise DataError(
                f"{store} leaves no target for {self._data}: {dict(self.counts)}; mend the teacher, or take "
                "milder filters"
            )


def number_targets(utterances: Iterable[tuple[Choice, JoinedRow]], *, several: bool) -> Iterator[TargetRow]:
    """Yield the targets of utterances that come in byte order of id, in byte order of their own ids.

    These are the utterances', with -h1, -h2, ... behind if there may be ``several``. As a longer id can come
    between one and its numbered ones (a, a!, a-h1), rows wait until no smaller id can follow.
    """
    waiting: list[TargetRow] = []
    for choice, (utterance, speech) in utterances:
        while waiting and waiting[0].id <= utterance:
            yield heapq.heappop(waiting)
        for number, target in enumerate(choice.candidates, 1):
            name = f"{utterance}-h{number}" if several else utterance
            heapq.heappush(waiting, TargetRow(name, choice.source, *target[1:], speech))
    while waiting:
        yield heapq.heappop(waiting)


def provenance(store: Path, options: TargetOptions) -> dict[str, object]:
    """Say for info.json which teacher made the targets, and how they were chosen."""
    manifest = read_manifest(store)
    selection = describe_selection(options.select, options.tgt)
    found = {"teacher": manifest["teacher"], "settings": manifest["settings"]}
    return found | ({"selection": selection} if selection else {})


def _pair(row: TargetRow) -> Pair:
    return Pair(row.id, row.source, row.text, row.score, row.tokens, row.finished)


def _save_rows(path: Path, rows: Iterable[TargetRow]) -> None:
    with open(path, "w", encoding="ascii", newline="\n") as file:
        file.writelines(f"{json.dumps(row)}\n" for row in rows)


def _load_rows(path: Path) -> Iterator[TargetRow]:
    with open(path, encoding="ascii", newline="\n") as file:
        yield from (TargetRow(*json.loads(line)) for line in file)


def read_filter_lists(filters: Path | None, held_out: Sequence[Path] | None) -> tuple[FilterSpec, ...]:
    """Read the filters of a file, if any, with `overlap` with ``held_out``, if any, before them."""
    if filters is not None:
        return tuple(read_filters(filters, held_out=held_out or ()))
    return (Overlap(sets=tuple(held_out)),) if held_out else ()
