"""Read translation memories (TMX 1.4) without holding them in memory."""

from collections.abc import Iterator
from xml.etree import ElementTree

from synthst.corpora.compressed import open_bytes
from synthst.errors import DataError

_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_CODES = {"bpt", "ept", "it", "ph", "ut"}  # elements that hold a document's own markup, not text


def read_tmx(name: str, first: str, second: str) -> Iterator[tuple[str, str]]:
    """Yield the texts in two languages of each unit of a TMX file; "" for a language that a unit lacks.

    en-GB counts as en. Of several texts in a language the first is taken. Markup inside a text
    (bpt, ept, it, ph, ut) goes. Raises DataError where the file stops being XML.
    """
    with open_bytes(name) as file:
        try:
            for unit in _units(ElementTree.iterparse(file, events=("start", "end"))):
                texts = _texts(unit)
                yield texts.get(_primary(first), ""), texts.get(_primary(second), "")
        except ElementTree.ParseError as error:
            raise DataError(f"{name} is no XML from {error}; fetch it again") from error


def _units(events: Iterator[tuple[str, ElementTree.Element]]) -> Iterator[ElementTree.Element]:
    """Yield each finished <tu>, and forget it afterwards."""
    body: ElementTree.Element | None = None
    for event, element in events:
        if event == "start" and element.tag == "body":
            body = element
        elif event == "end" and element.tag == "tu":
            yield element
            if body is not None:
                body.clear()


def _texts(unit: ElementTree.Element) -> dict[str, str]:
    texts: dict[str, str] = {}
    for variant in unit.iter("tuv"):
        lang = variant.get(_LANG) or variant.get("lang") or ""
        segment = variant.find("seg")
        if segment is not None:
            texts.setdefault(_primary(lang), "".join(_text(segment)))
    return texts


def _text(element: ElementTree.Element) -> Iterator[str]:
    """Yield the pieces of text of an element, those of the markup in it left out."""
    if element.tag not in _CODES:
        yield element.text or ""
        for child in element:
            yield from _text(child)
            yield child.tail or ""


def _primary(lang: str) -> str:
    return lang.lower().replace("_", "-").split("-")[0]
