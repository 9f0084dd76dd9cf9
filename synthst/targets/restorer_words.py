"""Words as the restorer sees them: without case and punctuation, and what case and which mark they had."""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

MARKS = ("", ",", ".", "?", "!", ":", ";")
CASES = ("lower", "title", "upper", "mixed")
AROUND = "\"'“”„«»‚‘’‹›()[]{}<>*_`.,;:!?…–—-¿¡"  # what may stand around a word and is no part of it
PAD = 2  # so many invented words stand before and after each sentence

Hashes = np.ndarray[tuple[int, ...], np.dtype[np.uint64]]
Indices = np.ndarray[tuple[int, ...], np.dtype[np.int64]]


class Word(NamedTuple):
    """A word of a text: what stands before it, itself, what stands behind it."""

    before: str
    core: str
    behind: str

    @property
    def mark(self) -> int:
        """Return the number of the first mark behind it; dots of any number are one."""
        found = next((character for character in self.behind if character in ",.?!:;…"), "")
        return MARKS.index("." if found == "…" else found)

    @property
    def has_case(self) -> bool:
        """Tell whether it could be written in capitals or in small letters."""
        return self.core.lower() != self.core.upper()

    @property
    def case(self) -> int:
        """Return the number of its case."""
        small = self.core.lower()
        if self.core == small:
            return 0
        if self.core == capitalise(small):
            return 1
        return 2 if self.core == self.core.upper() else 3


def split_words(text: str) -> list[Word]:
    """Split a text at blanks; what has neither letter nor digit, as a dash, has an empty core."""
    return [_split(token) for token in text.split()]


def _split(token: str) -> Word:
    rest = token.lstrip(AROUND)
    core = rest.rstrip(AROUND)
    if not any(map(str.isalnum, core)):
        return Word(token, "", "")
    return Word(token[: len(token) - len(rest)], core, rest[len(core) :])


def capitalise(word: str) -> str:
    """Write the first letter large and leave the others."""
    return word[:1].upper() + word[1:]


class Sentences:
    """The hashes of the words of many sentences, and where each word stands."""

    def __init__(self, sentences: Sequence[Sequence[str]]) -> None:
        """Take sentences of at least one word each, in small letters."""
        edge = [_hash_word("\n")] * PAD
        rows, at, start = [], [], 0
        for words in sentences:
            rows += [*edge, *map(_hash_word, words), *edge]
            at.append(np.arange(start + PAD, start + PAD + len(words)))
            start += len(words) + 2 * PAD
        hashes = np.array(rows, dtype=np.uint64).reshape(-1, 3)
        self.word, self.suffix, self.ending = hashes[:, 0], hashes[:, 1], hashes[:, 2]
        lengths = np.array([len(words) for words in sentences])
        self.at: Indices = np.concatenate(at) if at else np.zeros(0, dtype=np.int64)
        self.sentence = np.repeat(np.arange(len(lengths)), lengths)
        self.length = lengths[self.sentence]
        self.first = np.repeat(np.cumsum(lengths + 2 * PAD) - lengths - PAD, lengths)
        self.is_last = self.at == self.first + self.length - 1


def mark_features(words: Sentences, buckets: int) -> Indices:
    """Return what the mark behind a word depends on, as bucket numbers: (words, features)."""
    at, word, suffix = words.at, words.word, words.suffix
    last = words.is_last.astype(np.uint64)
    first, second = word[words.first] * last, word[words.first + 1] * last
    long = np.minimum(words.length, 12).astype(np.uint64) * last
    columns = [
        (last,),
        (word[at],),
        (word[at + 1],),
        (word[at - 1],),
        (word[at + 2],),
        (word[at], word[at + 1]),
        (word[at - 1], word[at]),
        (word[at + 1], word[at + 2]),
        (word[at - 1], word[at + 1]),
        (word[at - 2], word[at - 1], word[at]),
        (word[at], word[at + 1], word[at + 2]),
        (suffix[at], suffix[at + 1]),
        (suffix[at], last),
        (words.ending[at + 1], word[at]),
        (first, last),
        (first, second, last),
        (long, last),
    ]
    return _to_buckets(columns, buckets)


def case_features(words: Sentences, marks: Indices, buckets: int) -> Indices:
    """Return what the case of a word depends on, the ``marks`` among it: (words, features)."""
    at, word, suffix = words.at, words.word, words.suffix
    behind = marks.astype(np.uint64)
    before = np.roll(behind, 1)
    before[at == words.first] = len(MARKS)
    columns = [
        (before,),
        (word[at],),
        (word[at], before),
        (word[at - 1], word[at]),
        (word[at], word[at + 1]),
        (word[at - 2], word[at - 1], word[at]),
        (word[at - 1], word[at], word[at + 1]),
        (word[at - 1],),
        (word[at + 1],),
        (suffix[at], before),
        (suffix[at], word[at - 1]),
        (words.ending[at], words.ending[at + 1]),
        (word[at], behind),
    ]
    return _to_buckets(columns, buckets)


def _to_buckets(columns: Sequence[tuple[Hashes, ...]], buckets: int) -> Indices:
    """Mix the hashes of each feature with its number, and cut them to the size of the table."""
    found = np.empty((len(columns[0][0]), len(columns)), dtype=np.int64)
    for number, parts in enumerate(columns):
        mixed = np.full(len(parts[0]), number + 1, dtype=np.uint64)
        for part in parts:
            mixed = (mixed ^ (part + np.uint64(0x9E3779B97F4A7C15))) * np.uint64(0xBF58476D1CE4E5B9)
            mixed ^= mixed >> np.uint64(29)
        found[:, number] = (mixed % np.uint64(buckets)).astype(np.int64)
    return found


@lru_cache(maxsize=500_000)
def _hash_word(word: str) -> tuple[int, int, int]:
    """Hash a word, its last three letters and its last two; all digits are alike."""
    plain = "".join("0" if character.isdigit() else character for character in word)
    return _hash(plain), _hash("3" + plain[-3:]), _hash("2" + plain[-2:])


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest())
