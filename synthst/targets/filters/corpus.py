"""Filters that compare pairs with all others: the teacher's worst scores, and duplicates."""

from dataclasses import dataclass
from hashlib import blake2b
from typing import ClassVar, Literal

from synthst.targets.filters.spec import CorpusFilter, Pair, UnknownPolicy, Value, refuse
from synthst.targets.filters.words import normalise


@dataclass(frozen=True)
class ScoreQuantile(CorpusFilter):
    """Drop the part ``quantile`` of the targets to which the teacher gave the lowest scores.

    As many may fall as that part of the pairs that have a score, rounded down, and none that ties with the
    first to be kept. The score is the store's: with length normalisation the mean log-probability of a token,
    the best measure of a model's own for hallucinations (Guerreiro et al., EACL 2023); without it, long
    sentences fall first. Only targets from a translation store have one.
    """

    name: ClassVar[str] = "score_quantile"
    needs: ClassVar[Literal["", "score", "finished"]] = "score"
    compares: ClassVar[Literal["numbers", "digests"]] = "numbers"
    quantile: float = 0.05
    unknown: UnknownPolicy = "error"

    def __post_init__(self) -> None:
        if not 0 < self.quantile < 1:
            refuse(self, f"quantile {self.quantile}", "a part above 0 and below 1")

    def value(self, pair: Pair) -> Value:
        """Compare scores."""
        assert pair.score is not None
        return pair.score

    @property
    def query(self) -> str:
        """Find the first score to be kept, and what is below it."""
        fallen = f"CAST(floor({self.quantile!r} * (SELECT count(*) FROM alive)) AS BIGINT)"
        first_kept = f"SELECT value FROM alive ORDER BY value LIMIT 1 OFFSET ({fallen})"
        return f"SELECT position FROM alive WHERE value < ({first_kept})"


@dataclass(frozen=True)
class Duplicates(CorpusFilter):
    """Keep the first ``copies`` pairs, in the order of ids, of those that have the same text.

    ``by`` says which: both sides, or one. ``normalised`` takes no notice of case, blanks and punctuation.
    Lee et al. (ACL 2022) measured what duplicates do to language models. By source, a set with several
    targets for a source loses all but ``copies``.
    """

    name: ClassVar[str] = "duplicates"
    compares: ClassVar[Literal["numbers", "digests"]] = "digests"
    by: Literal["pair", "source", "target"] = "pair"
    copies: int = 1
    normalised: bool = False

    def __post_init__(self) -> None:
        if self.copies < 1:
            refuse(self, f"copies {self.copies}", "1 or more")

    @property
    def reason(self) -> str:
        """Say which text was there already."""
        return f"{self.name}_{self.by}"

    def value(self, pair: Pair) -> Value:
        """Compare digests of the texts."""
        texts = {"pair": [pair.source, pair.target], "source": [pair.source], "target": [pair.target]}[
            self.by
        ]
        compared = map(normalise, texts) if self.normalised else texts
        return blake2b("\0".join(compared).encode("utf-8", "surrogatepass"), digest_size=16).digest()

    @property
    def query(self) -> str:
        """Number the pairs of each text and find those after the first."""
        copy = "row_number() OVER (PARTITION BY value ORDER BY position)"
        return f"SELECT position FROM (SELECT position, {copy} AS copy FROM alive) WHERE copy > {self.copies}"
