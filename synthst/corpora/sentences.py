"""Split paragraphs into sentences by rules, cautiously: in doubt two sentences stay together."""

import re

# A dot after one of these, or after a single letter ("z. B.", "т. е."), does not end a sentence.
ABBREVIATIONS = {
    "en": "e.g i.e eg ie vs cf fig figs no nos approx incl max min dr mr mrs ms prof st inc ltd",
    "de": "bzw ca evtl ggf ggfs inkl exkl max min nr nrn abb abs bsp d.h z.b u.a o.ä s.o s.u i.d.r u.u vgl"
    " sog einschl zzgl mind lt dr hr fr prof str tel z.t v.a engl franz",
    "es": "ej p.ej núm nº pág págs sr sra dr dra ud uds vd vds fig figs art máx mín aprox ee uu ref tel",
    "fr": "ex p.ex c.-à-d c-à-d cf fig art éd env max min n° p pp mme mlle dr réf tél vol chap",
    "ru": "напр рис табл см ср стр гл пп т.е т.к т.н т.д т.п др пр англ нем фр ок руб тыс млн мин макс",
}
_ABBREVIATIONS = {language: frozenset(words.split()) for language, words in ABBREVIATIONS.items()}
_OPENERS = "\"'“„«‹‘‚(\\[¿¡"
_CLOSERS = "\"'”“»›’)\\]"
_BOUNDARY = re.compile(
    rf"(?P<stop>[.!?…]+)[{_CLOSERS}]*(?P<gap>(?: »)? )(?=[{_OPENERS}]*(?:« )?(?P<next>\w))"
)


def split_sentences(text: str, language: str) -> list[str]:
    """Return the sentences of a paragraph; joined by spaces they are the paragraph.

    Blanks must be single spaces. A sentence ends at [.!?…] with closing quotes or brackets, before a space
    and an upper-case letter with opening ones, unless the dot belongs to an abbreviation of the language
    (en, de, es, fr, ru), an initial, a number that may be an ordinal or count steps ("5. Mai", "1. Click"),
    or a menu entry ("Save As... Then").
    """
    sentences = []
    start = 0
    for match in _BOUNDARY.finditer(text):
        if _ends_sentence(text, match, language):
            sentences.append(text[start : match.end() - 1])
            start = match.end()
    return [*sentences, text[start:]]


def _ends_sentence(text: str, match: re.Match[str], language: str) -> bool:
    if not match["next"].isupper():
        return False
    if match["stop"] != ".":
        return "..." not in match["stop"] and match["stop"] != "…"
    words = text[: match.start()].rsplit(maxsplit=1)  # the word with the dot is last
    word = words[-1].lstrip("\"'“„«‹‘‚([¿¡").casefold() if words else ""
    if word.isdigit():
        counts_steps = len(words) == 1 or words[0].endswith((".", "!", "?", ":"))
        return not counts_steps and not (language == "de" and len(word) < 3)
    if len(word) == 1 and word.isalpha():
        return False
    return word not in _ABBREVIATIONS[language]
