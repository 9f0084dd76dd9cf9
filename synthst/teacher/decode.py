"""Translate the sources of a data directory into a translation store."""

import logging
import math
import sys
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

from tqdm import tqdm

from synthst.datadir import text_path
from synthst.errors import DataError
from synthst.store import StoreRow, open_store, write_part
from synthst.teacher.budget import BudgetError
from synthst.teacher.cluster import TeacherCluster, translate_on_cluster
from synthst.teacher.plan import PartSize, Plan, Shard, TranslatedPart, plan_parts
from synthst.teacher.protocol import Hypothesis, SearchSettings, Teacher

logger = logging.getLogger(__name__)


def decode_corpus(
    teacher: Teacher,
    data: Path,
    out: Path,
    *,
    src: str,
    part_tokens: int = PartSize.tokens,
    part_sentences: int = PartSize.sentences,
    shard: str = "1/1",
    cluster: TeacherCluster | None = None,
) -> Path:
    """Translate every sentence of ``data``'s text.<src> that the store ``out`` lacks; return ``out``.

    Sentences reach the teacher exactly as they are, each once, the longest first. Whenever the process dies,
    the next one goes on, and no more than a part has to be translated again, see `PartSize`.
    ``shard`` I/N leaves the other N - 1 shares of the parts to other processes. With a ``cluster`` its
    workers translate, each with a teacher of its own, and this process stores. How many processes and workers
    take part, and how often they are stopped, does not change what is in the store.
    Raises DataError when the store is of another teacher or settings, or the teacher breaks its contract.
    """
    size, share = PartSize(part_tokens, part_sentences), Shard.parse(shard)
    open_store(out, teacher.identity, asdict(teacher.settings))
    with plan_parts(out, text_path(data, src), size, share) as plan:
        stored, sources = plan.stored, plan.sources
        logger.info("%s has %d of %d distinct sources; decoding %d", out, stored, sources, plan.sentences)
        if plan.parts:
            _store(_translate(teacher, plan, cluster), teacher.settings, out, plan)
    return out


def _translate(teacher: Teacher, plan: Plan, cluster: TeacherCluster | None) -> Generator[TranslatedPart]:
    if cluster is None:
        return _translate_here(teacher, plan)
    return translate_on_cluster(cluster, teacher.identity, plan)


def _translate_here(teacher: Teacher, parts: Iterable[list[str]]) -> Generator[TranslatedPart]:
    for part in parts:
        try:
            results = teacher.translate(part)
        except BudgetError as error:
            if error.done:
                yield TranslatedPart(*zip(*error.done, strict=True))
            raise
        yield TranslatedPart(part, results)


def _store(translated: Generator[TranslatedPart], settings: SearchSettings, out: Path, plan: Plan) -> None:
    with Progress(out, plan.sentences, plan.characters) as progress, closing(translated):
        for sources, results in translated:
            write_part(out, _stored_rows(sources, results, settings), plan=plan.id)
            progress.advance(sources)


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
        if not _is_unicode(hypothesis.text):
            return f"{hypothesis.text!r}, which is not Unicode text,"
    return ""


def _is_unicode(text: str) -> bool:
    """Tell whether a text can be written: it holds no lone surrogate."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


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
