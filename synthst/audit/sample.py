"""Read the sentences to be audited: synthetic and real targets of the same ids, all or a sample."""

import heapq
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from synthst.datadir import text_path
from synthst.errors import ConfigError, DataError
from synthst.lookup import quote
from synthst.tables import JoinedRow, join_tables, sort_rows

_NUMBER = re.compile(r"-h[0-9]+$")


class Pair(NamedTuple):
    """A source with its synthetic and, unless the audit has no references, its real target."""

    id: str
    source: str
    synthetic: str
    real: str | None


@dataclass(frozen=True)
class Sample:
    """What is audited, and how many rows there were.

    The order is that of a hash, so the first n pairs are a random sample, too. ``rows`` counts the synthetic
    directory, ``shared`` the ids that the real one has too, ``only_real`` those that only this has.
    """

    pairs: Sequence[Pair]
    rows: int
    shared: int
    only_real: int = 0

    @property
    def sources(self) -> list[str]:
        """The source sentences."""
        return [pair.source for pair in self.pairs]

    @property
    def sides(self) -> dict[str, list[str]]:
        """The targets by side, "real" first if there are any."""
        real = [pair.real for pair in self.pairs if pair.real is not None]
        return ({"real": real} if real else {}) | {"synthetic": [pair.synthetic for pair in self.pairs]}


def read_sample(
    synthetic: Path,
    real: Path | None,
    *,
    src: str,
    tgt: str,
    size: int,
    seed: int = 0,
    numbered: bool = False,
    folder: Path | None = None,
) -> Sample:
    """Read at most ``size`` pairs of ids that both directories have, chosen by a hash of id and ``seed``.

    Memory is for ``size`` pairs, whatever the directories hold. ``numbered`` synthetic ids end in -h1, -h2,
    ... for the several targets of one source; the references' do not. They are sorted in ``folder`` (the
    system's for temporary files, if None).
    Raises DataError when no id is in both, or an id has another source in one than in the other.
    """
    if size < 1:
        raise ConfigError(f"--sample is {size}; give the number of sentences to read at most, above 0")
    reader = _Reader(synthetic, real, src, tgt, numbered=numbered, folder=folder)

    def digest(pair: Pair) -> bytes:
        return blake2b(f"{seed} {pair.id}".encode(), digest_size=16).digest()

    pairs = heapq.nsmallest(size, reader.pairs(), key=digest)
    reader.check()
    return Sample(pairs, reader.rows, reader.shared, reader.only_real)


class _Reader:
    """Join two data directories by id, and count what only one of them has."""

    def __init__(
        self,
        synthetic: Path,
        real: Path | None,
        src: str,
        tgt: str,
        *,
        numbered: bool,
        folder: Path | None,
    ) -> None:
        self._synthetic, self._real, self._numbered, self._folder = synthetic, real, numbered, folder
        self._tables = [text_path(Path(), src).name, text_path(Path(), tgt).name]
        self.rows = self.shared = self.only_real = 0
        self._other_sources, self._first_other = 0, ""

    def pairs(self) -> Iterator[Pair]:
        """Yield what is in both directories."""
        reals = iter(()) if self._real is None else self._read(self._real)
        real, found = next(reals, None), False
        for id_, utterance, source, target in self._synthetic_rows():
            self.rows += 1
            while real is not None and real[0] < id_:
                self.only_real += not found
                real, found = next(reals, None), False
            if self._real is None:
                self.shared += 1
                yield Pair(utterance, source, target, None)
            elif real is not None and real[0] == id_:
                found = True
                self.shared += 1
                self._compare_sources(utterance, source, real[1][0])
                yield Pair(utterance, source, target, real[1][1])
        self.only_real += sum(1 for _ in reals) + (real is not None and not found)

    def _synthetic_rows(self) -> Iterator[tuple[str, str, str, str]]:
        """Yield the id that the reference has, the own one, source and target, in byte order of the first."""
        rows = self._read(self._synthetic)
        if not self._numbered:
            yield from ((utterance, utterance, source, target) for utterance, (source, target) in rows)
            return
        packed = ((_NUMBER.sub("", utterance), "\t".join([utterance, *values])) for utterance, values in rows)
        for id_, row in sort_rows(packed, folder=self._folder):
            utterance, source, target = row.split("\t")  # a table's values have no tabs
            yield id_, utterance, source, target

    def check(self) -> None:
        """Raise DataError when nothing is shared, or when sources differ."""
        if not self.shared:
            raise DataError(
                f"{self._synthetic} and {self._real} share no id, so nothing can be compared; name the "
                "directory with the references of the same ids (--real), or audit it --alone"
            )
        if self._other_sources:
            raise DataError(
                f"{self._other_sources:,} of {self.shared:,} ids have another source in {self._synthetic} "
                f"than in {self._real}, the first is {self._first_other}; these are not the same sentences: "
                "name the directory that the targets were made for (--real)"
            )

    def _read(self, directory: Path) -> Iterator[JoinedRow]:
        return join_tables([directory / name for name in self._tables])

    def _compare_sources(self, utterance: str, one: str, other: str) -> None:
        """Count another source; case and punctuation may differ, for a teacher may want them restored."""
        if one != other and _letters(one) != _letters(other):
            self._other_sources += 1
            self._first_other = self._first_other or f'{quote(utterance, one)} and "{other[:60]}"'


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))
