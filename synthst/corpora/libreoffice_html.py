"""Read the paragraphs of LibreOffice's help pages, which are HTML files inside Debian packages."""

import logging
import os
import re
import time
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from html.parser import HTMLParser
from itertools import batched
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from synthst.corpora.debian import read_members
from synthst.errors import DataError
from synthst.processes import forked_pool

logger = logging.getLogger(__name__)

HELP_FOLDER = "usr/share/libreoffice/help"
MUTED_TAGS = {"header", "footer", "script", "style"}
CODE_BLOCKS = {"bascode", "pycode", "sqlcode"}
CODE_PARAGRAPHS = {"code", "codeintable", "smathcode"}
VOID_TAGS = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"}
PARAGRAPH_TAGS = {"p", "h1", "h2", "h3", "h4", "h5", "h6"}
FILES_PER_JOB = 64
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")  # soft hyphens, joiners, direction marks
_STRAY_BLANK = re.compile(r" (?<=\w )(?=[.,](?: |$))")  # left by markup: "the icon <i>Edit </i>."

_Job = tuple[tuple[str, bytes], ...]  # the pages of one job: name, content


class Paragraph(NamedTuple):
    """A paragraph or heading: the id of its element and its text, normalised."""

    id: str
    text: str
    is_code: bool = False


Pages = Mapping[str, list[Paragraph]]  # path of a page below text/ -> its paragraphs


class _Element:
    """An open element: what its end has to do."""

    def __init__(self, tag: str, kind: str = "") -> None:
        self.tag = tag
        self.kind = kind  # "", "muted", "paragraph", "switch", "default" or "branch"
        self.id = ""
        self.is_code = False
        self.text: list[str] = []  # of a paragraph or branch
        self.branches: list[tuple[bool, str]] = []  # of a switch: (is the default, text)


class _PageParser(HTMLParser):
    """Collect paragraphs that carry an id; of an inline switch keep one branch."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.paragraphs: list[Paragraph] = []
        self._open: list[_Element] = []
        self._sinks: list[_Element] = []  # the paragraph and the branches that text goes to
        self._muted = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in VOID_TAGS:
            if tag == "br":
                self.handle_data(" ")
            return
        element = self._classify(tag, {name: value or "" for name, value in attrs})
        self._open.append(element)
        if element.kind == "muted":
            self._muted += 1
        elif element.kind in ("paragraph", "default", "branch"):
            self._sinks.append(element)

    def _classify(self, tag: str, attributes: dict[str, str]) -> _Element:
        classes = set(attributes.get("class", "").split())
        if tag in MUTED_TAGS or classes & CODE_BLOCKS:
            return _Element(tag, "muted")
        if tag in PARAGRAPH_TAGS and attributes.get("id") and not self._sinks and not self._muted:
            element = _Element(tag, "paragraph")
            element.id = attributes["id"]
            element.is_code = bool(classes & CODE_PARAGRAPHS)
            return element
        if "switchinline" in classes and self._sinks:
            return _Element(tag, "switch")
        if self._open and self._open[-1].kind == "switch":
            return _Element(tag, "default" if attributes.get("id", "").startswith("default") else "branch")
        return _Element(tag)

    def handle_endtag(self, tag: str) -> None:
        if not any(element.tag == tag for element in self._open):
            return
        while True:  # an element that was never closed ends with the one around it
            element = self._open.pop()
            self._finish(element)
            if element.tag == tag:
                return

    def _finish(self, element: _Element) -> None:
        if element.kind == "muted":
            self._muted -= 1
        elif element.kind == "switch":
            self._sinks[-1].text.append(_choose_branch(element.branches))
        elif element.kind in ("default", "branch"):
            self._sinks.pop()
            self._open[-1].branches.append((element.kind == "default", "".join(element.text)))
        elif element.kind == "paragraph":
            self._sinks.pop()
            text = normalise_text("".join(element.text))
            self.paragraphs.append(Paragraph(element.id, text, element.is_code))

    def handle_data(self, data: str) -> None:
        between_branches = self._open and self._open[-1].kind == "switch"
        if self._sinks and not self._muted and not between_branches:
            self._sinks[-1].text.append(data)


def _choose_branch(branches: list[tuple[bool, str]]) -> str:
    """Return the default branch, or the first where the switch has no default.

    Without any, "Choose Format - <switch> - Line" would lose its middle.
    """
    defaults = [text for is_default, text in branches if is_default]
    return (defaults or [text for _, text in branches] or [""])[0]


def normalise_text(text: str) -> str:
    """Compose characters (NFC), remove invisible ones, make runs of blanks one space, none before a stop."""
    visible = _INVISIBLE.sub("", unicodedata.normalize("NFC", text))
    return _STRAY_BLANK.sub("", " ".join(visible.split()))


def parse_page(html: str) -> list[Paragraph]:
    """Return the page's paragraphs in order; code blocks and the page's frame are left out."""
    parser = _PageParser()
    parser.feed(html)
    parser.close()
    return parser.paragraphs


def read_pages(deb: Path, folder: str, *, workers: int | None = None) -> dict[str, list[Paragraph]]:
    """Parse every help page of a package, in parallel: path below ``text/`` to its paragraphs.

    ``folder`` is the language's name in the package, such as "en-US". Raises DataError when there is no page.
    """
    prefix = f"{HELP_FOLDER}/{folder}/text/"
    start = time.monotonic()
    members = read_members(deb, lambda name: name.startswith(prefix) and name.endswith(".html"))
    jobs = batched(((name.removeprefix(prefix), data) for name, data in members), FILES_PER_JOB)
    pages: dict[str, list[Paragraph]] = {}
    with tqdm(desc=deb.name.partition("_")[0], unit=" pages", disable=None) as progress:
        for parsed in _parse_jobs(jobs, workers or os.cpu_count() or 1):
            pages.update(parsed)
            progress.update(len(parsed))
    if not pages:
        raise DataError(f"{deb} holds no page {prefix}*.html; is it a libreoffice-help package?")
    logger.info("%s: %d pages in %.1f s", deb.name, len(pages), time.monotonic() - start)
    return pages


def _parse_jobs(jobs: Iterable[_Job], workers: int) -> Iterator[dict[str, list[Paragraph]]]:
    if workers == 1:
        yield from map(_parse_job, jobs)
        return
    with forked_pool(workers) as pool:
        yield from pool.map(_parse_job, jobs)


def _parse_job(job: _Job) -> dict[str, list[Paragraph]]:
    pages = {}
    for name, data in job:
        try:
            pages[name] = parse_page(data.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise DataError(f"{name}, byte {error.start}: not UTF-8; fetch the package again") from error
    return pages
