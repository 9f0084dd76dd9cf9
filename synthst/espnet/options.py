"""What a search is asked for and what it returns."""

from dataclasses import dataclass
from typing import Literal, get_args

from synthst.errors import ConfigError

Normalisation = Literal["none", "mean"]
Stopping = Literal["shrinking", "first_come"]
BATCH_TOKENS = {"cpu": 4_096, "cuda": 65_536}
"""`SearchOptions.batch_tokens` by device, for speed only: batches do not change translations."""
DTYPES = ("float32", "bfloat16")


@dataclass(frozen=True)
class SearchOptions:
    """What to search for and how; wrong values raise ConfigError.

    ``length_normalisation`` chooses the order of finished hypotheses: ``none`` by the sum of log
    probabilities, ``mean`` by the sum over the number of tokens with the final eos.
    A hypothesis has at most ``max(1, int(max_ratio * n) + max_extra)`` tokens, where n is the
    encoder's output length (in translation the source tokens and one sos). So ESPnet's
    ``maxlenratio: r`` is ``max_ratio=r, max_extra=0``, its ``maxlenratio: -c`` is ``max_ratio=0,
    max_extra=c``, and its 0 has no counterpart: that stops by a rule of thumb (``end_detect``).
    ``stopping`` says what becomes of a beam when hypotheses end. ``shrinking``, ESPnet's rule: it goes on
    with the others, until none of them can become one of the n-best. ``first_come``, CTranslate2's rule: the
    next best take their places, until ``beam`` hypotheses have ended; one that is cut off counts no eos.
    (Kasai et al., "A Call for Clarity in Beam Search: How It Works and When It Stops", 2022, tell the two
    apart.)
    """

    beam: int = 4
    """Hypotheses kept per step; 1 is greedy search. Sampling does not use it."""
    nbest: int = 1
    """Hypotheses returned, best first; when sampling, independent samples in the order drawn."""
    length_normalisation: Normalisation = "mean"
    stopping: Stopping = "shrinking"
    min_length: int = 0
    """Tokens before eos may come; 1 rules the empty hypothesis out."""
    max_ratio: float = 1.5
    max_extra: int = 10
    top_k: int = 0
    """Sample among the ``top_k`` likeliest tokens; 0 searches with the beam instead."""
    temperature: float = 1.0
    seed: int = 0
    batch_tokens: int = 4096
    """Source tokens in a batch, padding included, times the hypotheses per sentence."""
    dtype: str = "float32"
    """``float32`` or ``bfloat16`` for weights and caches; scores are summed in float32."""

    def __post_init__(self) -> None:
        for name in ("beam", "nbest", "batch_tokens"):
            _require(getattr(self, name) >= 1, name, "at least 1", getattr(self, name))
        for name in ("min_length", "max_ratio", "max_extra", "top_k"):
            _require(getattr(self, name) >= 0, name, "at least 0", getattr(self, name))
        _require(
            self.max_ratio > 0 or self.max_extra > 0,
            "max_extra",
            "above 0 when max_ratio is 0",
            self.max_extra,
        )
        _require(self.temperature > 0, "temperature", "above 0", self.temperature)
        _require(self.sampling or self.nbest <= self.beam, "nbest", f"at most beam = {self.beam}", self.nbest)
        for name, kind in (("length_normalisation", Normalisation), ("stopping", Stopping)):
            known = get_args(kind)
            _require(getattr(self, name) in known, name, f"one of {', '.join(known)}", getattr(self, name))
        _require(self.dtype in DTYPES, "dtype", f"one of {', '.join(DTYPES)}", self.dtype)

    @property
    def sampling(self) -> bool:
        """Tell whether tokens are drawn."""
        return self.top_k > 0

    @property
    def first_come(self) -> bool:
        """Tell whether the next best take the places of those that end."""
        return self.stopping == "first_come" and not self.sampling

    @property
    def width(self) -> int:
        """Give the number of hypotheses that a sentence has at a time."""
        return self.nbest if self.sampling else self.beam


def _require(holds: bool, name: str, wanted: str, found: object) -> None:
    if not holds:
        raise ConfigError(f"search option {name}: wanted {wanted}, found {found}")


@dataclass(frozen=True)
class Hypothesis:
    """One output of the search."""

    tokens: tuple[int, ...]
    """Without sos and eos."""
    score: float
    """Sum of the tokens' log probabilities in nats, eos included unless cut off."""
    finished: bool
    """False when the maximum length cut it off."""
    ranked_by: float
    """The score, normalised as the options ask: what the n-best are ordered by."""
