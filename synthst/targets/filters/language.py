"""The filter for the wrong language, by the detector py3langid."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING, ClassVar, Literal

from synthst.errors import ConfigError, install_command
from synthst.targets.filters.spec import Pair, PairFilter, refuse

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier


@dataclass(frozen=True)
class Language(PairFilter):
    """Drop a pair of which a side is in another language than it should be.

    The detector py3langid (after Lui and Baldwin, ACL 2012) must give the language less than
    ``min_probability`` and another one the most. Of sentences with fewer than ``min_letters`` letters it
    knows too little: they are kept. ``side`` says which sides are looked at; ``source`` and ``target`` are
    the detector's codes where they are not the first part of the data's. Khayrallah and Koehn (WNMT 2018)
    measured what sentences in wrong languages do; Caswell et al. (COLING 2020) how detectors fail. Of
    2,000 sentences each of LibreOffice's help, the defaults drop none in English and Russian, 2 in German, 4
    in French and 7 in Spanish; of 1,714 English ones long enough they keep 5 as French, fewer as another.
    """

    name: ClassVar[str] = "language"
    side: Literal["both", "source", "target"] = "both"
    min_probability: float = 0.1
    min_letters: int = 30
    source: str = ""
    target: str = ""

    def __post_init__(self) -> None:
        if not 0 < self.min_probability <= 1 or self.min_letters < 0:
            found = f"min_probability {self.min_probability}, min_letters {self.min_letters}"
            refuse(self, found, "a probability above 0, at most 1, and a number of letters from 0")

    def test(self, src: str, tgt: str) -> Callable[[Pair], bool]:
        """Load the detector and ask it for one side or both."""
        detector = load_detector()
        source = self._code(detector, self.source or src) if self.side != "target" else ""
        target = self._code(detector, self.target or tgt) if self.side != "source" else ""
        return lambda pair: bool(
            (target and self._is_other(detector, pair.target, target))
            or (source and self._is_other(detector, pair.source, source))
        )

    def _code(self, detector: "LanguageIdentifier", lang: str) -> str:
        """Find the detector's code of a language."""
        code = re.split(r"[-_@]", lang.lower())[0]
        if code not in detector.labels:
            nearest = get_close_matches(code, detector.labels, n=3, cutoff=0.3)
            wanted = f"source or target: one of its codes ({', '.join(nearest or detector.labels)})"
            refuse(self, f"py3langid knows no language {code!r}", wanted)
        return code

    def _is_other(self, detector: "LanguageIdentifier", text: str, code: str) -> bool:
        if sum(map(str.isalpha, text)) < self.min_letters:
            return False
        likeliest, _ = detector.classify(text)
        return bool(likeliest != code and dict(detector.rank(text))[code] < self.min_probability)


@cache
def load_detector() -> "LanguageIdentifier":
    """Load py3langid's model, once. Raises ConfigError when it is not installed."""
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError as error:
        found = "filter language needs py3langid, which is not installed"
        raise ConfigError(f"{found}; {install_command('langid')}, or leave the filter out") from error
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
