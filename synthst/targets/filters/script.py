"""The filter for the wrong script: Cyrillic where German should be."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

from synthst.targets.filters.spec import Pair, PairFilter, refuse

# The scripts, named as Unicode names their letters, of the languages that are not written in Latin alone.
_LANGUAGES = {
    "LATIN": "af az br bs ca ceb cs cy da de en eo es et eu fi fil fo fr fy ga gd gl ha hr ht hu id ig is it "
    "jv ku la lb lt lv mg mi ms mt nb nl nn no oc om pl pt qu ro rw sk sl sn so sq sr st sv sw tl tn tr ts "
    "uz vi wo xh yo zu",
    "CYRILLIC": "ba be bg kk ky mk mn ru sr tg tt uk",
    "ARABIC": "ar arz fa ps sd ug ur ckb",
    "DEVANAGARI": "hi mr ne sa",
    "BENGALI": "as bn",
    "HEBREW": "he iw yi",
    "ETHIOPIC": "am ti",
    "CJK": "ja ko yue zh",
    "HIRAGANA": "ja",
    "KATAKANA": "ja",
    "HANGUL": "ko",
    "GREEK": "el",
    "ARMENIAN": "hy",
    "GEORGIAN": "ka",
    "GUJARATI": "gu",
    "GURMUKHI": "pa",
    "KANNADA": "kn",
    "KHMER": "km",
    "LAO": "lo",
    "MALAYALAM": "ml",
    "MYANMAR": "my",
    "ORIYA": "or",
    "SINHALA": "si",
    "TAMIL": "ta",
    "TELUGU": "te",
    "THAI": "th",
    "TIBETAN": "bo dz",
}


@dataclass(frozen=True)
class Script(PairFilter):
    """Drop a pair of which one side has less than ``min_share`` of its letters in its language's script.

    A side without letters is kept. ``source`` and ``target`` name the scripts, as Unicode names letters,
    where the language codes do not tell: "CYRILLIC", or several with blanks between. After OpusFilter's
    CharacterScoreFilter (Aulamo et al., ACL 2020), with room for names in other letters.
    """

    name: ClassVar[str] = "script"
    min_share: float = 0.2
    source: str = ""
    target: str = ""

    def __post_init__(self) -> None:
        if not 0 < self.min_share <= 1:
            refuse(self, f"min_share {self.min_share}", "a share above 0, at most 1")

    def test(self, src: str, tgt: str) -> Callable[[Pair], bool]:
        """Count letters."""
        source = self._scripts(self.source, src, "source")
        target = self._scripts(self.target, tgt, "target")
        return lambda pair: (
            share_of_scripts(pair.source, source) < self.min_share
            or share_of_scripts(pair.target, target) < self.min_share
        )

    def _scripts(self, named: str, lang: str, side: str) -> frozenset[str]:
        scripts = frozenset(named.upper().split()) or scripts_of(lang)
        if not scripts:
            refuse(self, f"no script is known of the language {lang!r}", f"one: {side}: LATIN")
        if unknown := sorted(scripts - _LANGUAGES.keys()):
            refuse(self, f"{side} is {' '.join(unknown)}", f"one or more of {', '.join(_LANGUAGES)}")
        return scripts


def scripts_of(lang: str) -> frozenset[str]:
    """Return the scripts of a language by its code's first part (de, de-AT, zh_CN); none if not known."""
    code = re.split(r"[-_@]", lang.lower())[0]
    return frozenset(script for script, langs in _LANGUAGES.items() if code in langs.split())


def share_of_scripts(text: str, scripts: frozenset[str]) -> float:
    """Return which part of a text's letters is of some scripts; 1 if there is no letter."""
    if text.isascii() and "LATIN" in scripts:  # cheap, and enough for most English
        return 1.0
    letters = inside = 0
    for char, count in Counter(text).items():
        if script := script_of(char):
            letters += count
            inside += count if script in scripts else 0
    return inside / letters if letters else 1.0


@cache
def script_of(char: str) -> str:
    """Return the script of a letter, by the first word of its Unicode name; "" if it is no letter."""
    name = unicodedata.name(unicodedata.normalize("NFKC", char)[0], "")  # full width, ordinal o
    return re.split("[ -]", name)[0] if char.isalpha() else ""
