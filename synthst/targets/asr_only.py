"""Choose speech that has only transcripts, and restore them, so that the teacher can translate them.

Training sets with such speech are the paper's Table 5, last row: choose here, decode, then expand_targets.
"""

import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from synthst.atomic import atomic_file, scratch_directory
from synthst.datadir import new_directory, text_path
from synthst.errors import ConfigError, DataError
from synthst.info import is_made, write_info
from synthst.sampling import choose_ids
from synthst.speechtables import attach_speech, joined_speech_tables, parse_seconds, write_recordings
from synthst.tables import JoinedRow, Row, join_tables, read_table, write_table, write_tables
from synthst.targets.restore import SourceCase, check_policy, describe_restorer, keep_text, restore_text

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TranscriptFilter:
    """Which utterances are fit for training, by length in seconds and by text.

    ``unwanted`` is a regular expression of what no transcript may hold: by default marks as <unk>, [noise]
    and (laughs). More characters in a second than ``max_characters_per_second`` are no transcript of the
    audio: people say 10 to 20. A text without a letter is dropped always.
    """

    min_seconds: float = 0.3
    max_seconds: float = 30.0
    min_words: int = 1
    max_words: int = 100
    max_characters_per_second: float = 40.0
    unwanted: str = r"<[^>]*>|\[[^\]]*\]|\([^)]*\)"

    def reason(self, text: str, seconds: float) -> str | None:
        """Say why an utterance is dropped; None if it is kept."""
        words = len(text.split())
        reasons = {
            "empty_text": not text,
            "too_short": seconds < self.min_seconds,
            "too_long": seconds > self.max_seconds,
            "few_words": words < self.min_words,
            "many_words": words > self.max_words,
            "no_letter": not any(map(str.isalpha, text)),
            "unwanted": bool(self.unwanted) and re.search(self.unwanted, text) is not None,
            "fast": len(text) > self.max_characters_per_second * seconds,
        }
        return next((reason for reason, is_so in reasons.items() if is_so), None)

    def check(self) -> None:
        """Raise ConfigError for limits that allow nothing and for an expression that is none."""
        if not (self.min_seconds < self.max_seconds and self.min_words <= self.max_words):
            raise ConfigError(f"{self} allows nothing; give a least below the most")
        try:
            re.compile(self.unwanted)
        except re.error as error:
            raise ConfigError(f"unwanted is {self.unwanted!r}, no regular expression: {error}") from error


def select_transcripts(
    data: Path,
    out: Path,
    *,
    src: str,
    filters: TranscriptFilter = TranscriptFilter(),  # noqa: B008 (frozen)
    source_case: SourceCase = "keep",
    restorer: str | None = None,
    base: Path | None = None,
    ratio: float | None = None,
    seed: int = 0,
) -> None:
    """Copy speech and transcripts of ``data`` to ``out``, as far as they are fit to be translated.

    What ``filters`` drop is listed in dropped.tsv. With ``ratio`` as many utterances as that times those of
    the training set ``base`` are chosen, by a hash of their ids; all otherwise. With ``source_case`` keep the
    texts of those stay as they are; with restore they go through ``restorer``, a directory of
    `train_restorer` or a command (see `restore_text`). info.json has the counts. No text but text.<src> is
    read. Does nothing when ``out`` was made by the same arguments. made_by: step
    "select_transcripts" and the arguments but ``out``. Raises DataError when there are fewer than wanted.
    """
    filters.check()
    check_policy(source_case, restorer)
    if (base is None) != (ratio is None) or (ratio is not None and not ratio > 0):
        raise ConfigError(f"base is {base} and ratio {ratio}; give a directory and a number above 0, or none")
    made_by = {"step": "select_transcripts", "data": data, "src": src, "filters": asdict(filters)}
    made_by |= {"restorer": describe_restorer(restorer), "base": base, "ratio": ratio, "seed": seed}
    if is_made(out, made_by):
        logger.info("%s is there already", out)
        return
    counts: Counter[str] = Counter()
    with new_directory(out) as temporary, scratch_directory(temporary / "text", "selecting") as scratch:
        fit = scratch / "fit"
        with atomic_file(temporary / "dropped.tsv") as dropped:
            write_table(fit, _filter(data, src, filters, counts, dropped))
        chosen = _choose(data, fit, scratch / "chosen", counts, size=_wanted(base, ratio, src), seed=seed)
        texts = keep_text(chosen) if restorer is None else restore_text(chosen, restorer, scratch, counts)
        _write(data, temporary, src, texts)
        write_info(temporary, made_by, counts=counts, parents=[data, *([base] if base else [])])
    logger.info("%s: %s", out, ", ".join(f"{reason} {count:,}" for reason, count in counts.items()))


def _filter(
    data: Path, src: str, filters: TranscriptFilter, counts: Counter[str], dropped: BinaryIO
) -> Iterator[Row]:
    """Keep the transcripts that are fit; count and list the others."""
    durations = data / "utt2dur"
    if not durations.exists():
        raise DataError(f"{data} has no utt2dur; make it with check_speech, which also checks the audio")
    for utterance, (text, duration) in join_tables([text_path(data, src), durations], allow_empty=True):
        reason = filters.reason(text, parse_seconds(duration, durations, utterance))
        counts[f"dropped_{reason}" if reason else "fit"] += 1
        if reason:
            dropped.write(f"{utterance}\t{reason}\n".encode())
        else:
            yield utterance, text


def _wanted(base: Path | None, ratio: float | None, src: str) -> int | None:
    """Return how many utterances go with those of ``base``; None for all."""
    if base is None or ratio is None:
        return None
    return max(1, round(ratio * sum(1 for _ in read_table(text_path(base, src)))))


def _choose(
    data: Path, fit: Path, chosen: Path, counts: Counter[str], *, size: int | None, seed: int
) -> Path:
    """Write the table of ``size`` of the fit transcripts, or return the table of all."""
    counts["kept"] = counts["fit"] if size is None else size
    counts["left_out"] = counts["fit"] - counts["kept"]
    if not counts["fit"] or counts["left_out"] < 0:
        found = f"{counts['fit']:,} utterances of {data} are fit, {size or 1:,} were wanted ({dict(counts)})"
        raise DataError(f"{found}; take a smaller ratio or other filters")
    if size is None:
        return fit
    wanted = choose_ids(fit, size, seed=seed)
    write_table(chosen, (row for row in read_table(fit) if wanted(row[0])))
    return chosen


def _write(data: Path, out: Path, src: str, texts: Iterable[Row]) -> None:
    """Write the chosen transcripts and their speech."""
    speech = joined_speech_tables([data])
    rows: Iterator[JoinedRow] = ((utterance, (text,)) for utterance, text in texts)
    attached = attach_speech(rows, data, text_path(data, src), speech)
    write_tables([text_path(out, src), *(out / name for name in speech)], attached)
    write_recordings(out, [(data, "")])
