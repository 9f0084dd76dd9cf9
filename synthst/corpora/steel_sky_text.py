"""Read the texts of Beneath a Steel Sky: Huffman codes of glyphs, which stand for letters by language.

The tree of the codes is not in the game's data. It is a table of the program that plays the game (scummvm,
GPL-3.0-or-later), found there by its first bytes when the corpus is prepared.
"""

import re
from collections.abc import Sequence

from synthst.errors import DataError

LANGUAGES = {"en": 0, "de": 1, "fr": 2, "it": 5, "es": 7}  # the numbers that the game gives them
GLYPHS = {
    "en": {},
    "de": {"#": "ü", ")": "ö", "(": "ß", "*": "ä", "}": "Ü", "~": "Ä", "\x7f": "Ö"},
    "fr": {"+": "é", "\x91": "à", "=": "ê", "]": "è", "/": "ç", "^": "Ç", ">": "û", "\x92": "ù"}
    | {"@": "ô", "_": "î", "[": "â", "{": "ï"},
    "es": {"\x8b": "¡", "\x8a": "¿", "\x87": "í", "+": "é", "<": "á", "\x88": "ó", "\x8d": "ñ"}
    | {"\\": "ú", "\x8c": "Ñ", "}": "Ü", "#": "ü"},
    "it": {"]": "è", "\x91": "à", "\x8e": "ì", "+": "é", "\x8f": "ò", "\x92": "ù"},
}
TREE_START = bytes((1, 20, 0, 2, 7, 0, 3, 4, 0, 0, 0, 32))
TREE_NODES = 245

Tree = Sequence[tuple[int, int, int]]  # left, right, value; a leaf has neither left nor right

_LONG, _LONG_UNIT = 0x80, 8
_PLAIN = re.compile(r"[ !\"'`,\-.0-9:;?A-Za-z]")


def find_tree(program: bytes, text_file: bytes) -> Tree:
    """Find the tree in the program that plays the game: the first by which a file of texts can be read.

    Raises DataError when there is none.
    """
    start = program.find(TREE_START)
    while start >= 0:
        table = program[start : start + 3 * TREE_NODES]
        tree = list(zip(table[::3], table[1::3], table[2::3], strict=False))
        try:
            read_texts(text_file, tree)
            return tree
        except DataError:
            start = program.find(TREE_START, start + 1)
    raise DataError(
        "the program usr/games/scummvm holds no table that the texts can be read by; "
        "use the package of Debian 12, scummvm 2.7.0, or a later one"
    )


def read_texts(text_file: bytes, tree: Tree) -> list[bytes]:
    """Return the texts of a section, as glyphs, in order.

    Raises DataError when a text does not end where the file's table of lengths says.
    """
    table_start, stream_start = (int.from_bytes(text_file[at : at + 2], "little") for at in (0, 2))
    lengths = text_file[table_start:stream_start]
    texts = []
    unit = 4 * stream_start  # the position, in units of two bits
    try:
        for number, length in enumerate(lengths):
            units = (length & ~_LONG) * _LONG_UNIT if length & _LONG else length
            glyphs, used = _read_text(text_file, 2 * unit, tree)
            spare = units - (used + 1) // 2
            if not 0 <= spare < (_LONG_UNIT if length & _LONG else 1):
                raise DataError(f"text {number} takes {used} bits, the file's table says {2 * units}")
            texts.append(glyphs)
            unit += units
    except IndexError as error:
        raise DataError(f"text {len(texts)} is cut off, or in another code") from error
    return texts


def _read_text(data: bytes, bit: int, tree: Tree) -> tuple[bytes, int]:
    """Return the glyphs of the text at a bit, and how many bits it takes with its end."""
    glyphs = bytearray()
    start = bit
    while True:
        left, right, value = tree[0]
        while left or right:
            left, right, value = tree[right if data[bit >> 3] >> (7 - bit & 7) & 1 else left]
            bit += 1
        if not value:
            return bytes(glyphs), bit - start
        glyphs.append(value)


def decode_glyphs(glyphs: bytes, language: str) -> str:
    """Turn glyphs into text; one that stands for no letter of the language stays as it is."""
    letters = GLYPHS[language]
    return "".join(letters.get(glyph, glyph) for glyph in glyphs.decode("latin-1"))


def has_marks(text: str, language: str) -> bool:
    """Tell whether a text has what no line to be spoken has: tabs, frames, "###", marks of the makers."""
    return bool(set(_PLAIN.sub("", text)) - set(GLYPHS[language].values()))
