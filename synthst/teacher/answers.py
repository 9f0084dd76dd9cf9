"""Take the translation out of what a language model answered, or say why there is none in it."""

import re
from collections.abc import Sequence

QUOTES = {'"': '"', "'": "'", "“": "”", "„": "“", "«": "»", "»": "«", "‘": "’", "‹": "›", "「": "」"}

_REASONING = re.compile(
    r"\A\s*<(think|thinking|reasoning)>.*?</\1>|\A\s*<(?:think|thinking|reasoning)>.*|\A.*?</think>",
    re.DOTALL,
)
_FENCE = re.compile(r"\A```[\w-]*\n(.*?)\n?```\Z", re.DOTALL)
_INTRODUCTION = re.compile(r"\A[^\n]*:[*_]*[ \t]*\n+(?=\S)")
_LINE_ENDS = re.compile(r"[\r\n]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


def clean_answer(answer: str, source: str) -> str:
    """Remove what models put around a translation; nothing inside it is changed.

    In this order: reasoning in <think> and its kind (all, when it does not end), a code fence around the
    whole, a first line that only introduces ("Here is the translation:"), a pair of quotation marks around
    the whole unless ``source`` has one, blanks at the ends.
    """
    text = _REASONING.sub("", answer, count=1).strip()
    if fenced := _FENCE.match(text):
        text = fenced[1].strip()
    text = _INTRODUCTION.sub("", text, count=1).strip()
    return text if _is_quoted(source.strip()) else _unquote(text)


def find_fault(text: str, refusals: Sequence[str]) -> str:
    """Say why a cleaned answer is no translation of one line; nothing if it is one.

    ``refusals`` are regular expressions, sought in the text whatever its case.
    """
    if not text:
        return "empty"
    if any("\ud800" <= character <= "\udfff" for character in text):
        return "no Unicode text"
    if _LINE_ENDS.search(text):
        return "of several lines"
    if any(re.search(pattern, text, re.IGNORECASE) for pattern in refusals):
        return "a refusal"
    return ""


def join_lines(text: str) -> str:
    """Put one blank in place of control characters, and a mark in place of what is no Unicode."""
    return _CONTROL.sub(" ", text).strip().encode("utf-8", "replace").decode("utf-8")


def _is_quoted(text: str) -> bool:
    return len(text) > 1 and text[0] in QUOTES and (text[-1] in QUOTES.values() or text[-1] in QUOTES)


def _unquote(text: str) -> str:
    """Remove one pair of quotation marks, unless there are others of its kind inside: "A" or "B"."""
    if len(text) < 3 or QUOTES.get(text[0]) != text[-1]:
        return text
    inside = text[1:-1]
    return text if text[0] in inside or text[-1] in inside else inside.strip()
