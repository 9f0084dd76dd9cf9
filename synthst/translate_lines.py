"""Translate lines as they come: a pipe through any teacher or student, in order and at once."""

import logging
import os
import queue
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from synthst.errors import ConfigError, DataError
from synthst.teacher.kinds import load_teacher, name_teacher
from synthst.teacher.protocol import Hypothesis, SearchSettings, Teacher

logger = logging.getLogger(__name__)

FIRST_BATCH = 8


def translate(
    model: str,
    *,
    src: str | None = None,
    tgt: str | None = None,
    search: SearchSettings = SearchSettings(),  # noqa: B008 (frozen)
    options: dict[str, str | int | float | bool] | None = None,
    batch_lines: int = 512,
    ngpu: int = 0,
) -> None:
    """Translate standard input to standard output, one sentence a line, the best hypothesis of each.

    ``model`` is a directory (exported, of CTranslate2's, or trained by us), a file of `synthst pack`, or
    KIND:PATH as in `synthst decode`; ``options`` are those of its kind. Translations come in the order of the
    lines and as soon as they are there: what has been typed or written so far is translated together, at
    most ``batch_lines`` lines. An empty line stays one.
    """
    if batch_lines < 1:
        raise ConfigError(f"--batch_lines is {batch_lines}; give 1 or more")
    device = "cuda" if ngpu else "cpu"
    teacher = load_teacher(
        name_teacher(model), search, src=src, tgt=tgt, device=device, options=dict(options or {})
    )
    # A file of our own, never closed: a thread may wait for its next line when this process wants to end.
    lines = open(sys.stdin.fileno(), "rb", closefd=False)  # noqa: SIM115
    try:
        translate_lines(teacher, lines, sys.stdout.buffer, batch_lines=batch_lines)
    except BrokenPipeError:  # the reader, head perhaps, has enough; nor may Python's last flush complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def translate_lines(teacher: Teacher, lines: BinaryIO, out: BinaryIO, *, batch_lines: int = 512) -> int:
    """Write the translation of every line of ``lines`` to ``out``; return the number of lines.

    Raises DataError for a line that is not UTF-8, when the translations of those before it are written.
    """
    done = cut_off = 0
    for batch in read_batches(lines, batch_lines):
        sources, error = decode_lines(batch, done + 1)
        best = translate_best(teacher, sources)
        out.writelines(f"{one_line(hypothesis.text)}\n".encode("utf-8", "replace") for hypothesis in best)
        out.flush()
        done += len(best)
        cut_off += sum(not hypothesis.finished for hypothesis in best)
        if error is not None:
            raise error
    logger.info("%d lines translated, %d cut off at the length limit", done, cut_off)
    return done


def translate_best(teacher: Teacher, sources: Sequence[str]) -> list[Hypothesis]:
    """Return the best hypothesis of each source; a blank one is its own empty translation."""
    best = [Hypothesis("", 0.0, 0, True) for _ in sources]
    written = [number for number, source in enumerate(sources) if source.strip()]
    if written:
        found = teacher.translate([sources[number] for number in written])
        for number, hypotheses in zip(written, found, strict=True):
            best[number] = hypotheses[0]
    return best


def read_batches(lines: BinaryIO, most: int) -> Iterator[list[bytes]]:
    """Yield what can be read without waiting, at least a line and at most ``most`` lines at a time.

    The first batch is small and each that is full lets the next be twice as large: the first translation
    comes soon, and a long text is decoded in large batches.
    """
    waiting: queue.Queue[bytes | BaseException | None] = queue.Queue(maxsize=2 * most)
    threading.Thread(target=_read, args=(lines, waiting), daemon=True).start()
    size, ended = min(FIRST_BATCH, most), False
    while not ended:
        batch: list[bytes] = []
        while len(batch) < size and not ended and (not batch or not waiting.empty()):
            line = waiting.get()
            if isinstance(line, BaseException):
                raise line
            ended = line is None
            batch += [] if line is None else [line]
        size = min(2 * size, most) if len(batch) == size else min(FIRST_BATCH, most)
        if batch:
            yield batch


def _read(lines: BinaryIO, waiting: "queue.Queue[bytes | BaseException | None]") -> None:
    """Put every line into the queue, then None, or what went wrong."""
    try:
        for line in lines:
            waiting.put(line)
        waiting.put(None)
    except Exception as error:
        waiting.put(error)


def decode_lines(batch: Sequence[bytes], first: int) -> tuple[list[str], DataError | None]:
    r"""Return the text of lines without \n or \r\n, up to one that is not UTF-8, and that one's error."""
    sources: list[str] = []
    for number, line in enumerate(batch, first):
        try:
            sources.append(line.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8"))
        except UnicodeDecodeError as error:
            return sources, DataError(f"line {number} is not UTF-8 ({error.reason}); convert the text")
    return sources, None


def one_line(text: str) -> str:
    r"""Put blanks in place of \n and \r, so that lines in and out stay side by side."""
    return text.replace("\r", " ").replace("\n", " ")
