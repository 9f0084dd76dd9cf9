"""Filters by what a target says: copies of the source, loops, damaged characters."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from synthst.targets.filters.spec import Pair, PairFilter, refuse
from synthst.targets.filters.words import normalise_word, split_words, top_ngram_count


@dataclass(frozen=True)
class Copy(PairFilter):
    """Drop a target that is the source again: ``max_overlap`` or more of its words are in the source.

    Words with letters count, whatever their case and the punctuation at them; a target of fewer than
    ``min_words`` is kept, for it may be a name. Copies teach to copy: of all noise they harm most (Khayrallah
    and Koehn, WNMT 2018), and beam search finds them (Ott et al., ICML 2018, who call an overlap of one half
    a copy).
    """

    name: ClassVar[str] = "copy"
    max_overlap: float = 0.9
    min_words: int = 4

    def __post_init__(self) -> None:
        if not 0 < self.max_overlap <= 1 or self.min_words < 1:
            found = f"max_overlap {self.max_overlap}, min_words {self.min_words}"
            refuse(self, found, "an overlap above 0, at most 1, and at least one word")

    def test(self, src: str, tgt: str) -> Callable[[Pair], bool]:
        """Count the target's words that the source has, each as often as it is there."""

        def is_copy(pair: Pair) -> bool:
            target = _lettered_words(pair.target)
            if len(target) < self.min_words:
                return False
            source = _lettered_words(pair.source)
            least = self.max_overlap * len(target)
            if len([word for word in target if word in source]) < least:  # cheap, and enough for most
                return False
            return (Counter(target) & Counter(source)).total() >= least

        return is_copy


def _lettered_words(text: str) -> list[str]:
    """Return the words with a letter in them, normalised."""
    return [word for word in map(normalise_word, split_words(text)) if word]


@dataclass(frozen=True)
class Repetition(PairFilter):
    """Drop a target that goes round in circles while its source does not.

    Either its most frequent sequence of ``n`` words occurs ``excess`` times more than the source's: Raunak et
    al. (NAACL 2021) find oscillatory hallucinations so; Guerreiro et al. (EACL 2023) take n = 4 and 2, the
    defaults. Or a string of up to 10 characters comes ``max_loops`` times in a row inside a word, and none
    does in the source: 0 looks for none.
    """

    name: ClassVar[str] = "repetition"
    n: int = 4
    excess: int = 2
    max_loops: int = 8

    def __post_init__(self) -> None:
        if min(self.n, self.excess) < 1 or (self.max_loops < 2 and self.max_loops):
            found = f"n {self.n}, excess {self.excess}, max_loops {self.max_loops}"
            refuse(self, found, "1 or more for the first two, 2 or more, or 0, for the last")

    def test(self, src: str, tgt: str) -> Callable[[Pair], bool]:
        """Compare the target's repetitions with the source's."""
        loop = re.compile(rf"(.{{1,10}}?)\1{{{self.max_loops - 1}}}")

        def goes_round(pair: Pair) -> bool:
            words = split_words(pair.target)
            found = top_ngram_count(words, self.n)
            if found >= self.excess and found >= self.excess + self._in_source(pair.source):
                return True
            return self._has_loop(loop, words) and not self._has_loop(loop, split_words(pair.source))

        return goes_round

    def _in_source(self, source: str) -> int:
        return top_ngram_count(split_words(source), self.n)

    def _has_loop(self, loop: re.Pattern[str], words: tuple[str, ...]) -> bool:
        """Look into the words with as many repeated characters as a loop has at least."""
        least = self.max_loops - 1
        repetitive = (word for word in words if len(word) > least and len(word) - len(set(word)) >= least)
        return self.max_loops > 0 and any(map(loop.search, repetitive))


# The replacement character, C1 controls but for U+0085, surrogates, private use, noncharacters; and what
# UTF-8 of Latin letters looks like when it is read as Latin-1.
_BROKEN = re.compile(
    r"[\ufffd\x80-\x84\x86-\x9f\ud800-\udfff\ue000-\uf8ff\ufdd0-\ufdef\ufffe\uffff\U000f0000-\U0010ffff]"
    r"|[\u00c2\u00c3][\x80-\xbf]"
)


@dataclass(frozen=True)
class Broken(PairFilter):
    """Drop a pair that was decoded wrongly: replacement and control characters, private use, "Ã¤" for "ä".

    After Bicleaner's hard rules, one of which looks for wrong encodings (Ramírez-Sánchez et al., EAMT 2020).
    """

    name: ClassVar[str] = "broken"

    def test(self, src: str, tgt: str) -> Callable[[Pair], bool]:
        """Look at both sides."""
        return lambda pair: bool(_BROKEN.search(pair.source) or _BROKEN.search(pair.target))
