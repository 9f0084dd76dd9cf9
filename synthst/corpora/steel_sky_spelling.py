"""Spell the game's texts as ordinary text: quotes, blanks, and emphasis, which the game writes in CAPITALS.

The rule for emphasis: a word of two or more capitals takes the spelling that is most frequent elsewhere in
the game's texts of its language, within a sentence; else that of Debian's list of the language's words, also
with a plural's s; else it is written in lower case, but its ending, the longest that is known, as most words
with this ending are: with their accents and, in German, with the first letter of a noun. Names and acronyms
that the game has in capitals only are listed here. At the start of a sentence the first letter stays a
capital. It takes that much because capitals show neither German nouns nor, in this game, accents: DEJEUNER,
ENERGIA, SOCIETA', MUSS.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable

ACRONYMS = ("ASCII", "HQ", "ID", "LINC", "OK", "SOS", "TV", "VHS")
NAMES = (
    *("Asimov", "Babycham", "Barry", "Cole", "Conan", "Doppler", "Eduardo", "Goddard", "Greaves", "Hobbins"),
    *("Kansas", "Knopfler", "Lawrence", "Lovecraft", "Mantis", "Nobby", "Nora", "Obbins", "Onan", "Potts"),
    *("Radichem", "Sanicool", "Stefan", "Steven", "Ultar", "Walter", "Willy", "Wonderland", "Wurlitzer"),
)
# What capitals lack, by language: letters and what stands for them
_ACCENTS = {
    "en": {},
    "de": {"ß": "ss"},
    "fr": dict(zip("àâéèêëîïôöùûüœ", (*"aaeeeeiioouuu", "oe"), strict=True)),
    "es": dict(zip("áéíóú", "aeiou", strict=True)),
    "it": dict(zip("àéèìòù", "aeeiou", strict=True)),
}
SHORTEST_ENDING, LONGEST_ENDING = 2, 8  # letters

_ACCENTED_CAPITALS = str.maketrans("AEIOU", "ÀÈÌÒÙ")

_WORD = re.compile(r"\w+(?:'\w+)*")
_START = re.compile(r"""(?:^|(?<!\.\.)[.!?]["']*\s+)["'¡¿]*$""")
_CHAIN = re.compile(r"\w+(?:-\w+)+")


class Spelling:
    """How the words of a language are spelled where they are not in capitals."""

    def __init__(self, language: str, texts: Iterable[str], word_list: Iterable[str] = ()) -> None:
        self.language = language
        self._bare = str.maketrans(_ACCENTS[language])
        self._listed: dict[str, str] = {}
        for word in word_list:
            key = self._key(word)
            if key == word or key not in self._listed:  # without accents, if that is a word too
                self._listed[key] = word
        found = self._most_frequent(texts)
        self._known = {name.lower(): name for name in (*ACRONYMS, *NAMES)} | {"lincs": "LINCs"} | found
        # Spanish and Italian lists lack most forms of verbs, the game's texts lack most German nouns.
        self._endings = self._count_endings((self._listed if language == "de" else found).values())

    def _key(self, word: str) -> str:
        return word.lower().translate(self._bare)

    def _most_frequent(self, texts: Iterable[str]) -> dict[str, str]:
        """Count the spellings within sentences; the one in the word list counts once more, and wins ties."""
        counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for text in texts:
            for match in _WORD.finditer(text):
                for word in {match[0], *match[0].split("'")}:
                    if not _is_shouted(match[0]) and not _starts_sentence(text, match.start()):
                        counts[self._key(word)][word] += 1
        found = {}
        for key, spellings in counts.items():
            listed = self._listed.get(key, key)
            spellings[listed] += key in self._listed
            found[key] = max(spellings, key=lambda word: (spellings[word], word == listed, word))
        return found

    def _count_endings(self, words: Iterable[str]) -> dict[str, tuple[str, bool]]:
        """Return, by endings without accents, their most frequent spelling and whether that is of a noun."""
        counts: defaultdict[str, Counter[tuple[str, bool]]] = defaultdict(Counter)
        for word in words:
            is_noun = self.language == "de" and word[:1].isupper()
            for length in range(SHORTEST_ENDING, min(LONGEST_ENDING, len(word)) + 1):
                ending = word[-length:].lower()
                counts[ending.translate(self._bare)][ending, is_noun] += 1
        return {key: max(endings, key=lambda one: (endings[one], one)) for key, endings in counts.items()}

    def lower_emphasis(self, text: str) -> str:
        """Respell the words in capitals."""
        if self.language == "it":
            text = re.sub(r"\b(?!PO')([A-Z]*[AEIOU])'(?!\w)", self._restore_accent, text)
        text = _WORD.sub(lambda match: self._respell(text, match), text)
        return _CHAIN.sub(_capitalise_chain, text) if self.language == "de" else text

    def _respell(self, text: str, match: re.Match[str]) -> str:
        token = match[0]
        if not _is_shouted(token) and not self._is_lone_capital(text, match):
            return token
        key = self._key(token)
        word = self._known.get(key) or "'".join(self._spell(part) for part in token.split("'"))
        return word[0].upper() + word[1:] if _starts_sentence(text, match.start()) else word

    def _is_lone_capital(self, text: str, match: re.Match[str]) -> bool:
        """Tell whether a letter is a word in capitals: "BOITE A OUTILS", not "I" and not "T. E."."""
        if self.language in ("en", "de") or len(match[0]) > 1 or not match[0].isupper():
            return False
        beside = [*_WORD.findall(text[: match.start()])[-1:], *_WORD.findall(text[match.end() :])[:1]]
        return text[match.end() : match.end() + 1] == " " and any(_is_shouted(word) for word in beside)

    def _spell(self, word: str) -> str:
        """Spell one word; a word that is not in capitals stays as it is."""
        if not word.isupper():
            return word
        key = self._key(word)
        if known := self._known.get(key) or self._listed.get(key):
            return known
        singular = self._listed.get(key.removesuffix("s"))
        return f"{singular}s" if singular else self._spell_by_ending(word)

    def _spell_by_ending(self, word: str) -> str:
        key = self._key(word)
        for length in range(min(LONGEST_ENDING, len(key) - 1), SHORTEST_ENDING - 1, -1):
            if key[-length:] in self._endings:
                ending, is_noun = self._endings[key[-length:]]
                return (key[:-length].capitalize() if is_noun else key[:-length]) + ending
        return word.lower()

    def _restore_accent(self, match: re.Match[str]) -> str:
        """Turn the apostrophe of SOCIETA' into an accent, unless it ends a quotation."""
        key = self._key(match[1])
        spelled = self._known.get(key) or self._listed.get(key)
        ends_in_accent = spelled[-1] in _ACCENTS["it"] if spelled else key[-1] in "ao"
        is_accent = ends_in_accent or match[0] == "E'"
        return match[1][:-1] + match[1][-1].translate(_ACCENTED_CAPITALS) if is_accent else match[0]


def clean_text(text: str, language: str) -> str:
    """Mend what the game's fonts and boxes left: quotes, blanks, dots, and hyphens at ends of lines."""
    text = text.strip()
    if text.count("`") == 1:
        text = _close_quote(text)
    text = text.replace("`", '"')
    text = re.sub(r"\s+", " ", text)
    text = re.sub(r"(?<!\.)\.\.(?!\.)|\.{4,}", "...", text)
    text = re.sub(r" +(?=[?!,;]|\.(?!\.))|(?<=^\.\.\.) ", "", text)
    if language == "de":
        text = re.sub(r"(?<=\w)- (?!und\b|oder\b)(?=\w)", "-", text)
    return text


def _close_quote(text: str) -> str:
    """Pair a backquote with the last apostrophe behind it that ends a word; else it is an apostrophe."""
    before, _, after = text.partition("`")
    quoted = re.fullmatch(r"(.*)'(?!\w)(.*)", after)
    return f'{before}"{quoted[1]}"{quoted[2]}' if quoted else f"{before}'{after}"


def _is_shouted(token: str) -> bool:
    """Tell whether a word, or a part of one like l'ASCENSEUR, is in capitals, at least two of them."""
    if any(character.isdigit() for character in token):
        return False
    parts = token.split("'")
    return any(len(part) > 1 and part.isupper() for part in parts) or (len(parts) > 1 and token.isupper())


def _starts_sentence(text: str, position: int) -> bool:
    return _START.search(text[:position]) is not None


def _capitalise_chain(match: re.Match[str]) -> str:
    """Give all parts of a German compound a capital if the last has one: Sicherheits-Vorrichtung."""
    parts = match[0].split("-")
    if not parts[-1][:1].isupper():
        return match[0]
    return "-".join(part[:1].upper() + part[1:] for part in parts)
