"""IWSLT's speech translation test sets: talks cut automatically, references whose lines are others.

tst2010 to tst2020 (the paper's Table 5) come as IWSLT.<set>/ with XML documents, wavs/ and a YAML list of
segments. A translation of the segments must be cut again before it is scored: see synthst.resegment.
"""

import logging
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path

from synthst.corpora.mustc import read_items
from synthst.corpora.segments import Segment, check_count, shown, write_segments
from synthst.datadir import is_made, new_directory, text_path, write_info
from synthst.errors import DataError
from synthst.tables import read_table, write_table, write_tables

logger = logging.getLogger(__name__)

SEGMENTS = "_segments"  # behind the set's name: the speech, apart from the references

Documents = dict[str, dict[str, str]]  # the text of each segment, by document and number


def prepare_iwslt(
    source: Path,
    out: Path,
    *,
    set_name: str,
    src: str = "en",
    tgt: str = "de",
    bounds: dict[str, list[int]] | None = None,
) -> None:
    """Make ``out``, the references of a test set, and ``out``_segments, its speech, unless they are there.

    ``source`` holds IWSLT.<set>/ (or <set>/IWSLT.<set>/) with IWSLT.TED.<set>.<src>-<tgt>.{<src>.xml,
    <tgt>.xml, yaml} and wavs/. Both directories have utt2doc, which says what talk a line is of, and ids in
    the order of the talk. ``bounds`` are the least and the most lines of the references, by set. Raises
    DataError for files that are missing, texts with other lines, and talks without speech or references.
    """
    made_by: dict[str, object] = {"step": "prepare_iwslt", "source": source, "set": set_name}
    made_by |= {"src": src, "tgt": tgt, "bounds": bounds}
    speech = out.with_name(f"{out.name}{SEGMENTS}")
    if is_made(out, made_by) and is_made(speech, made_by):
        logger.info("%s is there already", out)
        return
    folder = find_folder(source, set_name)
    stem = _stem(set_name, (src, tgt))
    texts = {lang: read_documents(folder / f"{stem}.{lang}.xml") for lang in (src, tgt)}
    _check_same_lines(folder / stem, texts)
    if not is_made(speech, made_by):
        _write_speech(speech, folder, stem, set_name, list(texts[tgt]), made_by)
    if not is_made(out, made_by):
        _write_references(out, texts, set_name, made_by, (bounds or {}).get(set_name))


def find_folder(source: Path, set_name: str) -> Path:
    """Find the directory of a test set. Raises DataError, telling what to download, when there is none."""
    places = _places(source, set_name)
    for place in places:
        if place.is_dir():
            return place
    raise DataError(
        f"{places[0]} is missing; download IWSLT-SLT.{set_name}.en-de.tgz and unpack it in {source}"
    )


def list_files(source: Path, set_name: str, langs: tuple[str, str]) -> list[Path]:
    """List the files, and the folder of recordings, that a test set has to have; its own one without it."""
    places = _places(source, set_name)
    folder = next((place for place in places if place.is_dir()), None)
    if folder is None:
        return places[:1]
    stem, suffixes = _stem(set_name, langs), (*(f"{lang}.xml" for lang in langs), "yaml")
    return [*(folder / f"{stem}.{suffix}" for suffix in suffixes), folder / "wavs"]


def _places(source: Path, set_name: str) -> list[Path]:
    return [source / f"IWSLT.{set_name}", source / set_name / f"IWSLT.{set_name}"]


def _stem(set_name: str, langs: tuple[str, str]) -> str:
    return f"IWSLT.TED.{set_name}.{'-'.join(langs)}"


class _Reader(HTMLParser):
    """Read <doc docid> and <seg id> of XML or SGML, which need not be well-formed."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.documents: Documents = {}
        self._document, self._segment = "", ""
        self._open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "doc":
            self._document = (found.get("docid") or "").strip()
            if self.documents.setdefault(self._document, {}):
                raise DataError(f"the document {self._document!r} comes twice; correct the file")
        elif tag == "seg":
            self._segment, self._open = (found.get("id") or "").strip(), True
            lines = self.documents.get(self._document)
            if lines is None or self._segment in lines:
                place = f"the segment {self._segment!r} of the document {self._document!r}"
                raise DataError(f"{place} has no document, or comes twice; correct the file")
            lines[self._segment] = ""

    def handle_data(self, data: str) -> None:
        if self._open:
            self.documents[self._document][self._segment] += data

    def handle_endtag(self, tag: str) -> None:
        self._open = self._open and tag != "seg"


def read_documents(path: Path) -> Documents:
    """Read the segments' texts, on one line each, by document and number, in the order of the file."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}; download the test set again") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: byte {error.start + 1} is not UTF-8; download it again") from error
    reader = _Reader()
    try:
        reader.feed(text)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    reader.close()
    documents = {doc: lines for doc, lines in reader.documents.items() if lines}
    if not documents:
        raise DataError(f"{path} holds no <doc> with a <seg>; is it IWSLT's file of references?")
    return {
        doc: {number: " ".join(line.split()) for number, line in lines.items()}
        for doc, lines in documents.items()
    }


def _check_same_lines(stem: Path, texts: Mapping[str, Documents]) -> None:
    (src, first), (tgt, second) = texts.items()
    for doc in {**first, **second}:
        one, other = list(first.get(doc, {})), list(second.get(doc, {}))
        if one != other:
            found = f"the document {doc} has {len(one)} segments in {src}, {len(other)} in {tgt}"
            raise DataError(f"{stem}.*.xml: {found}, or other numbers; download both files again")


def _write_references(
    out: Path,
    texts: Mapping[str, Documents],
    name: str,
    made_by: Mapping[str, object],
    bounds: Sequence[int] | None,
) -> None:
    """Write text.<lang> and utt2doc; lines that one language lacks are dropped and counted."""
    counts: Counter[str] = Counter()
    rows = []
    (_, first), (_, second) = texts.items()
    for doc, lines in first.items():
        for position, (number, line) in enumerate(lines.items(), 1):
            pair = (line, second[doc][number])
            counts["kept" if all(pair) else "dropped_empty"] += 1
            if all(pair):
                rows.append((f"{name}_{_to_id(doc)}_{position:05d}", (*pair, _to_id(doc))))
    check_count(counts["kept"], bounds, f"the test set {name}")
    with new_directory(out) as folder:
        tables = [*(text_path(folder, lang) for lang in texts), folder / "utt2doc"]
        write_tables(tables, sorted(rows))
        write_info(folder, made_by, counts=counts)
    logger.info("%s: %s of %d talks", out, shown(counts), len(first))


def _write_speech(
    out: Path, folder: Path, stem: str, name: str, docs: list[str], made_by: Mapping[str, object]
) -> None:
    """Write the speech's tables, and utt2doc."""
    by_number = {_number(doc): _to_id(doc) for doc in docs}
    if len(by_number) < len(docs):
        raise DataError(f"{folder / stem}.*.xml: talks share a number: {', '.join(docs)}; rename one")
    counts: Counter[str] = Counter()
    doc_of: dict[str, str] = {}

    def segments() -> Iterator[Segment]:
        for start, seconds, wav, _ in read_items(folder / f"{stem}.yaml"):
            recording = Path(wav).stem
            doc = by_number.get(_number(recording))
            if doc is None:
                raise DataError(f"{folder / stem}.yaml: {wav} is of no document of the references: {docs}")
            times = f"{round(start * 1000):09d}_{round((start + seconds) * 1000):09d}"
            utterance = f"{name}_{doc}_{times}"
            doc_of[utterance] = doc
            yield Segment(utterance, recording, start, start + seconds, doc, {})

    with new_directory(out) as new:
        source = folder / f"{stem}.yaml"
        write_segments(
            *(new, segments(), [], counts),
            source=source,
            find_audio=lambda recording: folder / "wavs" / f"{recording}.wav",
        )
        kept = [utterance for utterance, _ in read_table(new / "utt2dur")]
        if silent := sorted(set(by_number.values()) - {doc_of[utterance] for utterance in kept}):
            raise DataError(f"{source} has no segment of the talks {', '.join(silent)}; download it again")
        write_table(new / "utt2doc", ((utterance, doc_of[utterance]) for utterance in kept))
        write_info(new, made_by, counts=counts)
    logger.info("%s: %s", out, shown(counts))


def _to_id(doc: str) -> str:
    return "_".join(doc.split())


def _number(name: str) -> int | str:
    """Return the number at the end of a talk's name: 767 of tst2010.en.talkid767, the name if it has none."""
    found = re.search(r"(\d+)$", name.strip())
    return int(found[1]) if found else name
