"""Turn the help pages of two languages into clean pairs of sentences."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from itertools import zip_longest
from typing import NamedTuple

from synthst.corpora.libreoffice_html import Pages, Paragraph
from synthst.corpora.sentences import split_sentences

MAX_LENGTH_RATIO = 2.0  # in characters, both sides longer by RATIO_MARGIN so that short ones may differ
RATIO_MARGIN = 15
_BROKEN_LINK = re.compile(r"\[\S+ not found\]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_CYRILLIC = re.compile(r"[\u0400-\u04FF]")
_LETTER = re.compile(r"[^\W\d_]")
_NOT_ALPHANUMERIC = re.compile(r"[\W_]+")


class Pair(NamedTuple):
    """A sentence, or a paragraph that was not split, in two languages."""

    id: str
    page: str
    src: str
    tgt: str


def align_pages(pages: Mapping[str, Pages], src: str, tgt: str, counts: Counter[str]) -> Iterator[Pair]:
    """Pair the texts of ``pages["en"]`` with those of the other language, in the order of the ids.

    Paragraphs belong together by page, element id and how many of that id came before on the page. Where
    both sides have the same number of sentences, of similar lengths, each is a pair; otherwise the paragraph.
    An id is ``lo_<hash of the page>_<English paragraph>_<sentence, or 00>``.
    """
    other = tgt if src == "en" else src
    for name, page in sorted((_page_name(page), page) for page in pages["en"]):
        counts["pages"] += 1
        counterparts = dict(_number_paragraphs(pages[other].get(page, [])))
        for index, (key, english) in enumerate(_number_paragraphs(pages["en"][page])):
            counts["paragraphs"] += 1
            if english.is_code:
                counts["dropped_code"] += 1
                continue
            if key not in counterparts:
                counts["dropped_without_counterpart"] += 1
                continue
            texts = english.text, counterparts[key].text
            for number, (text, foreign) in split_alike(*texts, other, counts):
                both = (text, foreign) if src == "en" else (foreign, text)
                yield Pair(f"lo_{name}_{index:04d}_{number:02d}", page, *both)


def _page_name(page: str) -> str:
    return blake2b(page.encode(), digest_size=5).hexdigest()


def _number_paragraphs(paragraphs: Iterable[Paragraph]) -> Iterator[tuple[tuple[str, int], Paragraph]]:
    """Yield ((element id, how many of it came before), the paragraph)."""
    seen: Counter[str] = Counter()
    for paragraph in paragraphs:
        yield (paragraph.id, seen[paragraph.id]), paragraph
        seen[paragraph.id] += 1


def split_alike(
    english: str, foreign: str, other: str, counts: Counter[str]
) -> list[tuple[int, tuple[str, str]]]:
    """Return numbered pairs of sentences from 1, or the whole paragraph with number 0."""
    sentences = split_sentences(english, "en")
    pairs = list(zip_longest(sentences, split_sentences(foreign, other), fillvalue=""))
    if len(pairs) == 1:
        return [(0, (english, foreign))]
    if any(_length_ratio(one, two) > MAX_LENGTH_RATIO or not (one and two) for one, two in pairs):
        counts["paragraphs_kept_whole"] += 1
        return [(0, (english, foreign))]
    return list(enumerate(pairs, 1))


def _length_ratio(one: str, two: str) -> float:
    shorter, longer = sorted((len(one) + RATIO_MARGIN, len(two) + RATIO_MARGIN))
    return longer / shorter


def keep_clean(
    pairs: Iterable[Pair],
    counts: Counter[str],
    *,
    languages: tuple[str, str],
    min_words: int,
    max_words: int | None,
) -> Iterator[Pair]:
    """Drop pairs that are no translations, or whose source has too few or many words; count why."""
    for pair in pairs:
        words = len(pair.src.split())
        reason = find_flaw(pair.src, pair.tgt, languages)
        if reason is None and words < min_words:
            reason = "too_few_words"
        if reason is None and max_words is not None and words > max_words:
            reason = "too_many_words"
        if reason is None:
            yield pair
        else:
            counts[f"dropped_{reason}"] += 1


def find_flaw(src: str, tgt: str, languages: tuple[str, str]) -> str | None:
    """Name the reason why two texts are no usable translations of each other, if there is one."""
    if not src or not tgt:
        return "empty"
    if _CONTROL.search(src) or _CONTROL.search(tgt):
        return "control_character"
    if not _LETTER.search(src) or not _LETTER.search(tgt):
        return "without_letters"
    if _BROKEN_LINK.search(src + tgt):
        return "broken_link"
    if text_key(src) == text_key(tgt) or _is_latin_russian(src, tgt, languages):
        return "untranslated"
    if _length_ratio(src, tgt) > MAX_LENGTH_RATIO:
        return "length_ratio"
    return None


def _is_latin_russian(src: str, tgt: str, languages: tuple[str, str]) -> bool:
    texts = zip((src, tgt), languages, strict=True)
    return any(language == "ru" and not _CYRILLIC.search(text) for text, language in texts)


def text_key(text: str) -> str:
    """Return what two texts share that differ by case, blanks and punctuation only."""
    return _NOT_ALPHANUMERIC.sub("", text.casefold())


def page_keys(paragraphs: Iterable[Paragraph], language: str) -> Iterator[str]:
    """Yield the keys of every paragraph of a page and of every sentence."""
    for paragraph in paragraphs:
        yield from map(text_key, {paragraph.text, *split_sentences(paragraph.text, language)})
