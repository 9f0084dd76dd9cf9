"""Read the paragraphs of manuals that DocBook or Mallard made: XHTML, HTML and .page files."""

from html.parser import HTMLParser
from typing import NamedTuple

from synthst.corpora.libreoffice_html import VOID_TAGS, normalise_text

BLOCKS = {
    *("p", "h1", "h2", "h3", "h4", "h5", "h6", "li", "dt", "dd", "td", "th", "div", "body", "ul", "ol", "dl"),
    *("table", "tr", "title", "desc", "item", "section", "note", "steps", "list", "terms", "page", "figure"),
}
MUTED = {"pre", "screen", "script", "style", "head", "credit", "mal:credit", "license", "media", "comment"}
MUTED_CLASSES = {"navheader", "navfooter", "toc", "docnav", "index", "indexterm", "footnotes", "screen"}


class Block(NamedTuple):
    """A stretch of text that nothing but markup inside lines interrupts, and its place: tag and class."""

    place: str
    text: str


class _BlockParser(HTMLParser):
    """Cut the text wherever a block begins or ends."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.blocks: list[Block] = []
        self._open: list[tuple[str, str]] = []  # tag, and "muted", "block" or ""
        self._places: list[str] = [""]
        self._muted = 0
        self._text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in VOID_TAGS:
            self.handle_startendtag(tag, attrs)
            return
        classes = (dict(attrs).get("class") or "").split()
        kind = "muted" if tag in MUTED or MUTED_CLASSES.intersection(classes) else ""
        kind = kind or ("block" if tag in BLOCKS else "")
        self._open.append((tag, kind))
        if kind:
            self.flush()
            self._places.append(".".join([tag, *classes[:1]]))
            self._muted += kind == "muted"

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take <br/> for a blank, and pass over <a id="x"/>, which is empty."""
        if tag == "br":
            self.handle_data(" ")

    def handle_endtag(self, tag: str) -> None:
        if not any(tag == opened for opened, _ in self._open):
            return
        closed = ""
        while closed != tag:  # an element that was never closed ends with the one around it
            closed, kind = self._open.pop()
            if kind:
                self.flush()
                self._places.pop()
                self._muted -= kind == "muted"

    def handle_data(self, data: str) -> None:
        if not self._muted:
            self._text.append(data)

    def flush(self) -> None:
        """End the block of text that was collected."""
        text = normalise_text("".join(self._text))
        self._text = []
        if text:
            self.blocks.append(Block(self._places[-1], text))


def parse_manual(html: str) -> list[Block]:
    """Return a page's blocks of text in order, without code, navigation and what the head says."""
    parser = _BlockParser()
    parser.feed(html)
    parser.close()
    parser.flush()
    return parser.blocks
