"""Restore case and punctuation of transcripts with a command of the user's."""

import logging
import shlex
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from synthst.errors import ConfigError, DataError
from synthst.tables import Row, read_table

logger = logging.getLogger(__name__)


def restore_text(table: Path, command: str, scratch: Path, counts: Counter[str]) -> Iterator[Row]:
    """Send the texts of a table through a command and yield the rows with what it writes.

    The command is a program and its arguments, no line of shell; it reads a sentence per line and writes as
    many lines, both UTF-8. ``counts`` gets the texts that are not as before ("restored") and those of them
    whose letters are others ("restored_reworded"). Raises DataError when the command fails, or writes
    another number of lines or an empty one. Its files are in the folder ``scratch``.
    """
    given, restored = scratch / "restorer.in", scratch / "restorer.out"
    with open(given, "wb") as file:
        file.writelines(f"{text}\n".encode() for _, text in read_table(table))
    _run(command, given, restored)
    _compare_lines(command, given, restored)
    counts["restored"] = counts["restored_reworded"] = 0
    with open(restored, "rb") as lines:
        for (utterance, before), line in zip(read_table(table), lines, strict=True):
            after = _decode(line, command, utterance)
            counts["restored"] += after != before
            counts["restored_reworded"] += _letters(after) != _letters(before)
            yield utterance, after
    if counts["restored_reworded"]:
        logger.warning(
            "%s changed more than case and punctuation of %d texts", command, counts["restored_reworded"]
        )


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
