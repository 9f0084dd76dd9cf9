"""A teacher that needs no model, and data for it."""

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from synthst.datadir import text_path
from synthst.tables import write_table
from synthst.teacher.decode import decode_corpus
from synthst.teacher.protocol import Hypothesis, SearchSettings


def reverse(source: str) -> str:
    """Translate so that no two sources have the same translation."""
    return f"<{source[::-1]}>"


class FakeTeacher:
    """Translate each sentence with a function and remember what was asked for."""

    def __init__(
        self,
        translation: Callable[[str], str] = reverse,
        *,
        name: str = "fake",
        nbest: int = 1,
        finished: bool = True,
        seconds: float = 0.0,
    ) -> None:
        self.identity = {"kind": "fake", "name": name}
        self.settings = SearchSettings(nbest=nbest)
        self.asked: list[str] = []
        self._translation, self._finished, self._seconds = translation, finished, seconds

    def translate(self, sources: Sequence[str]) -> list[list[Hypothesis]]:
        """Give the translation and, below it, numbered variants."""
        time.sleep(self._seconds)
        self.asked += sources
        return [
            [
                Hypothesis(
                    self._translation(source) + (f" {rank}" if rank else ""), -0.5 - rank, 3, self._finished
                )
                for rank in range(self.settings.nbest)
            ]
            for source in sources
        ]


def write_data(directory: Path, sources: Iterable[str], *, src: str = "en") -> Path:
    """Write a data directory with text.<src> only, ids u000000, u000001, ..."""
    directory.mkdir(parents=True, exist_ok=True)
    rows = ((f"u{number:06d}", source) for number, source in enumerate(sources))
    write_table(text_path(directory, src), rows)
    return directory


def decode_slowly(data: Path, store: Path, seconds: float, shard: str) -> None:
    """Decode in parts of five sentences, each ``seconds`` long; for a process that is to be killed."""
    decode_corpus(FakeTeacher(seconds=seconds), data, store, src="en", part_sentences=5, shard=shard)
