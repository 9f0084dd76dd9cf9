"""Train a restorer of case and punctuation, and tell how well it does on text that it has not seen."""

import hashlib
import heapq
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from synthst.datadir import new_directory
from synthst.errors import DataError
from synthst.info import is_made, write_info
from synthst.tables import read_table
from synthst.targets.restorer import Restorer, RestorerOptions, fit, has_case, has_marks, load_restorer
from synthst.targets.restorer_words import MARKS, Word, capitalise, split_words

logger = logging.getLogger(__name__)

HELD_OUT = 20  # one sentence of so many, if there is no test set
MAX_HELD_OUT = 2_000


def train_restorer(
    text: Path | list[Path],
    out: Path,
    *,
    test: Path | list[Path] | None = None,
    options: RestorerOptions = RestorerOptions(),  # noqa: B008 (frozen)
) -> None:
    """Learn from the well-written sentences of tables ``text`` how to restore transcripts; write ``out``.

    A table is a data directory's text.<lang>. ``test`` are tables to score it with; without them every
    twentieth sentence is held out, at most 2,000. info.json has the accuracy. made_by: step
    "train_restorer" and the arguments but ``out``.
    Raises DataError when the sentences have no case or no punctuation themselves.
    """
    tables, tests = _listed(text), _listed(test or [])
    made_by = {"step": "train_restorer", "text": tables, "test": tests, "options": asdict(options)}
    if is_made(out, made_by):
        logger.info("%s is there already", out)
        return
    if tests:
        train, held_out = _choose(tables, options.max_sentences), _choose(tests, None)
    else:
        train = _choose(tables, options.max_sentences + MAX_HELD_OUT)
        cut = min(MAX_HELD_OUT, len(train) // HELD_OUT)
        train, held_out = train[cut : cut + options.max_sentences], train[:cut]
    _refuse_unwritten(train, tables)
    with new_directory(out) as folder:
        fit(train, options).save(folder)
        accuracy = score_restorer(load_restorer(folder), held_out)
        counts = {"train": len(train), "held_out": len(held_out)}
        write_info(folder, made_by, counts=counts, parents=[*tables, *tests], accuracy=accuracy)
    logger.info("%s: learnt from %s sentences; %s", out, f"{len(train):,}", _describe(accuracy))


def score_restorer(restorer: Restorer, texts: Sequence[str]) -> dict[str, object]:
    """Restore texts without their case and punctuation and compare with what they were.

    ``case`` is the share of ``words``, those with letters that have a case, whose case is right;
    ``case_small`` what it were if all were small, ``case_first`` if only the first word had a capital.
    Precision and recall are of each mark. ``sentences_right`` are right in all.
    """
    wanted = [[word for word in split_words(text) if word.core] for text in texts]
    wanted = [words for words in wanted if words]
    plain = [[word.core.lower() for word in words] for words in wanted]
    restored = restorer.restore([" ".join(words) for words in plain])
    first = [[capitalise(words[0]), *words[1:]] for words in plain]
    found = [split_words(text) for text in restored]
    same = sum(
        [(word.core, word.mark) for word in right] == [(word.core, word.mark) for word in words]
        for right, words in zip(wanted, found, strict=True)
    )
    return {
        "sentences": len(wanted),
        "sentences_right": same,
        "words": sum(word.has_case for words in wanted for word in words),
        "case": _right_case(wanted, [[word.core for word in words] for words in found]),
        "case_small": _right_case(wanted, plain),
        "case_first": _right_case(wanted, first),
        "marks": _right_marks(wanted, found),
    }


def _listed(paths: Path | list[Path]) -> list[Path]:
    return [paths] if isinstance(paths, Path) else paths


def _choose(tables: Sequence[Path], count: int | None) -> list[str]:
    """Return distinct sentences that have a word, ``count`` at most, in the order of their hashes."""
    keyed = ((_key(sentence), sentence) for sentence in _sentences(tables))
    chosen = sorted(keyed) if count is None else heapq.nsmallest(count, keyed)
    return list(dict.fromkeys(sentence for _, sentence in chosen))


def _sentences(tables: Sequence[Path]) -> Iterator[str]:
    for table in tables:
        for _, sentence in read_table(table):
            if any(word.core for word in split_words(sentence)):
                yield sentence


def _key(sentence: str) -> bytes:
    return hashlib.blake2b(sentence.encode(), digest_size=8).digest()


def _refuse_unwritten(sentences: Sequence[str], tables: Sequence[Path]) -> None:
    """Raise DataError for text that cannot teach what it does not have itself."""
    named = " and ".join(map(str, tables))
    if not sentences:
        raise DataError(
            f"{named}: no sentence to learn from; give well-written text, 1,000 sentences or more"
        )
    split = [[word for word in split_words(sentence) if word.core] for sentence in sentences]
    cased = [words for words in split if any(word.has_case for word in words)]
    if 2 * sum(map(_is_cased, cased)) < len(cased):
        raise DataError(f"{named}: most sentences have no capital; give well-written text")
    if 10 * sum(map(has_marks, split)) < len(split):
        raise DataError(f"{named}: hardly a sentence has punctuation; give well-written text")


def _is_cased(words: Sequence[Word]) -> bool:
    return has_case(words) or len(words) == 1


def _right_case(wanted: Sequence[Sequence[Word]], found: Sequence[Sequence[str]]) -> float:
    right = [
        word.core == core
        for words, cores in zip(wanted, found, strict=True)
        for word, core in zip(words, cores, strict=True)
        if word.has_case
    ]
    return sum(right) / max(1, len(right))


def _right_marks(
    wanted: Sequence[Sequence[Word]], found: Sequence[Sequence[Word]]
) -> dict[str, dict[str, float]]:
    """Count every mark: precision, recall and how often it stands there."""
    right = np.array([word.mark for words in wanted for word in words], dtype=np.int64)
    written = np.array([word.mark for words in found for word in words], dtype=np.int64)
    scores = {}
    for number, mark in enumerate(MARKS):
        both = int(((right == number) & (written == number)).sum())
        times, tried = int((right == number).sum()), int((written == number).sum())
        if mark and times:
            scores[mark] = {"precision": both / max(1, tried), "recall": both / times, "count": times}
    return scores


def _describe(accuracy: Mapping[str, object]) -> str:
    told = (
        f"on {accuracy['sentences']:,} others {accuracy['case']:.1%} of {accuracy['words']:,} words have the "
        f"right case ({accuracy['case_small']:.1%} in small letters, {accuracy['case_first']:.1%} with a "
        "capital at the start)"
    )
    marks = accuracy["marks"]
    assert isinstance(marks, dict)
    scores = (
        f"{mark} precision {score['precision']:.1%} recall {score['recall']:.1%} of {score['count']:,}"
        for mark, score in marks.items()
    )
    return "; ".join([told, *scores])
