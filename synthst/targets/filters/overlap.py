"""The filter for sentences of dev and test sets: decontamination."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from synthst.datadir import text_path
from synthst.errors import DataError
from synthst.tables import join_tables, read_table
from synthst.targets.filters.spec import Pair, PairFilter, refuse
from synthst.targets.filters.words import normalise

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Overlap(PairFilter):
    """Drop a pair that is in a dev or test set, by text without case, blanks and punctuation.

    ``sets`` are their data directories, ``by`` says what must be equal: the source, the target, either of
    them, or the pair. A set that lacks one of the texts is searched by the other. Scores on sentences that
    the training saw are worth nothing: Lee et al. (ACL 2022) count how often they do.
    """

    name: ClassVar[str] = "overlap"
    sets: tuple[Path, ...] = ()
    by: Literal["either", "source", "target", "pair"] = "either"

    def __post_init__(self) -> None:
        if not self.sets:
            refuse(self, "no sets", "the data directories of dev and test sets: sets: [data/dev, data/test]")

    def test(self, src: str, tgt: str) -> Callable[[Pair], bool]:
        """Read the sets."""
        if self.by == "pair":
            pairs = {
                (normalise(source), normalise(target))
                for directory in self.sets
                for _, (source, target) in join_tables([text_path(directory, lang) for lang in (src, tgt)])
            }
            return lambda pair: (normalise(pair.source), normalise(pair.target)) in pairs
        sources = self._sentences(src, tgt) if self.by != "target" else frozenset[str]()
        targets = self._sentences(tgt, src) if self.by != "source" else frozenset[str]()
        return lambda pair: bool(
            (sources and normalise(pair.source) in sources) or (targets and normalise(pair.target) in targets)
        )

    def _sentences(self, lang: str, other: str) -> frozenset[str]:
        """Read one side of all sets; a set may lack it if the other side is looked for too."""
        found: set[str] = set()
        for directory in self.sets:
            path = text_path(directory, lang)
            if self.by == "either" and not path.exists() and text_path(directory, other).exists():
                logger.info("%s is not there: its set is searched by text.%s only", path, other)
            elif not path.exists():
                raise DataError(f"{path} is not there; name a data directory with text.{lang} to keep apart")
            else:
                found |= {normalise(text) for _, text in read_table(path)}
        return frozenset(found)
