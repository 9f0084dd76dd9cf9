"""Filters by what is there: empty or cut-off targets, lengths and their ratio."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

from synthst.targets.filters.spec import Pair, PairFilter, UnknownPolicy, refuse
from synthst.targets.filters.words import split_words

Unit = Literal["tokens", "characters"]


def count_units(text: str, unit: Unit) -> int:
    """Measure a text in characters, or in tokens: the words that `split_words` finds."""
    return len(text) if unit == "characters" else len(split_words(text))


@dataclass(frozen=True)
class Empty(PairFilter):
    """Drop a pair of which one side is empty."""

    name: ClassVar[str] = "empty"

    def test(self, src: str, tgt: str) -> Callable[[Pair], bool]:
        """Look at both sides."""
        return lambda pair: not (pair.source.strip() and pair.target.strip())


@dataclass(frozen=True)
class CutOff(PairFilter):
    """Drop a target that the teacher did not finish before its length limit; most of them are loops.

    Only targets from a translation store are known to be cut off or not.
    """

    name: ClassVar[str] = "cut_off"
    needs: ClassVar[Literal["", "score", "finished"]] = "finished"
    unknown: UnknownPolicy = "error"

    def test(self, src: str, tgt: str) -> Callable[[Pair], bool]:
        """Look at what the teacher said."""
        return lambda pair: not pair.finished


@dataclass(frozen=True)
class Length(PairFilter):
    """Drop a pair of which one side is shorter than ``min_length`` or longer than ``max_length``.

    Moses' clean-corpus-n.perl (Koehn et al., ACL 2007); 1 to 250 tokens is what fairseq's WMT recipes keep.
    """

    name: ClassVar[str] = "length"
    unit: Unit = "tokens"
    min_length: int = 1
    max_length: int = 250

    def __post_init__(self) -> None:
        if not 0 <= self.min_length <= self.max_length:
            refuse(self, f"from {self.min_length} to {self.max_length}", "a least, at most the greatest")

    @property
    def reason(self) -> str:
        """Say which length it was."""
        return f"{self.name}_{self.unit}"

    def test(self, src: str, tgt: str) -> Callable[[Pair], bool]:
        """Measure both sides."""
        fits = range(self.min_length, self.max_length + 1)
        return lambda pair: (
            count_units(pair.source, self.unit) not in fits or count_units(pair.target, self.unit) not in fits
        )


@dataclass(frozen=True)
class LengthRatio(PairFilter):
    """Drop a pair of which one side is more than ``max_ratio`` times as long as the other, and ``max_extra``.

    Lengths of translations are proportional, in characters most of all (Gale and Church, Computational
    Linguistics 1993); Moses' cleaning takes 9 in tokens, OpusFilter 3 (Aulamo et al., ACL 2020), after which
    the default. ``max_extra`` is for short sentences, in which a ratio says little. Where one language needs
    more units, ``target_per_source`` says how many for one of the source's.
    """

    name: ClassVar[str] = "length_ratio"
    unit: Unit = "characters"
    max_ratio: float = 3.0
    max_extra: int = 10
    target_per_source: float = 1.0

    def __post_init__(self) -> None:
        if self.max_ratio < 1 or self.max_extra < 0 or self.target_per_source <= 0:
            found = f"max_ratio {self.max_ratio}, max_extra {self.max_extra}"
            found += f", target_per_source {self.target_per_source}"
            refuse(self, found, "a ratio from 1, an extra from 0, and a target_per_source above 0")

    @property
    def reason(self) -> str:
        """Say in which unit."""
        return f"{self.name}_{self.unit}"

    def test(self, src: str, tgt: str) -> Callable[[Pair], bool]:
        """Compare the longer side with the shorter."""

        def is_disproportionate(pair: Pair) -> bool:
            expected = count_units(pair.source, self.unit) * self.target_per_source
            found = count_units(pair.target, self.unit)
            return max(expected, found) > self.max_ratio * min(expected, found) + self.max_extra

        return is_disproportionate
