"""Cut sentences into words in any script, and normalise them to compare sentences."""

import re
import unicodedata
from collections import Counter
from functools import lru_cache

# Han, kana, and the scripts of Thailand, Laos, Burma and Cambodia: written without blanks between words.
_UNSPACED = (
    r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    r"\U00020000-\U0003ffff"
)
_FIRST_UNSPACED = "\u0e00"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\s{_UNSPACED}]+")


@lru_cache(maxsize=4)  # several filters ask for the words of the same pair
def split_words(text: str) -> tuple[str, ...]:
    """Split at blanks; each character of a script that is written without blanks is a word of its own."""
    return tuple(_WORD.findall(text) if max(text, default="") >= _FIRST_UNSPACED else text.split())


def normalise(text: str) -> str:
    """Remove what does not make a sentence another: case, width, blanks, punctuation and symbols.

    A text of punctuation and symbols only keeps those.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return folded.translate(_MARKS_REMOVED) or "".join(folded.split())


@lru_cache(maxsize=100_000)
def normalise_word(word: str) -> str:
    """Normalise a word; "" if it has no letter."""
    return normalise(word) if any(map(str.isalpha, word)) else ""


def top_ngram_count(words: tuple[str, ...], n: int) -> int:
    """Count the most frequent sequence of ``n`` words; 0 if there are fewer words."""
    if len(words) - len(set(words)) < n:  # of a sequence that comes again, n words at least do
        return int(len(words) >= n)
    ngrams = Counter(zip(*(words[start:] for start in range(n)), strict=False))
    return max(ngrams.values(), default=0)


class _MarksRemoved(dict[int, int | None]):
    """Map letters, digits and their combining marks to themselves, all else to nothing; filled as asked."""

    def __missing__(self, code: int) -> int | None:
        self[code] = code if unicodedata.category(chr(code))[0] in "LMN" else None
        return self[code]


_MARKS_REMOVED = _MarksRemoved()
