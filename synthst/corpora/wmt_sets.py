"""Read WMT's test sets: pairs of SGM files (until 2020), or one XML file with all references (from 2021)."""

import html
import re
from collections.abc import Collection, Hashable, Iterator
from xml.etree import ElementTree

from synthst.corpora.compressed import archive_of, damage_told, open_bytes
from synthst.errors import DataError

Key = tuple[str, str]

_SGM = re.compile(
    r"<doc\b(?P<doc>[^>]*)>|<seg\b(?P<seg>[^>]*)>(?P<text>.*?)</seg>", re.DOTALL | re.IGNORECASE
)
_OPENED = re.compile(r"<seg\b", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"""([\w:]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""")


def read_sgm_pairs(source: str, reference: str) -> Iterator[tuple[str, str]]:
    """Yield source and reference of each segment of two SGM files, joined by document and segment id.

    Files of the reference with an unescaped & are read, too, as they are no XML; entities become characters.
    Raises DataError when the two do not have the same segments.
    """
    sources, references = read_sgm(source), read_sgm(reference)
    _refuse_other_segments(source, sources.keys(), reference, references.keys())
    yield from ((text, references[key]) for key, text in sources.items())


def read_sgm(name: str) -> dict[Key, str]:
    """Return the texts of an SGM file by document and segment id, in its order.

    An & or < that is no markup stays in the text. Raises DataError for a document or segment that
    comes twice, a segment without an end, and when there is none.
    """
    with open_bytes(name) as file, damage_told(archive_of(name)):
        content = file.read().decode("utf-8-sig")
    segments: dict[Key, str] = {}
    document, documents = "", set[str]()
    for match in _SGM.finditer(content):
        if match["doc"] is not None:
            document = _attribute(name, match["doc"], "docid")
            if document in documents:
                raise DataError(f"{name} has the document {document} twice; take a file of one system only")
            documents.add(document)
            continue
        key = (document, _attribute(name, match["seg"], "id"))
        if key in segments:
            raise DataError(
                f"{name} has segment {key[1]} of document {document} twice; take a file of one system only"
            )
        segments[key] = html.unescape(match["text"])
    if not segments:
        raise DataError(f"{name} has no <seg>; is it an SGM test set?")
    if (opened := len(_OPENED.findall(content))) != len(segments):
        raise DataError(f"{name}: {opened:,} <seg>, {len(segments):,} with their </seg>; download it again")
    return segments


def read_xml_pairs(name: str, ref: str = "") -> Iterator[tuple[str, str]]:
    """Yield source and reference of each segment of a WMT XML file, joined by segment id in each document.

    ``ref`` names the translator of the reference, by default the first in each document. Raises DataError
    when there is none, or source and reference do not have the same segments.
    """
    with open_bytes(name) as file:
        try:
            documents = ElementTree.parse(file).getroot().iter("doc")
        except ElementTree.ParseError as error:
            raise DataError(f"{name} is no XML: {error}; fetch it again") from error
    found = False
    for document in documents:
        found = True
        where = f"{name}, document {document.get('id')}"
        sources, references = _segments(document.find("src")), _segments(_reference(document, ref, where))
        _refuse_other_segments(f"{where}, source", sources.keys(), "the reference", references.keys())
        yield from ((text, references[key]) for key, text in sources.items())
    if not found:
        raise DataError(f"{name} has no <doc>; is it a WMT test set in XML?")


def _reference(document: ElementTree.Element, ref: str, where: str) -> ElementTree.Element:
    references = document.findall("ref")
    chosen = [one for one in references if ref in ("", one.get("translator"))]
    if not chosen:
        names = ", ".join(str(one.get("translator")) for one in references) or "none"
        raise DataError(
            f"{where} has no reference {ref!r}; it has {names}; name one of these, or take the file with "
            "references"
        )
    return chosen[0]


def _segments(side: ElementTree.Element | None) -> dict[str, str]:
    found = side.iter("seg") if side is not None else ()
    return {str(seg.get("id")): "".join(seg.itertext()) for seg in found}


def _attribute(name: str, tag: str, wanted: str) -> str:
    for key, *values in _ATTRIBUTE.findall(tag):
        if key.lower() == wanted:
            return "".join(values).strip()
    raise DataError(f"{name} has a tag without {wanted}: <{tag.strip()[:60]}>; is it an SGM test set?")


def _refuse_other_segments(
    one: str, ours: Collection[Hashable], other: str, theirs: Collection[Hashable]
) -> None:
    """Raise DataError when two sides differ in their segments' ids."""
    first, second = set(ours), set(theirs)
    if first != second:
        example = min(map(str, first ^ second))
        raise DataError(
            f"{one} has {len(first):,} segments, {other} {len(second):,}, and {len(first ^ second):,} are in "
            f"one of them only, such as {example}; take two files of the same test set"
        )
