"""What a teacher is: anything that turns source sentences into n-best lists, always the same ones."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import NamedTuple, Protocol

from synthst.errors import ConfigError

NORMALISATIONS = ("none", "mean")
DTYPES = ("float32", "bfloat16")


@dataclass(frozen=True)
class SearchSettings:
    """What determines a translation besides the teacher; speed and device do not and are not here.

    A hypothesis has at least ``min_length`` tokens, for a target must not be empty, and at most
    ``max_ratio * source tokens + max_extra``. ``top_k`` 0 means beam search; above, ``nbest`` samples are
    drawn from the ``top_k`` likeliest tokens, by ``temperature`` and ``seed``.
    """

    beam: int = 4
    nbest: int = 1
    length_normalisation: str = "mean"
    min_length: int = 1
    max_ratio: float = 1.5
    max_extra: int = 10
    top_k: int = 0
    temperature: float = 1.0
    seed: int = 0
    dtype: str = "float32"

    def __post_init__(self) -> None:
        if self.beam < 1 or self.nbest < 1 or self.top_k < 0:
            _refuse(
                f"beam {self.beam}, nbest {self.nbest}, top_k {self.top_k}", "beam, nbest >= 1 and top_k >= 0"
            )
        if not self.top_k and self.nbest > self.beam:
            _refuse(f"nbest {self.nbest} with beam {self.beam}", f"nbest <= {self.beam}, or a larger beam")
        if min(self.min_length, self.max_ratio, self.max_extra) < 0 or self.max_ratio + self.max_extra == 0:
            found = f"min_length {self.min_length}, max_ratio {self.max_ratio}, max_extra {self.max_extra}"
            _refuse(found, "all >= 0 and one of the last two above")
        if self.temperature <= 0:
            _refuse(f"temperature {self.temperature}", "one above 0")
        if self.length_normalisation not in NORMALISATIONS:
            _refuse(
                f"length_normalisation {self.length_normalisation}", f"one of {', '.join(NORMALISATIONS)}"
            )
        if self.dtype not in DTYPES:
            _refuse(f"dtype {self.dtype}", f"one of {', '.join(DTYPES)}")


class Hypothesis(NamedTuple):
    """A translation of ``tokens`` teacher's units; not finished means cut off at the length limit."""

    text: str
    score: float
    tokens: int
    finished: bool


class Teacher(Protocol):
    """Translate sentences, each by ``identity`` and ``settings`` alone.

    Neighbours, their order and their number change nothing, so a killed decoding can go on elsewhere.
    """

    @property
    def identity(self) -> Mapping[str, object]:
        """Say which teacher this is: kind, name and a checksum or revision, as JSON values."""

    @property
    def settings(self) -> SearchSettings:
        """Say how it searches."""

    def translate(self, sources: Sequence[str]) -> Sequence[Sequence[Hypothesis]]:
        """Return 1 to nbest hypotheses of each source, in the order of ``sources``.

        A beam's have the best score first, samples come in the order drawn.
        """


def decode_name(settings: SearchSettings) -> str:
    """Name the directory of a store after its settings: beam4, beam4_nbest4, topk10_seed1.

    Any other setting that is not the default follows: beam4_max_ratio3.0.
    """
    named = {"beam", "top_k", "seed"} if settings.top_k else {"beam"}
    start = f"topk{settings.top_k}_seed{settings.seed}" if settings.top_k else f"beam{settings.beam}"
    values = asdict(settings)
    others = [field for field in fields(settings) if field.name not in named]
    return start + "".join(
        f"_{field.name}{values[field.name]}" for field in others if values[field.name] != field.default
    )


def _refuse(found: str, wanted: str) -> None:
    raise ConfigError(f"the search settings say {found}; give {wanted}")
