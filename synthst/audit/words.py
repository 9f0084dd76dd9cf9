"""Split sentences of any language into words, the same way for real and synthetic targets."""

import unicodedata

# Their writing has no blanks between words, so a character counts as one.
_UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN")


class _Separation(dict[int, str]):
    """Map a character to itself, or put blanks around it: a table for ``str.translate`` that fills itself."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        apart = unicodedata.category(character)[0] in "PS"
        apart = apart or unicodedata.name(character, "").startswith(_UNSPACED)
        self[code] = f" {character} " if apart else character
        return self[code]


_SEPARATION = _Separation()


def split_words(text: str) -> list[str]:
    """Split at blanks and around every punctuation mark and symbol; case is kept."""
    return text.translate(_SEPARATION).split()


def is_word(word: str) -> bool:
    """Tell a word from a number, a punctuation mark or a symbol: it has a letter."""
    return any(map(str.isalpha, word))
