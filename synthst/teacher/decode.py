"""Translate the sources of a data directory into a translation store."""

import logging
import math
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import timedelta
from itertools import batched, pairwise
from pathlib import Path

from tqdm import tqdm

from synthst.datadir import text_path
from synthst.errors import ConfigError, DataError
from synthst.lookup import check_store, look_up
from synthst.store import StoreRow, open_store, write_part
from synthst.teacher.protocol import Hypothesis, SearchSettings, Teacher

logger = logging.getLogger(__name__)


def decode_corpus(teacher: Teacher, data: Path, out: Path, *, src: str, part_sentences: int = 2000) -> Path:
    """Translate every sentence of ``data``'s text.<src> that the store ``out`` lacks; return ``out``.

    Sentences reach the teacher exactly as they are, each once, the longest first. Whenever the process dies,
    the next one goes on, and no more than ``part_sentences`` sentences have to be translated again.
    Raises DataError when the store is of another teacher or settings, or the teacher breaks its contract.
    """
    if part_sentences < 1:
        raise ConfigError(f"part_sentences is {part_sentences}; give 1 or more")
    settings = teacher.settings
    text = text_path(data, src)
    open_store(out, teacher.identity, asdict(settings))
    with look_up(out, text) as lookup:
        sources, characters = lookup.count_missing()
        logger.info("%s: %s; decoding %d distinct sources", out, lookup.completeness(), sources)
        with Progress(out, sources, characters) as progress:
            for part in batched(lookup.missing_sources(), part_sentences):
                results = teacher.translate(part)
                write_part(out, _stored_rows(part, results, settings))
                progress.advance(part)
    logger.info("%s: %s", out, check_store(out, text))
    return out


def _stored_rows(
    sources: Sequence[str], results: Sequence[Sequence[Hypothesis]], settings: SearchSettings
) -> Iterator[StoreRow]:
    if len(results) != len(sources):
        raise DataError(
            f"the teacher gave {len(results):,} results for {len(sources):,} sentences; mend the teacher"
        )
    for source, hypotheses in zip(sources, results, strict=True):
        if found := _broken_contract(hypotheses, settings):
            raise DataError(f"the teacher gave {found} for {source!r}; mend the teacher")
        for rank, hypothesis in enumerate(hypotheses):
            yield StoreRow(source, rank, *hypothesis)


def _broken_contract(hypotheses: Sequence[Hypothesis], settings: SearchSettings) -> str:
    """Say what is wrong with an n-best list; nothing if it can be stored."""
    if not 1 <= len(hypotheses) <= settings.nbest:
        return f"{len(hypotheses)} hypotheses instead of 1 to {settings.nbest}"
    scores = [hypothesis.score for hypothesis in hypotheses]
    if not all(map(math.isfinite, scores)):
        return f"the scores {scores}, not all numbers,"
    if not settings.top_k and any(after > before + 1e-3 for before, after in pairwise(scores)):
        return f"the scores {scores}, not the best first,"
    for hypothesis in hypotheses:
        if any("\ud800" <= character <= "\udfff" for character in hypothesis.text):
            return f"{hypothesis.text!r}, which is not Unicode text,"
    return ""


class Progress:
    """Show how far a decoding is: a bar on a terminal, a log line per part elsewhere.

    The time to go is reckoned by characters, for the sentences become shorter.
    """

    def __init__(self, store: Path, sentences: int, characters: int) -> None:
        self._store = store
        self._sentences, self._characters = sentences, characters
        self._done_sentences = self._done_characters = 0
        self._start = time.monotonic()
        self._bar = tqdm(
            total=characters,
            disable=not sys.stderr.isatty(),
            bar_format="{desc} {percentage:3.0f}%|{bar}| {elapsed}, {remaining} to go",
            desc=store.name,
        )

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def advance(self, sources: Sequence[str]) -> None:
        """Count the sentences of a part as done."""
        characters = sum(map(len, sources))
        self._done_sentences += len(sources)
        self._done_characters += characters
        seconds = max(time.monotonic() - self._start, 1e-9)
        told = f"{self._done_sentences:,} of {self._sentences:,} sentences"
        speed = f"{self._done_sentences / seconds:,.1f} sentences/s"
        if not self._bar.disable:
            self._bar.set_description_str(f"{self._store.name}: {told}, {speed}", refresh=False)
            self._bar.update(characters)
            return
        to_go = seconds * (self._characters - self._done_characters) / self._done_characters
        logger.info("%s: %s, %s, %s to go", self._store, told, speed, timedelta(seconds=round(to_go)))
