"""The tables of speech in a data directory: which recording, from when to when, who speaks, how long."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from synthst.errors import DataError
from synthst.tables import JoinedRow, join_tables, read_table, write_table

TO_THE_END = "-1"  # as the end of a segment, as in Kaldi


@dataclass(frozen=True, slots=True)
class Utterance:
    """A row of the speech tables; times in seconds, None where the tables do not say.

    ``start`` and ``end`` are None for a whole recording, ``end`` also for a segment up to its end.
    """

    id: str
    recording: str
    wav: str
    start: float | None
    end: float | None
    speaker: str
    seconds: float | None


def is_speech(directory: Path) -> bool:
    """Tell whether a data directory has recordings."""
    return (directory / "wav.scp").exists()


def has_segments(directory: Path) -> bool:
    """Tell whether wav.scp is by recording, of which the utterances are segments."""
    return (directory / "segments").exists()


def speech_tables(directory: Path) -> list[str]:
    """List the speech tables with one row per utterance: wav.scp or segments, utt2spk, and utt2dur if any.

    Raises DataError when there is no wav.scp.
    """
    if not is_speech(directory):
        raise DataError(f"{directory} has no wav.scp; add it, one row per recording: <id> <path of a file>")
    names = ["segments" if has_segments(directory) else "wav.scp", "utt2spk"]
    return names + ["utt2dur"] * (directory / "utt2dur").exists()


def read_utterances(directory: Path) -> Iterator[Utterance]:
    """Read the utterances of a speech data directory in byte order of id.

    Raises DataError for a value that is no duration, speaker or segment, and at the end for ids that are not
    in every table, for segments of recordings that wav.scp lacks, and when there is no utterance.
    """
    tables = [directory / name for name in speech_tables(directory)]
    wavs = dict(read_table(directory / "wav.scp")) if has_segments(directory) else None
    utterances, lacking, first = 0, 0, ""
    for utterance, (place, speaker, *duration) in join_tables(tables):
        utterances += 1
        seconds = parse_seconds(duration[0], tables[-1], utterance) if duration else None
        _check_speaker(speaker, directory / "utt2spk", utterance)
        if wavs is None:
            yield Utterance(utterance, utterance, place, None, None, speaker, seconds)
            continue
        recording, start, end = _segment(place, tables[0], utterance)
        if recording in wavs:
            yield Utterance(utterance, recording, wavs[recording], start, end, speaker, seconds)
        else:
            lacking, first = lacking + 1, first or f"{recording} (of {utterance})"
    if lacking:
        found = (
            f"wav.scp lacks the recordings of {lacking:,} of {utterances:,} segments, the first is {first}"
        )
        raise DataError(f"{directory}: {found}; add them to wav.scp, or remove the segments everywhere")
    if not utterances:
        raise DataError(f"{directory} holds no utterance; make it again or name another one")


def joined_speech_tables(directories: Sequence[Path]) -> list[str]:
    """List the speech tables of a directory that gets the utterances of several; none if they have no speech.

    It has segments if one of them has. Raises DataError when only some have speech, or durations.
    """
    speech = [directory for directory in directories if is_speech(directory)]
    silent = [directory for directory in directories if not is_speech(directory)]
    if not speech:
        return []
    if silent:
        raise DataError(f"{speech[0]} has speech but {silent[0]} has none; give both recordings, or neither")
    names = ["segments" if any(map(has_segments, speech)) else "wav.scp", "utt2spk"]
    timed = [(directory / "utt2dur").exists() for directory in speech]
    if any(timed) and not all(timed):
        lacking = speech[timed.index(False)]
        raise DataError(f"{lacking} has no utt2dur but others have; make it with check_speech, or add it")
    return names + ["utt2dur"] * all(timed)


def attach_speech(
    rows: Iterable[JoinedRow], data: Path, text: Path, names: Sequence[str], *, prefix: str = ""
) -> Iterator[JoinedRow]:
    """Append the values of ``data``'s speech tables to rows with ids of its table ``text``.

    ``names`` are the tables of the result as `joined_speech_tables` lists them: if none, nothing is appended.
    ``prefix`` goes before the ids of utterances, recordings and speakers. Raises DataError, at the end, when
    ``text`` and the speech tables do not have the same ids.
    """
    if not names:
        yield from ((f"{prefix}{utterance}", values) for utterance, values in rows)
        return
    tables = [text, *(data / name for name in speech_tables(data))]
    speech = join_tables(tables, allow_empty=True)  # an empty text is of no concern if its row is not wanted
    wanted = iter(rows)
    row = next(wanted, None)
    for utterance, (_, place, speaker, *duration) in speech:
        if row is None or utterance < row[0]:
            continue
        if utterance > row[0]:
            break
        if names[0] == "segments":
            whole = f"{utterance} 0 {TO_THE_END}"
            place = f"{prefix}{place if has_segments(data) else whole}"
        yield f"{prefix}{utterance}", (*row[1], place, f"{prefix}{speaker}", *duration)
        row = next(wanted, None)
    _read_to_the_end(speech)
    if row is not None:
        raise DataError(f"{data}: the speech tables lack {row[0]}, which {text} had; make the tables again")


def write_recordings(out: Path, sources: Iterable[tuple[Path, str]]) -> None:
    """Write wav.scp with the recordings that ``out``/segments names; do nothing if it has no segments.

    They are those of the directories ``sources``, with the given prefix before their ids. Raises DataError
    when two have another recording under one id, and when a recording is in none.
    """
    if not has_segments(out):
        return
    used = {value.partition(" ")[0] for _, value in read_table(out / "segments")}
    wavs: dict[str, str] = {}
    for directory, prefix in sources:
        for recording, wav in read_table(directory / "wav.scp"):
            name = f"{prefix}{recording}"
            if name in used and wavs.setdefault(name, wav) != wav:
                found = f"the recording {name} is {wavs[name]!r} in another directory"
                raise DataError(f"{directory}/wav.scp: {found}, {wav!r} here; rename one, or give a prefix")
    if lacking := sorted(used - wavs.keys()):
        found = f"wav.scp lacks {len(lacking):,} of {len(used):,} recordings, the first is {lacking[0]}"
        raise DataError(f"{found}, which segments names; add them to wav.scp, or remove the segments")
    write_table(out / "wav.scp", sorted(wavs.items()))


def _read_to_the_end(rows: Iterable[JoinedRow]) -> None:
    """Let a join find the ids that are not in all of its tables."""
    for _ in rows:
        pass


def _segment(value: str, path: Path, utterance: str) -> tuple[str, float | None, float | None]:
    fields = value.split(" ")
    if len(fields) != 3:
        found = f"{utterance} has {value!r}"
        raise DataError(f"{path}: {found}; write <utterance> <recording> <start s> <end s>, or end -1")
    start = _number(fields[1], path, utterance)
    end = None if fields[2] == TO_THE_END else _number(fields[2], path, utterance)
    if end is not None and not start < end:
        raise DataError(f"{path}: {utterance} starts at {start} s, after its end {end} s; correct or drop it")
    return fields[0], start, end


def parse_seconds(value: str, path: Path, utterance: str) -> float:
    """Read a value of utt2dur; raise DataError naming table and utterance if it is no positive number."""
    seconds = _number(value, path, utterance)
    if not seconds:
        raise DataError(f"{path}: {utterance} lasts {value} seconds; drop it from every table")
    return seconds


def _number(value: str, path: Path, utterance: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise DataError(f"{path}: {utterance} has {value!r}, wanted are seconds, 0 or more; correct the row")
    return number


def _check_speaker(speaker: str, path: Path, utterance: str) -> None:
    if len(speaker.split()) != 1:
        raise DataError(f"{path}: {utterance} has the speaker {speaker!r}; write a name without blanks")
