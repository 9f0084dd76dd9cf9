"""What to do with the case and punctuation of transcripts: keep them, or restore what lacks."""

import logging
import os
import shlex
import subprocess
from collections import Counter
from collections.abc import Iterator
from itertools import batched
from pathlib import Path
from typing import Literal

from synthst.errors import ConfigError, DataError
from synthst.tables import Row, read_table
from synthst.targets.restorer import (
    TEXTS_AT_ONCE,
    checksum,
    has_case,
    has_marks,
    is_restorer,
    load_restorer,
)
from synthst.targets.restorer_words import split_words

logger = logging.getLogger(__name__)

SourceCase = Literal["keep", "restore"]


def check_policy(source_case: SourceCase, restorer: str | None) -> None:
    """Raise ConfigError unless a restorer is given if, and only if, texts are to be restored."""
    if source_case not in ("keep", "restore"):
        raise ConfigError(f"source_case is {source_case!r}; give keep or restore")
    if source_case == "restore" and restorer is None:
        raise ConfigError(
            "source_case is restore, but no restorer is given; name what train_restorer made, or a command"
        )
    if source_case == "keep" and restorer is not None:
        raise ConfigError(f"the restorer {restorer!r} is given, but source_case is keep; say restore")


def describe_restorer(restorer: str | None) -> object:
    """Return what determines restored texts: a command is its words, a trained restorer its checksum."""
    if restorer is None or not is_restorer(Path(restorer)):
        return restorer
    return {"path": restorer, "sha256": checksum(Path(restorer))}


def keep_text(table: Path) -> Iterator[Row]:
    """Yield the rows of a table as they are; warn at the end if most lack what teachers expect."""
    texts = without_case = without_marks = 0
    for utterance, text in read_table(table):
        words = [word for word in split_words(text) if word.core]
        texts += 1
        without_case += not has_case(words)
        without_marks += not has_marks(words)
        yield utterance, text
    if 2 * max(without_case, without_marks) > texts:
        logger.warning(
            "of %s texts %s lack case and %s punctuation, and most teachers translate such text badly; "
            "source_case restore mends them",
            *(f"{count:,}" for count in (texts, without_case, without_marks)),
        )


def restore_text(table: Path, restorer: str, scratch: Path, counts: Counter[str]) -> Iterator[Row]:
    """Yield the rows of a table with case and punctuation restored.

    ``restorer`` is a directory of `train_restorer`, which leaves alone what a text has; or a command, a
    program and its arguments, no line of shell, which reads a sentence per line and writes as many lines,
    both UTF-8. ``counts`` gets the texts that are not as before ("restored") and those of them whose letters
    are others ("restored_reworded"). Raises DataError when the command fails, or writes another number of
    lines or an empty one. Its files are in the folder ``scratch``.
    """
    counts["restored"] = counts["restored_reworded"] = 0
    for (utterance, before), after in _restore(table, restorer, scratch):
        counts["restored"] += after != before
        counts["restored_reworded"] += _letters(after) != _letters(before)
        yield utterance, after
    if counts["restored_reworded"]:
        logger.warning(
            "%s changed more than case and punctuation of %d texts", restorer, counts["restored_reworded"]
        )


def _restore(table: Path, restorer: str, scratch: Path) -> Iterator[tuple[Row, str]]:
    if is_restorer(Path(restorer)):
        return _restore_here(table, Path(restorer))
    if os.path.isdir(restorer):
        raise DataError(f"{restorer} holds no restorer; train_restorer makes one")
    return _restore_by_command(table, restorer, scratch)


def _restore_here(table: Path, directory: Path) -> Iterator[tuple[Row, str]]:
    restorer = load_restorer(directory)
    for rows in batched(read_table(table), TEXTS_AT_ONCE):
        yield from zip(rows, restorer.restore([text for _, text in rows]), strict=True)


def _restore_by_command(table: Path, command: str, scratch: Path) -> Iterator[tuple[Row, str]]:
    given, restored = scratch / "restorer.in", scratch / "restorer.out"
    with open(given, "wb") as file:
        file.writelines(f"{text}\n".encode() for _, text in read_table(table))
    _run(command, given, restored)
    _compare_lines(command, given, restored)
    with open(restored, "rb") as lines:
        for row, line in zip(read_table(table), lines, strict=True):
            yield row, _decode(line, command, row[0])


def _run(command: str, given: Path, restored: Path) -> None:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ConfigError(f"restorer is {command!r}: {error}; give a program and its arguments") from error
    if not words:
        raise ConfigError("restorer is empty; give a program and its arguments, or none")
    try:
        with open(given, "rb") as source, open(restored, "wb") as sink:
            status = subprocess.run(words, stdin=source, stdout=sink, check=False).returncode
    except OSError as error:
        raise ConfigError(f"restorer {words[0]!r} cannot be run: {error.strerror}; correct it") from error
    if status:
        raise DataError(f"the restorer {command!r} failed with status {status}; run it by hand and mend it")


def _compare_lines(command: str, given: Path, restored: Path) -> None:
    wanted, found = _count_lines(given), _count_lines(restored)
    if wanted != found:
        raise DataError(
            f"the restorer {command!r} wrote {found:,} lines for {wanted:,}; it must write one line for each"
        )


def _count_lines(path: Path) -> int:
    with open(path, "rb") as file:
        return sum(1 for _ in file)


def _decode(line: bytes, command: str, utterance: str) -> str:
    try:
        text = line.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        found = f"the restorer {command!r} wrote no UTF-8 for {utterance}"
        raise DataError(f"{found}; make it write UTF-8") from error
    if not text:
        raise DataError(f"the restorer {command!r} wrote an empty line for {utterance}; mend it")
    return text


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))
