"""Take numbers for hypotheses from quality estimation made elsewhere: a file of scores, or a command."""

import logging
import math
import shlex
import subprocess
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from synthst.errors import ConfigError, DataError
from synthst.lookup import quote
from synthst.sorting import Row, sort_rows
from synthst.targets.candidates import Choice, Choices

logger = logging.getLogger(__name__)

Scored = Iterator[tuple[Choice, list[float]]]


def read_scores(path: Path, choices: Iterator[Choice], scratch: Path) -> Scored:
    """Yield every utterance with its candidates' scores, from a TSV file in any order.

    Its first line names the columns: ``id``, ``rank`` (as in the store, from 0) and ``score``; others are not
    read. So a program can append a column to what `synthst nbest` writes. Raises DataError for a row that is
    none or comes twice, and at the end for candidates without a score. Scores of others are counted.
    """
    rows = sort_rows(_read_rows(path), folder=scratch)
    groups = groupby(rows, key=itemgetter(0))
    group = next(groups, None)
    unused = lacking = 0
    first = ""
    for choice in choices:
        while group is not None and group[0] < choice.id:
            unused += sum(1 for _ in group[1])
            group = next(groups, None)
        found: dict[int, float] = {}
        if group is not None and group[0] == choice.id:
            found = _parse_group(path, choice.id, group[1])
            group = next(groups, None)
        missing = [one for one in choice.candidates if one.rank not in found]
        lacking += len(missing)
        first = first or (f"rank {missing[0].rank} of {quote(choice.id, choice.source)}" if missing else "")
        unused += len(found) + len(missing) - len(choice.candidates)
        yield choice, [found.get(one.rank, -math.inf) for one in choice.candidates]
    if lacking:
        raise DataError(f"{path} lacks the scores of {lacking:,} hypotheses, the first is {first}; add them")
    unused += sum(1 for _ in group[1]) if group is not None else 0
    unused += sum(1 for _, rest in groups for _ in rest)
    logger.info("%s: %d scores are of no hypothesis that is to be chosen from", path, unused)


def run_scorer(command: str, choices: Choices, scratch: Path) -> Scored:
    """Yield every utterance with its candidates' scores, which a command writes.

    The command is a program and its arguments, no line of shell. It reads lines of source, tab, hypothesis
    and writes a number for each, higher for better, all in UTF-8. It runs once; texts that a source has twice
    are sent once. Raises DataError when it fails, writes another number of lines or what is no number.
    ``choices`` is called twice and gives the same each time. Files are in the folder ``scratch``.
    """
    given, written = scratch / "scorer.in", scratch / "scorer.out"
    wanted = _write_pairs(given, choices())
    _run(command, given, written)
    with open(written, "rb") as lines:
        found = sum(1 for _ in lines)
    if found != wanted:
        raise DataError(
            f"the scorer {command!r} wrote {found:,} lines for {wanted:,}; it must write one for each"
        )
    with open(written, "rb") as lines:
        for choice in choices():
            texts = dict.fromkeys(one.text for one in choice.candidates)
            scores = {text: _parse_line(next(lines), command, choice) for text in texts}
            yield choice, [scores[one.text] for one in choice.candidates]


def _write_pairs(path: Path, choices: Iterator[Choice]) -> int:
    """Write what the scorer reads; return the number of lines."""
    count = 0
    with open(path, "wb") as file:
        for choice in choices:
            texts = dict.fromkeys(one.text for one in choice.candidates)
            file.writelines(f"{choice.source}\t{text}\n".encode() for text in texts)
            count += len(texts)
    return count


def _run(command: str, given: Path, written: Path) -> None:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ConfigError(
            f"select.scorer is {command!r}: {error}; give a program and its arguments"
        ) from error
    if not words:
        raise ConfigError("select.scorer is empty; give a program and its arguments")
    try:
        with open(given, "rb") as source, open(written, "wb") as sink:
            status = subprocess.run(words, stdin=source, stdout=sink, check=False).returncode
    except OSError as error:
        raise ConfigError(
            f"select.scorer {words[0]!r} cannot be run: {error.strerror}; correct it"
        ) from error
    if status:
        raise DataError(f"the scorer {command!r} failed with status {status}; run it by hand and mend it")


def _parse_line(line: bytes, command: str, choice: Choice) -> float:
    score = _number(line.decode("utf-8", "replace"))
    if score is None:
        found = f"the scorer {command!r} wrote {line[:60]!r} for {quote(choice.id, choice.source)}"
        raise DataError(f"{found}; it must write a number")
    return score


def _read_rows(path: Path) -> Iterator[Row]:
    """Yield id, and line number, rank and score in one value."""
    if not path.is_file():
        raise DataError(f"{path} is no file; name a TSV file of scores")
    with open(path, "rb") as lines:
        header = next(lines, b"").rstrip(b"\r\n").split(b"\t")
        try:
            columns = [header.index(name) for name in (b"id", b"rank", b"score")]
        except ValueError:
            raise DataError(
                f"{path}:1: wanted is a line with the columns id, rank and score between tabs, found "
                f"{b' '.join(header)[:60].decode('utf-8', 'replace')!r}; add it"
            ) from None
        for number, line in enumerate(lines, 2):
            fields = line.decode("utf-8", "replace").rstrip("\r\n").split("\t")
            if len(fields) != len(header):
                raise DataError(
                    f"{path}:{number}: {len(fields)} columns instead of {len(header)}; mend the row"
                )
            utterance, rank, score = (fields[column] for column in columns)
            yield utterance, f"{number}\t{rank}\t{score}"


def _parse_group(path: Path, utterance: str, rows: Iterator[Row]) -> dict[int, float]:
    """Return the scores of an utterance by rank."""
    scores: dict[int, float] = {}
    for _, value in rows:
        line, rank, text = value.split("\t")
        score = _number(text)
        if not rank.isdecimal() or score is None:
            raise DataError(f"{path}:{line}: rank {rank!r} and score {text!r}; write two numbers")
        if int(rank) in scores:
            raise DataError(f"{path}:{line}: {utterance} has two scores of rank {rank}; remove one")
        scores[int(rank)] = score
    return scores


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
