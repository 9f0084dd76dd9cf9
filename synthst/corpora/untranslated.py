"""Tell pairs whose target is still mostly English."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from synthst.corpora.libreoffice_pairs import Pair

MAX_SHARED_WORDS = 0.6
_WORD = re.compile(r"[^\W\d_]{2,}")


def drop_untranslated(pairs: Iterable[Pair], counts: Counter[str], *, from_english: bool) -> Iterator[Pair]:
    """Leave out pairs that share more of the English words than MAX_SHARED_WORDS; count them.

    So are texts in which a reference or a title only is translated ("see Abschnitt 2.1").
    """
    for pair in pairs:
        english, foreign = (pair.src, pair.tgt) if from_english else (pair.tgt, pair.src)
        if shared_words(english, foreign) > MAX_SHARED_WORDS:
            counts["dropped_mostly_untranslated"] += 1
        else:
            yield pair


def shared_words(english: str, foreign: str) -> float:
    """Return which part of the different English words in small letters are in the other text, 0 to 1.

    Words in capitals are names more often than not, which translations share.
    """
    words = {word for word in _WORD.findall(english) if word.islower()}
    others = set(_WORD.findall(foreign.casefold()))
    return len(words & others) / max(1, len(words))
