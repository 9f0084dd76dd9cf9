"""TED-LIUM 3: talks in NIST sphere files, cut by STM lists (Hernandez et al., 2018; CC BY-NC-ND 3.0).

lhotse's recipe wants the program sph2pipe for the length of each file; the files are plain PCM, which
soundfile reads.
"""

import logging
import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from synthst.corpora.compressed import damage_told
from synthst.corpora.segments import Segment, check_count, shown, write_segments
from synthst.datadir import is_made, new_directory, write_info
from synthst.errors import DataError

logger = logging.getLogger(__name__)

UNTRANSCRIBED = "ignore_time_segment_in_scoring"
UNKNOWN = "<unk>"  # a word that was said and is not told

_NOISES = re.compile(r"\[\w+\]|\{\w+\}|<sil>|\(\d+\)")  # [NOISE] {SMACK}; (2) is a pronunciation
_SUFFIX = re.compile(r"(?<=\w) '(?=(?:s|t|d|m|re|ve|ll)\b)")


def prepare_tedlium(
    source: Path,
    out: Path,
    *,
    part: str = "train",
    lang: str = "en",
    bounds: dict[str, list[int]] | None = None,
    max_segments: int | None = None,
) -> None:
    """Make the speech data directory ``out`` of ``source``/legacy/<part>/{sph,stm}, unless it is there.

    Ids are <talk>-<line of its STM list>, as lhotse has them; what is not transcribed is left out and
    counted. Texts stay in lower case, without marks of noises, and 's, 're and the like are joined to their
    words. A segment with <unk> is dropped and counted: its transcript lacks a word that is in the audio.
    ``bounds`` are the least and the most segments, by part, with those; ``max_segments`` takes the first.
    """
    made_by: dict[str, object] = {"step": "prepare_tedlium", "source": source, "part": part}
    made_by |= {"lang": lang, "bounds": bounds, "max_segments": max_segments}
    if is_made(out, made_by):
        logger.info("%s is there already", out)
        return
    base = source / "legacy" / part
    lists = sorted((base / "stm").glob("*.stm"))
    if not lists:
        raise DataError(f"{base / 'stm'} holds no list; download TED-LIUM 3 (openslr.org/51) and unpack it")
    counts: Counter[str] = Counter()
    with new_directory(out) as folder:
        segments = (segment for path in lists for segment in read_stm(path, lang, counts))
        write_segments(
            *(folder, islice(segments, max_segments), [lang], counts),
            source=base / "stm",
            find_audio=lambda talk: base / "sph" / f"{talk}.sph",
        )
        check_count(counts["read"], (bounds or {}).get(part), f"{base / 'stm'}")
        write_info(folder, made_by, counts=counts, licence="CC-BY-NC-ND-3.0")
    logger.info("%s: %s", out, shown(counts))


def read_stm(path: Path, lang: str, counts: Counter[str]) -> Iterator[Segment]:
    """Yield the transcribed segments of a talk; count the others.

    Raises DataError for a line of another form.
    """
    with path.open(encoding="utf-8", newline="\n") as file, damage_told(path):
        for number, line in enumerate(file):
            if line.startswith(";;") or not line.strip():  # a comment of the STM form
                continue
            fields = line.split(maxsplit=6)
            try:
                talk, _, speaker, start, end, _ = fields[:6]
                times = float(start), float(end)
            except ValueError as error:
                wanted = "<talk> <channel> <speaker> <start s> <end s> <label> <text>"
                raise DataError(f"{path}:{number + 1}: {line.strip()!r}; wanted is {wanted}") from error
            text = " ".join("".join(fields[6:]).split())
            if text == UNTRANSCRIBED:
                counts["untranscribed"] += 1
            elif UNKNOWN in text:
                counts.update(read=1, dropped_unknown_word=1)
            else:
                yield Segment(f"{talk}-{number}", talk, *times, speaker, {lang: clean_transcript(text)})


def clean_transcript(text: str) -> str:
    """Remove marks of noises and pronunciations, and join suffixes: "it 's {NOISE} so(2)" is "it's so"."""
    return _SUFFIX.sub("'", " ".join(_NOISES.sub("", text).split()))
