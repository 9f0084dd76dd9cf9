"""Turn stored hypotheses into targets that a table can hold, counting what is changed and dropped."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal

from synthst.errors import ConfigError, DataError
from synthst.lookup import Lookup, quote
from synthst.store import read_manifest
from synthst.tables import JoinedRow

EmptyPolicy = Literal["error", "drop"]

REASONS = ("kept", "kept_cleaned", "kept_cut_off", "dropped_empty", "dropped_cut_off")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


class Targets:
    """The utterances of a lookup with their best hypotheses as targets.

    A table cannot hold an empty target, and students that are to be compared must share ids: so an empty
    hypothesis is an error, unless ``empty`` is "drop". Cut-off hypotheses are kept unless ``drop_cut_off``.
    ``counts`` is complete when `rows` has been read to its end.
    """

    def __init__(
        self, lookup: Lookup, store: Path, data: Path, *, empty: EmptyPolicy, drop_cut_off: bool
    ) -> None:
        """Raise DataError when ``store`` lacks a source of ``data``."""
        if empty not in ("error", "drop"):
            raise ConfigError(f"empty is {empty!r}; give error or drop")
        _refuse_missing(lookup, store, data)
        self._lookup, self._store, self._data = lookup, store, data
        self._empty, self._drop_cut_off = empty, drop_cut_off
        self._first_empty = ""
        self.counts = Counter(dict.fromkeys(REASONS, 0))

    def rows(self, dropped: BinaryIO) -> Iterator[JoinedRow]:
        """Yield (id, (source, target)) in byte order of id and list what is dropped in ``dropped``.

        Raises DataError at the end for empty hypotheses that are not to be dropped, and when nothing is kept.
        """
        for utterance, source, hypothesis, finished in self._lookup.translations():
            target = clean(hypothesis)
            if not target or (self._drop_cut_off and not finished):
                self._drop(dropped, utterance, source, "cut_off" if target else "empty")
                continue
            self.counts["kept"] += 1
            self.counts["kept_cleaned"] += target != hypothesis
            self.counts["kept_cut_off"] += not finished
            yield utterance, (source, target)
        self._check()

    def _drop(self, dropped: BinaryIO, utterance: str, source: str, reason: str) -> None:
        self.counts[f"dropped_{reason}"] += 1
        dropped.write(f"{utterance}\t{reason}\n".encode())
        if reason == "empty":
            self._first_empty = self._first_empty or quote(utterance, source)

    def _check(self) -> None:
        if self._empty == "error" and self.counts["dropped_empty"]:
            raise DataError(
                f"{self._store} has {self.counts['dropped_empty']:,} empty hypotheses for {self._data}, "
                f"the first is for {self._first_empty}; choose to drop them (empty: drop) and restrict "
                "whatever is compared to the same ids"
            )
        if not self.counts["kept"]:
            raise DataError(
                f"{self._store} leaves no target for {self._data}: {dict(self.counts)}; mend the teacher"
            )


def clean(hypothesis: str) -> str:
    """Put one blank in place of control characters and remove blanks at the ends."""
    return _CONTROL.sub(" ", hypothesis).strip()


def provenance(store: Path) -> dict[str, object]:
    """Say for info.json which teacher made the targets, and how."""
    manifest = read_manifest(store)
    return {"teacher": manifest["teacher"], "settings": manifest["settings"]}


def _refuse_missing(lookup: Lookup, store: Path, data: Path) -> None:
    found = lookup.completeness()
    if found.first_missing:
        raise DataError(
            f"{store} lacks {found.missing:,} of {found.wanted:,} sources of {data}, the first is "
            f"{quote(*found.first_missing)}; run stage 3 again to finish decoding"
        )
