"""MuST-C and corpora of its form: talks cut by a YAML list, with a file of lines for each language.

MuST-C v2 (Cattoni et al., 2021; CC BY-NC-ND 4.0) wants a form on its site to be filled in. ST-TED is IWSLT
2018's, Europarl-ST (Iranzo-Sanchez et al., 2020) is CC BY-NC 4.0.
"""

import logging
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any, Literal, NamedTuple

import yaml

from synthst.audio import AudioError
from synthst.corpora.segments import Segment, check_count, fit_segment, shown, write_segments
from synthst.datadir import is_made, new_directory, text_path, write_info
from synthst.errors import DataError
from synthst.tables import write_tables

logger = logging.getLogger(__name__)

Layout = Literal["mustc", "st_ted", "europarl_st"]

DOWNLOADS = {
    "mustc": "fill in the form at https://mt.fbk.eu/must-c/, download MuST-C",
    "st_ted": "download ST-TED (i13pc106.ira.uka.de/~jniehues/IWSLT-SLT/data/corpus/iwslt-corpus.zip, "
    "listed at https://iwslt.org/2022/offline)",
    "europarl_st": "download Europarl-ST (www.mllp.upv.es/europarl-st), make its audio WAV "
    '(for f in *.m4a; do ffmpeg -i "$f" -ac 1 -ar 16000 "${f%.m4a}.wav"; done)',
}
LICENCES = {"mustc": "CC-BY-NC-ND-4.0", "st_ted": "TED's, CC-BY-NC-ND", "europarl_st": "CC-BY-NC-4.0"}

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Item(NamedTuple):
    """An item of the list: times in seconds, the recording's file, the speaker or ""."""

    start: float
    seconds: float
    wav: str
    speaker: str


class _Files(NamedTuple):
    """Where a part of a corpus is: the list of segments, the lines beside it, and the recordings."""

    segments: Path
    lines: tuple[Path, Path]
    audio: Path


def prepare_mustc(
    source: Path,
    out: Path,
    *,
    part: str = "train",
    src: str = "en",
    tgt: str = "de",
    layout: Layout = "mustc",
    bounds: dict[str, list[int]] | None = None,
    max_segments: dict[str, int] | None = None,
    audio: bool = True,
) -> None:
    """Make the speech data directory ``out`` of a part (train, dev, tst-COMMON) of MuST-C, unless there.

    Without ``audio`` it has the texts only, and no recording need be there.
    ``source`` holds <src>-<tgt>/data/<part>/{txt/<part>.yaml, txt/<part>.<lang>, wav/}; with the layout
    st_ted parallel/<part>.{yaml,<lang>} and wav/; with europarl_st <src>/<tgt>/<part>/segments.{lst,<lang>}
    and <src>/audios/, made WAV. Line n of each file belongs to segment n; ids are
    <layout>_<part>_<n>. ``bounds`` are the least and the most segments that a part must have, by part;
    ``max_segments`` takes the first so many of a part.
    What `fit_segment` drops is counted. Raises DataError for files that are missing or of other lengths.
    """
    made_by: dict[str, object] = {"step": "prepare_mustc", "source": source, "part": part, "audio": audio}
    bound, most = (bounds or {}).get(part), (max_segments or {}).get(part)
    made_by |= {"src": src, "tgt": tgt, "layout": layout, "bounds": bound, "max_segments": most}
    if is_made(out, made_by):
        logger.info("%s is there already", out)
        return
    files = find_files(source, part, (src, tgt), layout, audio=audio)
    counts: Counter[str] = Counter()
    with new_directory(out) as folder:
        read = read_segments(files, (src, tgt), f"{layout}_{part}")
        segments = islice(read, most)
        if audio:
            _write_speech(folder, segments, files, (src, tgt), counts, layout)
        else:
            _write_texts(folder, segments, files, (src, tgt), counts)
        check_count(counts["read"], bound, f"{files.segments}")
        write_info(folder, made_by, counts=counts, licence=LICENCES[layout])
    logger.info("%s: %s", out, shown(counts))


def _write_speech(
    folder: Path,
    segments: Iterator[Segment],
    files: _Files,
    langs: tuple[str, str],
    counts: Counter[str],
    layout: Layout,
) -> None:
    """Write the tables; tell where a recording that is missing comes from."""

    def find_audio(name: str) -> Path:
        return files.audio / f"{name}.wav"

    try:
        write_segments(folder, segments, langs, counts, source=files.segments, find_audio=find_audio)
    except AudioError as error:
        if error.reason != "missing":
            raise
        raise DataError(f"{str(error).partition(';')[0]}; {DOWNLOADS[layout]} and unpack it") from error


def _write_texts(
    folder: Path, segments: Iterator[Segment], files: _Files, langs: tuple[str, str], counts: Counter[str]
) -> None:
    """Write the texts of segments that have them all, wherever the segments are in their recordings."""
    fit = (fit_segment(segment._replace(start=0.0, end=1.0), 1.0, counts) for segment in segments)
    rows = ((one.id, tuple(one.texts.values())) for one in fit if one)
    counts["kept"] = write_tables([text_path(folder, lang) for lang in langs], rows)
    if not counts["kept"]:
        raise DataError(
            f"no line of {files.segments.parent} can be kept: {shown(counts)}; is it the right one?"
        )


def find_files(
    source: Path, part: str, langs: tuple[str, str], layout: Layout, *, audio: bool = True
) -> _Files:
    """Name the files of a part. Raises DataError, telling what to download, for those that are missing."""
    files = name_files(source, part, langs, layout)
    wanted = list_files(source, part, langs, layout) if audio else [files.segments, *files.lines]
    if lacking := [path for path in wanted if not path.exists()]:
        raise DataError(f"{lacking[0]} is missing; {DOWNLOADS[layout]} and unpack it, so that it is there")
    return files


def list_files(source: Path, part: str, langs: tuple[str, str], layout: Layout) -> list[Path]:
    """List the files, the folder of recordings, and the first of these, that a part has to have."""
    files = name_files(source, part, langs, layout)
    listed = [files.segments, *files.lines, files.audio]
    if files.segments.is_file() and files.audio.is_dir():
        listed += [files.audio / _file_name(item.wav) for item in islice(_read_list(files.segments), 1)]
    return listed


def name_files(source: Path, part: str, langs: tuple[str, str], layout: Layout) -> _Files:
    """Name the files that a part has, whether they are there or not."""
    src, tgt = langs
    text, audio, stem, suffix = {
        "mustc": (
            source / f"{src}-{tgt}/data/{part}/txt",
            source / f"{src}-{tgt}/data/{part}/wav",
            part,
            "yaml",
        ),
        "st_ted": (source / "parallel", source / "wav", part, "yaml"),
        "europarl_st": (source / src / tgt / part, source / src / "audios", "segments", "lst"),
    }[layout]
    return _Files(text / f"{stem}.{suffix}", (text / f"{stem}.{src}", text / f"{stem}.{tgt}"), audio)


def read_segments(files: _Files, langs: Sequence[str], prefix: str) -> Iterator[Segment]:
    """Yield the segments with their lines, numbered from 1.

    Raises DataError when list and lines do not have the same number, which would shift the texts.
    """
    src_lines, tgt_lines = map(_read_lines, files.lines)
    counts = [0, 0, 0]
    rows = zip_longest(_read_list(files.segments), src_lines, tgt_lines)
    for number, (item, src, tgt) in enumerate(rows, 1):
        found = (item is not None, src is not None, tgt is not None)
        counts = [count + there for count, there in zip(counts, found, strict=True)]
        if item is not None and src is not None and tgt is not None:
            texts = dict(zip(langs, (src, tgt), strict=True))
            recording = _file_name(item.wav).removesuffix(".wav")
            end = item.start + item.seconds
            speaker = item.speaker or recording
            yield Segment(f"{prefix}_{number:07d}", recording, item.start, end, speaker, texts)
    if len(set(counts)) > 1:
        told = ", ".join(
            f"{path} {count:,}" for path, count in zip((files.segments, *files.lines), counts, strict=True)
        )
        raise DataError(f"segments and lines do not match in number: {told}; download the corpus again")


def _read_list(path: Path) -> Iterator[Item]:
    return read_items(path) if path.suffix == ".yaml" else read_list(path)


def _file_name(wav: str) -> str:
    """Name the file of a recording, which lists give with a path, or without an ending."""
    return f"{Path(wav).name.removesuffix('.wav')}.wav"


def read_items(path: Path) -> Iterator[Item]:
    """Yield the items of a YAML list of segments, without holding the list.

    Raises DataError for an item that is no such mapping.
    """
    for number, text in _split_items(path):
        try:
            (item,) = yaml.load(text, Loader=_Loader)
            offset, duration = float(item["offset"]), float(item["duration"])
            if not (math.isfinite(offset) and math.isfinite(duration)):
                raise ValueError("times are not finite")
            yield Item(offset, duration, str(item["wav"]), str(item.get("speaker_id") or ""))
        except (yaml.YAMLError, TypeError, ValueError, KeyError, AttributeError) as error:
            wanted = "- {duration: 3.5, offset: 16.08, speaker_id: spk.767, wav: ted_767.wav}"
            raise DataError(
                f"{path}:{number}: no segment ({error!r}); wanted is {wanted}: correct it"
            ) from error


def read_list(path: Path) -> Iterator[Item]:
    """Yield the items of a list of lines: recording, start and end in seconds."""
    for number, line in enumerate(_read_lines(path), 1):
        try:
            recording, start, end = line.split()
            yield Item(float(start), float(end) - float(start), recording, "")
        except ValueError as error:
            raise DataError(f"{path}:{number}: {line!r}; wanted is <recording> <start s> <end s>") from error


def _split_items(path: Path) -> Iterator[tuple[int, str]]:
    """Yield each item of a block list with the number of its first line; an item may be several lines."""
    first, lines = 0, list[str]()
    for number, line in enumerate(_read_lines(path), 1):
        if line.startswith("-") and lines:
            yield first, "\n".join(lines)
            lines = []
        if line.strip():
            first = first if lines else number
            lines.append(line)
    if lines:
        yield first, "\n".join(lines)


def _read_lines(path: Path) -> Iterator[str]:
    """Read lines that end in "\\n" only; raise DataError for bytes that are not UTF-8."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                yield line.decode("utf-8").rstrip("\r\n")
            except UnicodeDecodeError as error:
                raise DataError(
                    f"{path}:{number}: byte {error.start + 1} is not UTF-8; convert it"
                ) from error
