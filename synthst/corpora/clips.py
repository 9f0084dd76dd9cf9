"""Common Voice, speech with transcripts, and CoVoST 2, its translations: TSV files beside MP3 clips.

Common Voice (CC0) wants an agreement on its site. CoVoST 2 (Wang et al., 2020; CC BY-NC 4.0) is made on its
version 4; clips keep Common Voice's names, so that what is in both is found by its id.
"""

import csv
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from synthst.corpora.compressed import damage_told
from synthst.corpora.segments import TO_THE_END, Segment, check_count, shown, write_segments
from synthst.datadir import is_made, new_directory, write_info
from synthst.errors import DataError
from synthst.tables import read_table

logger = logging.getLogger(__name__)

Row = dict[str, str]


def prepare_commonvoice(
    source: Path,
    out: Path,
    *,
    part: str = "validated",
    lang: str = "en",
    without: Path | None = None,
    bounds: dict[str, list[int]] | None = None,
) -> None:
    """Make the speech data directory ``out`` of Common Voice's ``source``/{<part>.tsv, clips/}, unless there.

    ``source`` is the folder of one language. Clips that the data directory ``without`` has are left out, as
    those of CoVoST 2, which have translations. ``bounds`` are the least and the most clips, by part.
    """
    made_by: dict[str, object] = {"step": "prepare_commonvoice", "source": source, "part": part}
    made_by |= {"lang": lang, "without": without, "bounds": bounds}
    if is_made(out, made_by):
        logger.info("%s is there already", out)
        return
    known = {utterance for utterance, _ in read_table(without / "utt2dur")} if without else set()
    rows = read_tsv(source / f"{part}.tsv", ("client_id", "path", "sentence"))
    segments = (_make_segment(row, {lang: row["sentence"]}) for row in rows)
    kept = (segment for segment in segments if segment.id not in known)
    _write(out, kept, [lang], source, f"{part}.tsv", made_by, (bounds or {}).get(part), "CC0-1.0")


def prepare_covost(
    source: Path,
    translations: Path,
    out: Path,
    *,
    part: str = "train",
    src: str = "en",
    tgt: str = "de",
    bounds: dict[str, list[int]] | None = None,
) -> None:
    """Make the speech data directory ``out`` of a part (train, dev, test) of CoVoST 2, unless it is there.

    ``source`` is the folder of Common Voice 4 in ``src``, with validated.tsv and clips/, ``translations``
    covost_v2.<src>_<tgt>.tsv. train is Common Voice's split and what CoVoST adds (train_covost).
    ``bounds`` are the least and the most clips, by part. Raises DataError for a clip without a transcript.
    """
    made_by: dict[str, object] = {"step": "prepare_covost", "source": source, "translations": translations}
    made_by |= {"part": part, "src": src, "tgt": tgt, "bounds": bounds}
    if is_made(out, made_by):
        logger.info("%s is there already", out)
        return
    splits = {"train", "train_covost"} if part == "train" else {part}
    rows = read_tsv(translations, ("path", "translation", "split"))
    translated = {row["path"]: row["translation"] for row in rows if row["split"] in splits}
    transcripts = read_tsv(source / "validated.tsv", ("client_id", "path", "sentence"))
    found = {row["path"]: row for row in transcripts if row["path"] in translated}
    if lacking := sorted(translated.keys() - found.keys()):
        told = f"{source / 'validated.tsv'} lacks {len(lacking):,} of {len(translated):,} clips of CoVoST"
        raise DataError(f"{told}, the first is {lacking[0]}; take version 4 of Common Voice")
    segments = (
        _make_segment(found[path], {src: found[path]["sentence"], tgt: translation})
        for path, translation in translated.items()
    )
    licence = "CC-BY-NC-4.0, its speech CC0-1.0"
    _write(out, segments, [src, tgt], source, translations.name, made_by, (bounds or {}).get(part), licence)


def read_tsv(path: Path, wanted: Sequence[str]) -> Iterator[Row]:
    """Yield the rows of a TSV file with a header; quotes are text, as Common Voice leaves some open.

    Raises DataError when the file or a column that is ``wanted`` is missing, and for rows of other lengths.
    """
    try:
        file = path.open(encoding="utf-8", newline="\n")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}; download and unpack the corpus") from error
    with file, damage_told(path, (UnicodeDecodeError, csv.Error)):
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        if lacking := [name for name in wanted if name not in (rows.fieldnames or ())]:
            raise DataError(f"{path} has no column {lacking[0]}; it has {', '.join(rows.fieldnames or ())}")
        for row in rows:
            if None in row or None in row.values():
                raise DataError(
                    f"{path}:{rows.line_num}: not as many fields as the header; download it again"
                )
            yield row


def _make_segment(row: Mapping[str, str], texts: Mapping[str, str]) -> Segment:
    """Make a whole clip a segment; it ends when its audio does."""
    name = Path(row["path"]).stem
    return Segment(name, name, 0.0, TO_THE_END, row["client_id"], texts)


def _write(
    out: Path,
    segments: Iterable[Segment],
    langs: Sequence[str],
    source: Path,
    name: str,
    made_by: Mapping[str, object],
    bounds: Sequence[int] | None,
    licence: str,
) -> None:
    counts: Counter[str] = Counter()
    clips = source / "clips"
    with new_directory(out) as folder:
        write_segments(
            *(folder, segments, langs, counts),
            source=source / name,
            find_audio=lambda clip: clips / f"{clip}.mp3",
        )
        check_count(counts["read"], bounds, f"{source / name}")
        write_info(folder, made_by, counts=counts, licence=licence)
    logger.info("%s: %s", out, shown(counts))
