"""Common Voice, speech with transcripts, and CoVoST 2, its translations: TSV files beside MP3 clips.

Common Voice (CC0) wants an agreement on its site. CoVoST 2 (Wang et al., 2020; CC BY-NC 4.0) is made on its
version 4; clips keep Common Voice's names, so that what is in both is found by its id.
"""

import logging
import re
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from synthst.corpora.compressed import damage_told
from synthst.corpora.segments import TO_THE_END, Segment, check_count, shown, write_segments
from synthst.datadir import is_made, new_directory, write_info
from synthst.errors import DataError
from synthst.tables import read_table

logger = logging.getLogger(__name__)

Row = dict[str, str]

MAX_NO_AUDIO = 0.001  # releases of Common Voice hold empty and broken clips, some hundreds in a million
MAX_NO_TRANSCRIPT = 0.1  # more, and it is another version of Common Voice than CoVoST's

_TOKEN = re.compile(r"\\.|\t|[^\\\t]+|\\", re.DOTALL)


def prepare_commonvoice(
    source: Path,
    out: Path,
    *,
    part: str = "validated",
    lang: str = "en",
    without: Path | None = None,
    bounds: dict[str, list[int]] | None = None,
    max_no_audio: float = MAX_NO_AUDIO,
    max_segments: int | None = None,
) -> None:
    """Make the speech data directory ``out`` of Common Voice's ``source``/{<part>.tsv, clips/}, unless there.

    ``source`` is the folder of one language. Clips that the data directory ``without`` has are left out and
    counted, as those of CoVoST 2, which have translations. ``bounds`` are the least and the most clips of the
    list, by part, with those. Clips that are missing or no audio are dropped, counted and named in info.json;
    DataError is raised when they are more than the share ``max_no_audio`` of all. ``max_segments`` takes the
    first so many of the list.
    """
    made_by: dict[str, object] = {"step": "prepare_commonvoice", "source": source, "part": part}
    made_by |= {"lang": lang, "without": without, "bounds": bounds, "max_no_audio": max_no_audio}
    made_by |= {"max_segments": max_segments}
    if is_made(out, made_by):
        logger.info("%s is there already", out)
        return
    counts: Counter[str] = Counter()
    rows = read_tsv(source / f"{part}.tsv", ("client_id", "path", "sentence"))
    segments = (_make_segment(row, {lang: row["sentence"]}) for row in rows)
    apart = _leave_out(segments, _read_known(without) if without else (), counts)
    with new_directory(out) as folder:
        chosen = islice(apart, max_segments)
        no_audio = _write(folder, chosen, [lang], counts, source / f"{part}.tsv", source, max_no_audio)
        check_count(counts["read"], (bounds or {}).get(part), f"{source / part}.tsv")
        write_info(folder, made_by, counts=counts, licence="CC0-1.0", no_audio=no_audio)
    logger.info("%s: %s", out, shown(counts))


def prepare_covost(
    source: Path,
    translations: Path,
    out: Path,
    *,
    part: str = "train",
    src: str = "en",
    tgt: str = "de",
    bounds: dict[str, list[int]] | None = None,
    max_no_audio: float = MAX_NO_AUDIO,
    max_segments: int | None = None,
) -> None:
    """Make the speech data directory ``out`` of a part (train, dev, test) of CoVoST 2, unless it is there.

    ``source`` is the folder of Common Voice 4 in ``src``, with validated.tsv and clips/, ``translations``
    covost_v2.<src>_<tgt>.tsv. train is Common Voice's split and what CoVoST adds (train_covost).
    Both are read as CoVoST's own script does: a backslash takes the next character as it is, and
    translations of clips without a transcript are dropped, here counted. ``bounds`` are the least and the
    most clips with both, by part. ``max_no_audio`` and ``max_segments`` as of `prepare_commonvoice`. Raises
    DataError when more than a tenth have no transcript.
    """
    made_by: dict[str, object] = {"step": "prepare_covost", "source": source, "translations": translations}
    made_by |= {"part": part, "src": src, "tgt": tgt, "bounds": bounds, "max_no_audio": max_no_audio}
    made_by |= {"max_segments": max_segments}
    if is_made(out, made_by):
        logger.info("%s is there already", out)
        return
    counts: Counter[str] = Counter()
    pairs = _join(source / "validated.tsv", translations, part, counts)
    segments = (_make_segment(row, {src: row["sentence"], tgt: translation}) for row, translation in pairs)
    with new_directory(out) as folder:
        chosen = islice(segments, max_segments)
        no_audio = _write(folder, chosen, [src, tgt], counts, translations, source, max_no_audio)
        joined = counts["read"] - counts["dropped_no_transcript"]
        check_count(
            joined, (bounds or {}).get(part), f"{translations}, joined with {source / 'validated.tsv'},"
        )
        licence = "CC-BY-NC-4.0, its speech CC0-1.0"
        write_info(folder, made_by, counts=counts, licence=licence, no_audio=no_audio)
    logger.info("%s: %s", out, shown(counts))


def _join(transcripts: Path, translations: Path, part: str, counts: Counter[str]) -> list[tuple[Row, str]]:
    """Return what has both a transcript and a translation, in the order of the translations."""
    splits = {"train", "train_covost"} if part == "train" else {part}
    rows = read_tsv(translations, ("path", "translation", "split"), escaped=True)
    translated = {row["path"]: row["translation"] for row in rows if row["split"] in splits}
    rows = read_tsv(transcripts, ("client_id", "path", "sentence"), escaped=True)
    found = {row["path"]: row for row in rows if row["path"] in translated}
    if lacking := sorted(translated.keys() - found.keys()):
        told = f"{transcripts} lacks {len(lacking):,} of {len(translated):,} clips of CoVoST"
        if len(lacking) > MAX_NO_TRANSCRIPT * len(translated):
            raise DataError(f"{told}, the first is {lacking[0]}; take version 4 of Common Voice")
        logger.warning("%s, the first is %s; they are dropped", told, lacking[0])
        counts.update(read=len(lacking), dropped_no_transcript=len(lacking))
    return [(found[path], text) for path, text in translated.items() if path in found]


def read_tsv(path: Path, wanted: Sequence[str], *, escaped: bool = False) -> Iterator[Row]:
    """Yield the rows of a TSV file with a header; quotes are text, as Common Voice leaves some open.

    Lines end in "\\n" only: a sentence may hold other line ends. With ``escaped`` a backslash is left out and
    the character after it taken as it is. Raises DataError when the file or a column that is ``wanted`` is
    missing, and for rows of other lengths.
    """
    try:
        file = path.open(encoding="utf-8-sig", newline="\n")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}; download and unpack the corpus") from error
    with file, damage_told(path):
        header = file.readline().rstrip("\r\n").split("\t")
        if lacking := [name for name in wanted if name not in header]:
            raise DataError(f"{path} has no column {lacking[0]}; it has {', '.join(header)}")
        for number, line in enumerate(file, 2):
            fields = _split(line.rstrip("\r\n"), escaped)
            if len(fields) != len(header):
                told = f"not as many fields as the header: {len(fields)}, wanted are {len(header)}"
                raise DataError(f"{path}:{number}: {told}; download it again")
            yield dict(zip(header, fields, strict=True))


def _split(line: str, escaped: bool) -> list[str]:
    """Split a line at its tabs."""
    if not escaped or "\\" not in line:
        return line.split("\t")
    fields = [""]
    for token in _TOKEN.findall(line):
        if token == "\t":
            fields.append("")
        else:
            fields[-1] += token[1:] if token.startswith("\\") else token
    return fields


def _make_segment(row: Mapping[str, str], texts: Mapping[str, str]) -> Segment:
    """Make a whole clip a segment; it ends when its audio does."""
    name = Path(row["path"]).stem
    return Segment(name, name, 0.0, TO_THE_END, row["client_id"], texts)


def _read_known(without: Path) -> set[str]:
    if not (without / "utt2dur").is_file():
        remedy = "run stage 1's covost first, or leave it out of --st (or do not give --without)"
        raise DataError(f"{without}, whose clips are to be left out, is not there; {remedy}")
    return {utterance for utterance, _ in read_table(without / "utt2dur")}


def _leave_out(segments: Iterable[Segment], known: Container[str], counts: Counter[str]) -> Iterator[Segment]:
    for segment in segments:
        if segment.id in known:
            counts.update(read=1, dropped_translated=1)
        else:
            yield segment


def _write(
    folder: Path,
    segments: Iterable[Segment],
    langs: Sequence[str],
    counts: Counter[str],
    table: Path,
    source: Path,
    max_no_audio: float,
) -> list[str]:
    """Write the tables; return the ids of clips that are missing or no audio."""
    no_audio = write_segments(
        *(folder, segments, langs, counts),
        source=table,
        find_audio=lambda clip: source / "clips" / f"{clip}.mp3",
        max_no_audio=max_no_audio,
    )
    if no_audio:
        told = "%s: %d clips are missing or no audio and are dropped, such as %s; info.json names all"
        logger.warning(told, table, len(no_audio), no_audio[0])
    return no_audio
