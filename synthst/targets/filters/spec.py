"""What a filter is: a frozen dataclass of options that makes a test of sentence pairs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple, Never

from synthst.errors import ConfigError

UnknownPolicy = Literal["error", "keep"]
Value = float | bytes


class Pair(NamedTuple):
    """A sentence pair; what the teacher said of its hypothesis is None for real and plain targets.

    ``score`` is the hypothesis' (higher is better), ``tokens`` how many units the teacher made, not
    ``finished`` means cut off at the length limit.
    """

    id: str
    source: str
    target: str
    score: float | None = None
    tokens: int | None = None
    finished: bool | None = None


@dataclass(frozen=True)
class FilterSpec:
    """The options of a filter; its fields are the keys that a file of filters may have.

    ``name`` is what files call it, ``needs`` the field of `Pair` without which it cannot judge: then its
    option ``unknown`` says whether that is an error or the pair is kept (and counted).
    """

    name: ClassVar[str]
    needs: ClassVar[Literal["", "score", "finished"]] = ""

    @property
    def reason(self) -> str:
        """Say in one word why pairs fall to this filter, for counts and lists."""
        return self.name


class PairFilter(FilterSpec):
    """A filter that judges each pair by itself."""

    def test(self, src: str, tgt: str) -> Callable[[Pair], bool]:
        """Make the test of pairs in two languages: True means drop. Reads what it needs, once."""
        raise NotImplementedError


class CorpusFilter(FilterSpec):
    """A filter that judges a pair among all those that the filters before it kept."""

    compares: ClassVar[Literal["numbers", "digests"]]

    def value(self, pair: Pair) -> Value:
        """Return what it compares: a number, or the digest of a text."""
        raise NotImplementedError

    @property
    def query(self) -> str:
        """Select the ``position`` of what falls, from the table ``alive`` (position, value)."""
        raise NotImplementedError


def refuse(spec: FilterSpec, found: str, wanted: str) -> Never:
    """Raise ConfigError for an option that makes no sense."""
    raise ConfigError(f"filter {spec.name}: {found}; give {wanted}")
