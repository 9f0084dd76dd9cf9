"""IWSLT's speech translation test sets: talks cut automatically, references whose lines are others.

tst2010 to tst2020 (the paper's Table 5) come as IWSLT.<set>/ with XML documents, wavs/ and a YAML list of
segments. A translation of the segments must be cut again before it is scored: see synthst.resegment.
"""

import logging
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

from synthst.audio import audio_info
from synthst.corpora.mustc import read_items
from synthst.corpora.segments import Segment, check_count, shown, write_segments
from synthst.corpora.wmt_sets import read_sgm
from synthst.datadir import is_made, new_directory, text_path, write_info
from synthst.errors import DataError
from synthst.tables import JoinedRow, read_table, write_table, write_tables

logger = logging.getLogger(__name__)

SEGMENTS = "_segments"  # behind the set's name: the speech, apart from the references

PAGE = "the archives listed at https://iwslt.org/2022/offline (past editions' development data)"

Documents = dict[str, dict[str, str]]  # the text of each segment, by document and number


def prepare_iwslt(
    source: Path,
    out: Path,
    *,
    set_name: str,
    src: str = "en",
    tgt: str = "de",
    bounds: dict[str, list[int]] | None = None,
    least_covered: float = 0.4,
    max_talks: int | None = None,
) -> None:
    """Make ``out``, the references of a test set, and ``out``_segments, its speech, unless they are there.

    ``source`` holds IWSLT.<set>/ (or <set>/IWSLT.<set>/) with IWSLT.TED.<set>.<src>-<tgt>.{<src>.xml,
    <tgt>.xml, yaml} and wavs/; `name_lists` has the other names of the YAML list. Both directories have
    utt2doc, which says what talk a line is of, and ids in the order of the talk. ``bounds`` are the least and
    the most lines of the references, by set; ``max_talks`` takes the first so many. Raises DataError for
    files that are missing, texts with other lines, talks without speech or references, segments outside
    their recording, and a talk of which the segments are less than the share ``least_covered``.
    """
    made_by: dict[str, object] = {"step": "prepare_iwslt", "source": source, "set": set_name, "src": src}
    bound = (bounds or {}).get(set_name)
    made_by |= {"tgt": tgt, "bounds": bound, "least_covered": least_covered, "max_talks": max_talks}
    speech = out.with_name(f"{out.name}{SEGMENTS}")
    if is_made(out, made_by) and is_made(speech, made_by):
        logger.info("%s is there already", out)
        return
    folder = find_folder(source, set_name)
    texts = _read_texts(folder, set_name, (src, tgt))
    chosen = {lang: dict(islice(documents.items(), max_talks)) for lang, documents in texts.items()}
    lines, line_counts = _join_lines(chosen, set_name)
    check_count(line_counts["kept"], bound, f"{folder}: the test set {set_name}")
    if not is_made(speech, made_by):
        segments = _find_list(folder, set_name, (src, tgt))
        with new_directory(speech) as new:
            counts = _write_speech(new, segments, folder / "wavs", set_name, texts[tgt], chosen[tgt])
            _check_cover(new, segments, least_covered)
            write_info(new, made_by, counts=counts)
    if not is_made(out, made_by):
        _write_references(out, lines, (src, tgt), line_counts, made_by)


def _read_texts(folder: Path, set_name: str, langs: tuple[str, str]) -> dict[str, Documents]:
    """Read the texts of all talks by language; their lines and talks must be those that they should be."""
    stem = _stem(set_name, langs)
    texts = {lang: read_documents(folder / f"{stem}.{lang}.xml") for lang in langs}
    _check_same_lines(folder / stem, texts)
    _check_order(folder / "FILE_ORDER", texts[langs[1]])
    return texts


def find_folder(source: Path, set_name: str) -> Path:
    """Find the directory of a test set. Raises DataError, telling what to download, when there is none."""
    places = _places(source, set_name)
    for place in places:
        if place.is_dir():
            return place
    told = f"{places[0]} is missing; download IWSLT-SLT.{set_name}.en-de.tgz, of {PAGE}"
    raise DataError(f"{told}, and unpack it in {source}")


def list_files(source: Path, set_name: str, langs: tuple[str, str]) -> list[Path]:
    """List the files, and the folder of recordings, that a test set has to have; its own one without it."""
    places = _places(source, set_name)
    folder = next((place for place in places if place.is_dir()), None)
    if folder is None:
        return places[:1]
    lists = [folder / name for name in name_lists(set_name, langs)]
    found = next((path for path in lists if path.is_file()), lists[0])
    texts = [folder / f"{_stem(set_name, langs)}.{lang}.xml" for lang in langs]
    return [*texts, found, folder / "wavs"]


def name_lists(set_name: str, langs: tuple[str, str]) -> list[str]:
    """List the names that the YAML list of segments has had, in one edition or other."""
    stems = [_stem(set_name, langs), f"IWSLT.TED.{set_name}", set_name, "test-db", f"test-db-{set_name}"]
    return [f"{stem}.yaml" for stem in stems]


def _find_list(folder: Path, set_name: str, langs: tuple[str, str]) -> Path:
    """Find the only list of segments."""
    names = name_lists(set_name, langs)
    found = [folder / name for name in names if (folder / name).is_file()]
    if len(found) == 1:
        return found[0]
    if found:
        told = f"{folder} has {len(found)} lists of segments: {', '.join(path.name for path in found)}"
        raise DataError(f"{told}; keep the one that is to be used")
    told = f"{folder} has no list of segments, {', '.join(names)}; download {PAGE} again"
    raise DataError(f"{told}, or put the list of a segmenter there under the first name")


def _places(source: Path, set_name: str) -> list[Path]:
    return [source / f"IWSLT.{set_name}", source / set_name / f"IWSLT.{set_name}"]


def _stem(set_name: str, langs: tuple[str, str]) -> str:
    return f"IWSLT.TED.{set_name}.{'-'.join(langs)}"


def read_documents(path: Path) -> Documents:
    """Read the segments' texts, on one line each, by document and number, in the order of the file.

    The file need not be well-formed: see `read_sgm`.
    """
    if not path.is_file():
        told = f"{path} is missing; download {PAGE} again, or leave the set out of --iwslt"
        raise DataError(f"{told}, if its archive has no references")
    documents: Documents = {}
    for (doc, number), line in read_sgm(str(path)).items():
        documents.setdefault(doc, {})[number] = " ".join(line.split())
    if "" in documents:
        raise DataError(f"{path} has a <seg> without a <doc docid>; is it IWSLT's file of references?")
    return documents


def _check_same_lines(stem: Path, texts: Mapping[str, Documents]) -> None:
    (src, first), (tgt, second) = texts.items()
    for doc in {**first, **second}:
        one, other = list(first.get(doc, {})), list(second.get(doc, {}))
        if one != other:
            found = f"the document {doc} has {len(one)} segments in {src}, {len(other)} in {tgt}"
            raise DataError(f"{stem}.*.xml: {found}, or other numbers; download both files again")


def _join_lines(texts: Mapping[str, Documents], name: str) -> tuple[list[JoinedRow], Counter[str]]:
    """Return id, texts and talk of each line, sorted; drop and count lines that one language lacks."""
    counts: Counter[str] = Counter()
    rows: list[JoinedRow] = []
    (_, first), (_, second) = texts.items()
    for doc, lines in first.items():
        for position, (number, line) in enumerate(lines.items(), 1):
            pair = (line, second[doc][number])
            counts["kept" if all(pair) else "dropped_empty"] += 1
            if all(pair):
                rows.append((f"{name}_{_to_id(doc)}_{position:05d}", (*pair, _to_id(doc))))
    return sorted(rows), counts


def _write_references(
    out: Path,
    lines: list[JoinedRow],
    langs: tuple[str, str],
    counts: Counter[str],
    made_by: Mapping[str, object],
) -> None:
    with new_directory(out) as folder:
        write_tables([*(text_path(folder, lang) for lang in langs), folder / "utt2doc"], lines)
        write_info(folder, made_by, counts=counts)
    logger.info("%s: %s", out, shown(counts))


def _check_order(path: Path, documents: Documents) -> None:
    """Compare the talks of the references with those that FILE_ORDER lists, if it is there."""
    if not path.is_file():
        return
    listed = {_number(name.removesuffix(".wav")) for name in path.read_text(encoding="utf-8").split()}
    if odd := sorted(map(str, listed ^ _by_number(path, documents).keys())):
        told = f"{path} lists {len(listed)} talks, the references have {len(documents)}"
        raise DataError(f"{told}; in one of them only are {', '.join(odd)}; download the test set again")


def _by_number(where: Path, documents: Documents) -> dict[int | str, str]:
    """Return the talks by their numbers."""
    by_number = {_number(doc): _to_id(doc) for doc in documents}
    if len(by_number) < len(documents):
        raise DataError(f"{where.parent}: talks share a number: {', '.join(documents)}; rename one")
    return by_number


def _write_speech(
    new: Path, source: Path, wavs: Path, name: str, documents: Documents, chosen: Documents
) -> Counter[str]:
    """Write the tables of the chosen talks' speech, and utt2doc."""
    by_number, wanted = _by_number(source, documents), set(_by_number(source, chosen).values())
    counts: Counter[str] = Counter()
    doc_of: dict[str, str] = {}

    def segments() -> Iterator[Segment]:
        for start, seconds, wav, _ in read_items(source):
            recording = Path(wav).stem
            doc = by_number.get(_number(recording))
            if doc is None:
                raise DataError(f"{source}: {wav} is of no document of the references: {list(documents)}")
            if doc not in wanted:
                continue
            times = f"{round(start * 1000):09d}_{round((start + seconds) * 1000):09d}"
            utterance = f"{name}_{doc}_{times}"
            doc_of[utterance] = doc
            yield Segment(utterance, recording, start, start + seconds, doc, {})

    write_segments(
        *(new, segments(), [], counts), source=source, find_audio=lambda recording: wavs / f"{recording}.wav"
    )
    kept = [utterance for utterance, _ in read_table(new / "utt2dur")]
    if outside := counts["dropped_outside_recording"]:
        told = f"{source}: {outside} segments are outside their recordings"
        dropped = min(doc_of.keys() - set(kept))
        raise DataError(f"{told}, the first that is dropped is {dropped}; download both again")
    if silent := sorted(wanted - {doc_of[utterance] for utterance in kept}):
        raise DataError(f"{source} has no segment of the talks {', '.join(silent)}; download it again")
    write_table(new / "utt2doc", ((utterance, doc_of[utterance]) for utterance in kept))
    logger.info("%s: %s", source, shown(counts))
    return counts


def _check_cover(new: Path, source: Path, least: float) -> None:
    """Raise DataError for a recording of which too little is in segments: one of the two is another."""
    covered: Counter[str] = Counter()
    for _, value in read_table(new / "segments"):
        recording, start, end = value.split()
        covered[recording] += round(1000 * (float(end) - float(start)))
    for recording, wav in read_table(new / "wav.scp"):
        share = covered[recording] / 1000 / audio_info(wav).seconds
        if share < least:
            told = (
                f"{source}: the segments of {recording} are {share:.0%} of its audio, wanted is {least:.0%}"
            )
            raise DataError(f"{told}; download both again, or set least_covered")


def _to_id(doc: str) -> str:
    return "_".join(doc.split())


def _number(name: str) -> int | str:
    """Return the number at the end of a talk's name: 767 of tst2010.en.talkid767, the name if it has none."""
    found = re.search(r"(\d+)$", name.strip())
    return int(found[1]) if found else name
