"""Check speech data directories: open every recording, and name, count and drop or refuse what is bad."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import batched, chain, groupby
from pathlib import Path
from typing import BinaryIO, Literal, Never

from tqdm import tqdm

from synthst.atomic import atomic_file
from synthst.audio import AudioError, Recording, open_recording
from synthst.datadir import new_directory, table_names
from synthst.errors import ConfigError, DataError
from synthst.info import is_made, read_info, write_info
from synthst.processes import count_workers
from synthst.speechtables import Utterance as Utterance
from synthst.speechtables import is_speech as is_speech
from synthst.speechtables import read_utterances as read_utterances
from synthst.speechtables import write_recordings
from synthst.tables import JoinedRow, join_tables, read_table, write_table, write_tables

logger = logging.getLogger(__name__)

BadPolicy = Literal["error", "drop"]

DURATION_TOLERANCE = 0.1  # seconds; durations from features are a frame or two off
_GROUPS_AT_A_TIME = 1024


@dataclass(frozen=True)
class SpeechLimits:
    """What an utterance's audio must be: the rate in Hz (None: any), the length, and the channel to use."""

    rate: int | None = None
    min_seconds: float = 0.1
    max_seconds: float = 60.0
    channel: int | None = None


@dataclass(frozen=True)
class CheckedUtterance:
    """An utterance with its length in seconds, or with the reason why it is bad."""

    id: str
    seconds: float
    error: AudioError | None = None


@dataclass
class SpeechSummary:
    """What a check found; ``seconds`` are those of the good utterances, ``bad`` counts by reason."""

    good: int = 0
    seconds: float = 0.0
    bad: Counter[str] = field(default_factory=Counter)
    first_bad: str = ""

    def __str__(self) -> str:
        told = f"{self.good:,} utterances, {self.seconds / 3600:.2f} h"
        return told + (f"; {self.bad.total():,} bad ({self.reasons()})" if self.bad else "")

    def count(self, one: CheckedUtterance) -> None:
        """Count one more utterance."""
        if one.error is None:
            self.good += 1
            self.seconds += one.seconds
        else:
            self.bad[one.error.reason] += 1
            self.first_bad = self.first_bad or f"{one.id}: {one.error}"

    def reasons(self) -> str:
        """List how many utterances are bad for which reason."""
        return ", ".join(f"{reason} {count:,}" for reason, count in sorted(self.bad.items()))


def check_speech(
    directory: Path,
    *,
    rate: int | None = None,
    min_seconds: float = 0.1,
    max_seconds: float = 60.0,
    channel: int | None = None,
    on_bad: BadPolicy = "error",
    out: Path | None = None,
    workers: int | None = None,
) -> SpeechSummary:
    """Read all audio of a speech data directory, and copy its good utterances to ``out``, if given.

    Bad are audio that is missing, unreadable, of zero length, too short or long, of another rate (if given),
    of several channels (unless one is chosen), not finite, or not as long as utt2dur says; segments beyond
    the end of the recording; and empty texts. They are an error, unless ``on_bad`` is "drop": then ``out``
    has the others, with utt2dur, and dropped.tsv (id and reason). Tables that are out of step are an error
    always. ``workers`` threads, one for each core if None. made_by: step "check_speech" and the options.
    """
    limits = SpeechLimits(rate, min_seconds, max_seconds, channel)
    _check_options(limits, on_bad, out)
    if out is None:
        summary = _check_all(directory, limits, workers, SpeechSummary())
        logger.info("%s: %s", directory, summary)
        return summary
    made_by = {"step": "check_speech", "directory": directory, **vars(limits), "on_bad": on_bad}
    if is_made(out, made_by):
        logger.info("%s is there already", out)
        return _read_summary(out)
    with new_directory(out) as temporary:
        summary = _write_good(directory, temporary, limits, workers, on_bad)
        counts = {"kept": summary.good} | {f"dropped_{reason}": n for reason, n in summary.bad.items()}
        write_info(temporary, made_by, counts=counts, parents=[directory], seconds=summary.seconds)
    logger.info("%s: %s", out, summary)
    return summary


def _check_options(limits: SpeechLimits, on_bad: str, out: Path | None) -> None:
    if on_bad not in ("error", "drop"):
        raise ConfigError(f"on_bad is {on_bad!r}; give error or drop")
    if on_bad == "drop" and out is None:
        raise ConfigError("on_bad is drop, but nothing is changed in place; give out, a new directory")
    if not 0 <= limits.min_seconds < limits.max_seconds:
        raise ConfigError(f"{limits.min_seconds} to {limits.max_seconds} seconds allow nothing; correct them")


def _check_all(
    directory: Path, limits: SpeechLimits, workers: int | None, summary: SpeechSummary
) -> SpeechSummary:
    """Check a directory without writing. Raises DataError for the bad utterances."""
    for _ in _checked(directory, limits, workers, summary):
        pass
    _refuse_bad(directory, summary)
    return summary


def _write_good(
    directory: Path, out: Path, limits: SpeechLimits, workers: int | None, on_bad: BadPolicy
) -> SpeechSummary:
    """Write the tables of the good utterances, and dropped.tsv."""
    summary = SpeechSummary()
    with atomic_file(out / "dropped.tsv") as dropped:
        checked = _checked(directory, limits, workers, summary)
        write_table(out / "utt2dur", _durations(checked, dropped))
    if on_bad == "error":
        _refuse_bad(directory, summary)
    if not summary.good:
        raise DataError(f"{directory} has no good utterance: {summary.reasons()}; {summary.first_bad}")
    names = [name for name in table_names(directory) if name != "utt2dur"]
    rows = join_tables([directory / name for name in names], allow_empty=True)
    kept = _only(rows, (utterance for utterance, _ in read_table(out / "utt2dur")))
    write_tables([out / name for name in names], kept)
    write_recordings(out, [(directory, "")])
    return summary


def _durations(checked: Iterable[CheckedUtterance], dropped: BinaryIO) -> Iterator[tuple[str, str]]:
    for one in checked:
        if one.error:
            dropped.write(f"{one.id}\t{one.error.reason}\n".encode())
        else:
            yield one.id, f"{one.seconds:.3f}"


def _only(rows: Iterable[JoinedRow], wanted: Iterator[str]) -> Iterator[JoinedRow]:
    """Keep the rows with a wanted id; both are in byte order."""
    following = next(wanted, None)
    for row in rows:
        if row[0] == following:
            yield row
            following = next(wanted, None)


def _checked(
    directory: Path, limits: SpeechLimits, workers: int | None, summary: SpeechSummary
) -> Iterator[CheckedUtterance]:
    """Check the utterances in byte order of id, and count them in ``summary``; the tables come first."""
    empty = _find_empty_texts(directory)
    total = sum(1 for _ in read_utterances(directory))
    by_recording = groupby(read_utterances(directory), key=lambda utterance: utterance.recording)
    groups = (list(group) for _, group in by_recording)
    with (
        ThreadPoolExecutor(count_workers(workers)) as pool,
        tqdm(desc=f"checking {directory.name}", total=total, unit=" utt", disable=None) as bar,
    ):
        for several in batched(groups, _GROUPS_AT_A_TIME):
            for one in chain.from_iterable(pool.map(lambda group: _check_group(group, limits), several)):
                checked = CheckedUtterance(one.id, one.seconds, one.error or empty.get(one.id))
                summary.count(checked)
                bar.update()
                yield checked


def _find_empty_texts(directory: Path) -> dict[str, AudioError]:
    """Find the utterances that lack a text, and refuse tables that are out of step."""
    names = table_names(directory)
    empty = {}
    for utterance, values in join_tables([directory / name for name in names], allow_empty=True):
        if "" in values:
            path = directory / names[values.index("")]
            found = f"{path}: {utterance} has an empty value; remove its row from every table"
            empty[utterance] = AudioError(found, "empty_text")
    return empty


def _check_group(group: list[Utterance], limits: SpeechLimits) -> list[CheckedUtterance]:
    """Check utterances of one recording, which is opened once."""
    try:
        with open_recording(group[0].wav) as recording:
            return [_check_one(utterance, recording, limits) for utterance in group]
    except AudioError as error:
        return [CheckedUtterance(utterance.id, 0.0, error) for utterance in group]


def _check_one(utterance: Utterance, recording: Recording, limits: SpeechLimits) -> CheckedUtterance:
    seconds = 0.0
    try:
        first, last = recording.span(utterance.start, utterance.end)
        seconds = (last - first) / recording.info.rate
        _check_header(utterance, recording.info.rate, seconds, limits)
        recording.read(start=utterance.start, end=utterance.end, channel=limits.channel)
    except AudioError as error:
        return CheckedUtterance(utterance.id, seconds, error)
    return CheckedUtterance(utterance.id, seconds)


def _check_header(utterance: Utterance, rate: int, seconds: float, limits: SpeechLimits) -> None:
    """Raise AudioError if rate or length are not as wanted."""
    length = f"{seconds:.3f} s long"
    if limits.rate is not None and rate != limits.rate:
        _refuse(utterance, "wrong_rate", f"{rate} Hz, {limits.rate} Hz were wanted; resample it")
    if seconds < limits.min_seconds:
        _refuse(
            utterance, "too_short", f"{length}, {limits.min_seconds} s are the least; drop it or allow less"
        )
    if seconds > limits.max_seconds:
        _refuse(utterance, "too_long", f"{length}, {limits.max_seconds} s are the most; cut it or allow more")
    if utterance.seconds is not None and abs(utterance.seconds - seconds) > DURATION_TOLERANCE:
        found = f"{length}, but utt2dur says {utterance.seconds} s; make utt2dur or the file again"
        _refuse(utterance, "wrong_duration", found)


def _refuse(utterance: Utterance, reason: str, found: str) -> Never:
    raise AudioError(f"{utterance.wav}: {found}", reason)


def _refuse_bad(directory: Path, summary: SpeechSummary) -> None:
    if summary.bad:
        total = summary.bad.total()
        found = f"{total:,} of {total + summary.good:,} utterances are bad ({summary.reasons()})"
        raise DataError(
            f"{directory}: {found}; the first is {summary.first_bad}. "
            "Mend them, or leave them out of a new directory: synthst check_speech --on_bad drop"
        )


def _read_summary(out: Path) -> SpeechSummary:
    """Read what was found when ``out`` was made."""
    info = read_info(out)
    counts, seconds = info["counts"], info["seconds"]
    assert isinstance(counts, dict) and isinstance(seconds, float)
    bad = {reason.removeprefix("dropped_"): count for reason, count in counts.items() if reason != "kept"}
    return SpeechSummary(counts["kept"], seconds, Counter(bad))
