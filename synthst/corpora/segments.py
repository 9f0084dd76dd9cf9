"""Write segments of recordings, with their texts, as a speech data directory; drop what is unfit."""

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import batched, groupby
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from synthst.audio import AudioError
from synthst.corpora.lengths import read_lengths
from synthst.datadir import text_path
from synthst.errors import DataError
from synthst.tables import JoinedRow, Row, read_table, sort_rows, write_table, write_tables

TOLERANCE_SECONDS = 0.1  # a segment this much outside its recording is cut off, not dropped

TO_THE_END = math.inf  # as the end of a segment: where its recording ends

_BATCH = 10_000  # segments whose recordings are measured together

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
    max_no_audio: float = 0.0,
) -> list[str]:
    """Write a whole speech data directory but for info.json: what `fit_segment` keeps, and wav.scp.

    ``find_audio`` names a recording's file. Segments whose file is missing or no audio are dropped and
    counted, and their ids returned, if they are at most the share ``max_no_audio`` of all; otherwise, and
    when no segment is left, DataError is raised.
    """
    no_audio: dict[str, AudioError] = {}

    def rows() -> Iterator[Row]:
        for segment, length in _measure(segments, find_audio, source):
            if isinstance(length, AudioError):
                counts.update(read=1, dropped_no_audio=1)
                no_audio[segment.id] = length
                if not max_no_audio:
                    raise length
            elif fit := fit_segment(segment, length, counts):
                yield to_row(fit)

    write_rows(folder, rows(), langs, counts, source=source)
    _check_share(no_audio, counts["read"], max_no_audio, source)
    if not counts["kept"]:
        raise DataError(f"no segment of {source} can be kept: {shown(counts)}; is it the right directory?")
    recordings = {value.partition(" ")[0] for _, value in read_table(folder / "segments")}
    places = ((name, str(find_audio(name).absolute())) for name in sorted(recordings))
    write_table(folder / "wav.scp", places)
    return list(no_audio)


def _measure(
    segments: Iterable[Segment], find_audio: Callable[[str], Path], source: Path
) -> Iterator[tuple[Segment, float | AudioError]]:
    """Yield each segment with the length of its recording, which is read once."""
    lengths: dict[str, float | AudioError] = {}
    with tqdm(desc=source.name, unit=" segments", disable=None) as bar:
        for batch in batched(segments, _BATCH):
            new = list(dict.fromkeys(one.recording for one in batch if one.recording not in lengths))
            lengths.update(zip(new, read_lengths([str(find_audio(name)) for name in new]), strict=True))
            yield from ((segment, lengths[segment.recording]) for segment in batch)
            bar.update(len(batch))


def _check_share(no_audio: Mapping[str, AudioError], read: int, share: float, source: Path) -> None:
    if len(no_audio) > share * read:
        found = f"{source}: {len(no_audio):,} of {read:,} segments have no audio that can be read"
        raise DataError(
            f"{found}, more than the share of {share:g} that max_no_audio allows; download it again. The "
            f"first is {next(iter(no_audio.items()))[1]}"
        )


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
