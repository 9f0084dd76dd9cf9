"""Restore case and punctuation with two small linear models, learnt in seconds from well-written text.

The first says which mark follows each word, the second which case each word has, given the marks: logistic
regressions over hashed words, pairs and triples of neighbours, trained with Adagrad (Duchi et al., 2011).
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from synthst.atomic import atomic_file
from synthst.errors import ConfigError, DataError
from synthst.targets.restorer_words import (
    CASES,
    MARKS,
    Indices,
    Sentences,
    Word,
    capitalise,
    case_features,
    mark_features,
    split_words,
)

MODEL = "restorer.npz"
TEXTS_AT_ONCE = 1_000

Weights = np.ndarray[tuple[int, ...], np.dtype[np.float32]]


@dataclass(frozen=True)
class RestorerOptions:
    """How a restorer is trained; the defaults suit a thousand to a hundred thousand sentences."""

    epochs: int = 3
    learning_rate: float = 0.1
    batch_words: int = 2_048
    buckets: int = 2**20
    max_sentences: int = 100_000
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise ConfigError for what cannot be."""
        counts = (self.epochs, self.batch_words, self.buckets, self.max_sentences)
        if min(counts) < 1 or self.learning_rate <= 0:
            raise ConfigError(f"{self} cannot train; give numbers above 0")


class Restorer:
    """The two models, and how words are written that are neither small, nor large, nor capitalised."""

    def __init__(self, marks: Weights, cases: Weights, spellings: Mapping[str, str]) -> None:
        """Take weights of shape (buckets, marks) and (buckets, cases)."""
        self.marks, self.cases, self.spellings = marks, cases, dict(spellings)

    def restore(self, texts: Sequence[str]) -> list[str]:
        """Return the texts with the case and the punctuation that they lack; blanks become single ones.

        A text has case if it is not all small or all large (but for "I"), and punctuation if it has a mark;
        what it has stays as it is. No letter is added or taken away.
        """
        batches = (texts[start : start + TEXTS_AT_ONCE] for start in range(0, len(texts), TEXTS_AT_ONCE))
        return [text for batch in batches for text in self._restore(batch)]

    def _restore(self, texts: Sequence[str]) -> list[str]:
        split = [split_words(text) for text in texts]
        cores = [[word for word in words if word.core] for words in split]
        written = iter(self._restore_words([words for words in cores if words]))
        return [
            " ".join(next(written) if word.core else word.before for word in words) if kept else text
            for text, words, kept in zip(texts, split, cores, strict=True)
        ]

    def _restore_words(self, split: Sequence[Sequence[Word]]) -> list[str]:
        """Return the words of all texts, written anew; each text has one at least."""
        if not split:
            return []
        words = [word for text in split for word in text]
        sentences = Sentences([[word.core.lower() for word in text] for text in split])
        lacks_mark = np.array([not has_marks(text) for text in split])[sentences.sentence]
        lacks_case = np.array([not has_case(text) for text in split])[sentences.sentence]
        likeliest = _score(self.marks, mark_features(sentences, len(self.marks))).argmax(axis=1)
        marks = np.where(lacks_mark, likeliest, [word.mark for word in words])
        scores = _score(self.cases, case_features(sentences, marks, len(self.cases)))
        cores = [
            self._write(word.core, row) if lacks else word.core
            for word, row, lacks in zip(words, scores, lacks_case, strict=True)
        ]
        new = [MARKS[mark] if lacks else "" for mark, lacks in zip(marks, lacks_mark, strict=True)]
        return [
            f"{word.before}{core}{word.behind}{mark}"
            for word, core, mark in zip(words, cores, new, strict=True)
        ]

    def _write(self, core: str, scores: Weights) -> str:
        """Write a word in the likeliest case that it can have."""
        small = core.lower()
        case = CASES[int(scores.argmax())]
        if case == "mixed" and small not in self.spellings:
            case = CASES[int(scores[:-1].argmax())]
        forms = {"lower": small, "title": capitalise(small), "upper": small.upper()}
        written = forms[case] if case in forms else self.spellings[small]
        return written if written.casefold() == core.casefold() else core  # a dotless i has no capital

    def save(self, directory: Path) -> None:
        """Write the model into a directory that is there."""
        spellings = np.frombuffer(json.dumps(self.spellings, ensure_ascii=False).encode(), dtype=np.uint8)
        with atomic_file(directory / MODEL) as file:
            weights = {"marks": self.marks, "cases": self.cases}
            half = {name: array.astype(np.float16) for name, array in weights.items()}
            np.savez_compressed(file, spellings=spellings, **half)  # type: ignore[arg-type]


def load_restorer(directory: Path) -> Restorer:
    """Load what `train_restorer` made. Raises DataError when it is none, or damaged."""
    path = directory / MODEL
    try:
        with np.load(path, allow_pickle=False) as arrays:
            marks, cases = (arrays[name].astype(np.float32) for name in ("marks", "cases"))
            spellings = json.loads(arrays["spellings"].tobytes())
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}; train_restorer makes it") from error
    except Exception as error:  # zip, numpy and JSON have an error each for what is damaged
        raise DataError(f"{path} is no restorer: {error}; train it again") from error
    shapes = (marks.shape[1:], cases.shape[1:], type(spellings))
    if shapes != ((len(MARKS),), (len(CASES),), dict):
        raise DataError(f"{path} is of another synthst, its arrays are {shapes}; train it again")
    return Restorer(marks, cases, spellings)


def is_restorer(directory: Path) -> bool:
    """Tell whether a directory is what `train_restorer` makes."""
    return os.path.isfile(directory / MODEL)  # unlike Path's, it takes any text, be it a long command


def checksum(directory: Path) -> str:
    """Return what identifies a restorer: the SHA-256 of its file."""
    return hashlib.sha256((directory / MODEL).read_bytes()).hexdigest()


def has_marks(words: Iterable[Word]) -> bool:
    """Tell whether a text has a mark behind a word."""
    return any(word.mark for word in words)


def has_case(words: Iterable[Word]) -> bool:
    """Tell whether a text has small and large letters, "I" and "I'm" left aside."""
    letters = "".join(word.core for word in words if len(word.core.replace("’", "'").split("'")[0]) > 1)
    return letters not in (letters.lower(), letters.upper())


def fit(texts: Sequence[str], options: RestorerOptions) -> Restorer:
    """Learn from well-written texts of at least one word each."""
    split = [[word for word in split_words(text) if word.core] for text in texts]
    words = [word for sentence in split for word in sentence]
    sentences = Sentences([[word.core.lower() for word in sentence] for sentence in split])
    marks = np.array([word.mark for word in words])
    cases = np.array([word.case for word in words])
    with_case = np.array([word.has_case for word in words])
    from_words = mark_features(sentences, options.buckets)
    from_marks = case_features(sentences, marks, options.buckets)[with_case]
    return Restorer(
        _fit_weights(from_words, marks, len(MARKS), options),
        _fit_weights(from_marks, cases[with_case], len(CASES), options),
        _spellings(words),
    )


def _spellings(words: Iterable[Word]) -> dict[str, str]:
    """Return the commonest mixed spelling of each word that has one."""
    counts = Counter(word.core for word in words if CASES[word.case] == "mixed")
    return {spelling.lower(): spelling for spelling, _ in reversed(counts.most_common())}


def _score(weights: Weights, features: Indices) -> Weights:
    """Return the scores of all labels: (words, labels)."""
    scores: Weights = weights[features].sum(axis=1)
    return scores


def _fit_weights(features: Indices, labels: Indices, count: int, options: RestorerOptions) -> Weights:
    """Fit a logistic regression; return its weights, (buckets, labels)."""
    weights: Weights = np.zeros((options.buckets, count), dtype=np.float32)
    squares = np.full((options.buckets, count), 1e-6, dtype=np.float32)
    random = np.random.default_rng(options.seed)
    for _ in range(options.epochs):
        order = random.permutation(len(labels))
        for start in range(0, len(labels), options.batch_words):
            chosen = order[start : start + options.batch_words]
            rows, gradient = _gradient(weights, features[chosen], labels[chosen])
            squares[rows] += gradient**2
            weights[rows] -= options.learning_rate * gradient / np.sqrt(squares[rows])
    return weights


def _gradient(weights: Weights, features: Indices, labels: Indices) -> tuple[Indices, Weights]:
    """Return the rows that a batch touches and the gradient of its likelihood there."""
    scores = _score(weights, features)
    wrong = np.exp(scores - scores.max(axis=1, keepdims=True))
    wrong /= wrong.sum(axis=1, keepdims=True)
    wrong[np.arange(len(labels)), labels] -= 1
    flat = features.ravel()
    order = np.argsort(flat, kind="stable")
    sorted_rows = flat[order]
    starts = np.flatnonzero(np.diff(sorted_rows, prepend=-1))
    return sorted_rows[starts], np.add.reduceat(wrong[order // features.shape[1]], starts, axis=0)
