"""Write segments of recordings, with their texts, as a speech data directory; drop what is unfit."""

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from synthst.audio import audio_info
from synthst.datadir import text_path
from synthst.errors import DataError
from synthst.tables import JoinedRow, Row, read_table, sort_rows, write_table, write_tables

TOLERANCE_SECONDS = 0.1  # a segment this much outside its recording is cut off, not dropped

TO_THE_END = math.inf  # as the end of a segment: where its recording ends

LEAST_SECONDS = 0.001  # what segments and utt2dur can tell from nothing

_BLANK_CONTROL = re.compile(r"[\t\n\v\f\r\x1c-\x1f]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Segment(NamedTuple):
    """A part of a recording, ``start`` to ``end`` in seconds, with its text by language (none: {})."""

    id: str
    recording: str
    start: float
    end: float
    speaker: str
    texts: Mapping[str, str]


def clean_text(text: str) -> str:
    """Put a text on one line, without blanks at its ends."""
    return _BLANK_CONTROL.sub(" ", text).strip()


def fit_segment(segment: Segment, seconds: float, counts: Counter[str]) -> Segment | None:
    """Clean a segment of a recording of ``seconds``, and count it; None if it is dropped.

    Dropped are segments without a text, with a control character, outside their recording, or of no length.
    """
    counts["read"] += 1
    start, end = _cut_off(segment.start, segment.end, seconds)
    texts = {lang: clean_text(text) for lang, text in segment.texts.items()}
    if reason := _reason_to_drop(texts, start, end, seconds):
        counts[f"dropped_{reason}"] += 1
        return None
    return segment._replace(start=start, end=end, texts=texts)


def to_row(segment: Segment) -> Row:
    """Make a fit segment a row for `write_rows`. Raises DataError for an id with blanks."""
    for name in (segment.id, segment.recording):
        if name.split() != [name]:
            raise DataError(f"the id {name!r}; ids must not be empty or hold blanks: rename it")
    place = f"{segment.recording} {segment.start:.6f} {segment.end:.6f}"
    speaker = "_".join(segment.speaker.split()) or segment.id
    return segment.id, json.dumps(
        [place, speaker, f"{segment.end - segment.start:.3f}", *segment.texts.values()]
    )


def _cut_off(start: float, end: float, seconds: float) -> tuple[float, float]:
    """Return start and end, moved into the recording if they are little outside."""
    if -TOLERANCE_SECONDS <= start < 0:
        start = 0.0
    if end == TO_THE_END or seconds < end <= seconds + TOLERANCE_SECONDS:
        end = seconds
    return start, end


def _reason_to_drop(texts: Mapping[str, str], start: float, end: float, seconds: float) -> str:
    for lang, text in texts.items():
        if not text:
            return f"no_text_{lang}"
        if _CONTROL.search(text):
            return "control_character"
    if not (start >= 0 and end <= seconds):
        return "outside_recording"
    return "" if end - start >= LEAST_SECONDS else "no_duration"


def write_rows(
    folder: Path, rows: Iterable[Row], langs: Iterable[str], counts: Counter[str], *, source: Path
) -> None:
    """Sort what `to_row` made, and write segments, utt2spk, utt2dur and text.<lang> of each language.

    Equal rows count once. Raises DataError for different ones of an id, which ``source`` is said to hold.
    """
    paths = [folder / name for name in ("segments", "utt2spk", "utt2dur")]
    paths += [text_path(folder, lang) for lang in langs]
    kept = _drop_repeated(sort_rows(rows, folder=folder), source, counts)
    joined: Iterator[JoinedRow] = ((utterance, tuple(json.loads(value))) for utterance, value in kept)
    write_tables(paths, joined)


def _drop_repeated(rows: Iterable[Row], source: Path, counts: Counter[str]) -> Iterator[Row]:
    """Keep one of equal rows, as overlapping cuts give them."""
    for utterance, group in groupby(rows, key=itemgetter(0)):
        values = [value for _, value in group]
        if len(set(values)) > 1:
            raise DataError(
                f"{source}: {len(values)} different supervisions are called {utterance}; rename them"
            )
        counts["kept"] += 1
        if len(values) > 1:
            counts["dropped_repeated"] += len(values) - 1
        yield utterance, values[0]


def write_segments(
    folder: Path,
    segments: Iterable[Segment],
    langs: Sequence[str],
    counts: Counter[str],
    *,
    source: Path,
    find_audio: Callable[[str], Path],
) -> None:
    """Write a whole speech data directory but for info.json: what `fit_segment` keeps, and wav.scp.

    ``find_audio`` names a recording's file. Raises DataError when a file is missing or no audio, and when no
    segment is left.
    """
    seconds: dict[str, float] = {}

    def rows() -> Iterator[Row]:
        for segment in segments:
            if segment.recording not in seconds:
                seconds[segment.recording] = audio_info(str(find_audio(segment.recording))).seconds
            if fit := fit_segment(segment, seconds[segment.recording], counts):
                yield to_row(fit)

    write_rows(folder, rows(), langs, counts, source=source)
    if not counts["kept"]:
        raise DataError(f"no segment of {source} can be kept: {shown(counts)}; is it the right directory?")
    recordings = {value.partition(" ")[0] for _, value in read_table(folder / "segments")}
    places = ((name, str(find_audio(name).absolute())) for name in sorted(recordings))
    write_table(folder / "wav.scp", places)


def shown(counts: Mapping[str, int]) -> str:
    """Say in a line what was read, kept and dropped."""
    return ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in counts.items()) or "none"


def check_count(found: int, bounds: Sequence[int] | None, what: str) -> None:
    """Raise DataError when there are fewer or more than a corpus is known to have: [least, most]."""
    if bounds is not None and not bounds[0] <= found <= bounds[1]:
        wanted = f"{bounds[0]:,} to {bounds[1]:,}"
        raise DataError(
            f"{what} has {found:,} utterances, wanted are {wanted}; is the download whole, and of the "
            "release that the recipe names? If it is meant to differ, set the bounds in its settings"
        )
