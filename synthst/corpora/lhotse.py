"""Bring a corpus in that lhotse has prepared: its manifests become a speech data directory.

A recording that a manifest gives as a command becomes one in wav.scp and is run to read it, so trust a
manifest as you would a program.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Never

from synthst.corpora.lhotse_audio import AudioPlaces
from synthst.corpora.segments import Segment, clean_text, fit_segment, shown, to_row, write_rows
from synthst.datadir import is_made, new_directory, text_path, write_info
from synthst.errors import ConfigError, DataError, install_command
from synthst.tables import Row, write_table

logger = logging.getLogger(__name__)

_Pair = tuple[Any, Any]  # a recording and a supervision of lhotse


def import_lhotse(
    out: Path,
    *,
    recordings: Path | None = None,
    supervisions: Path | None = None,
    cuts: Path | None = None,
    lang: str | None = None,
    text_fields: dict[str, str] | None = None,
    audio_root: Path | None = None,
    channel: int | None = None,
    licence: str | None = None,
) -> None:
    """Make the speech data directory ``out`` from manifests of recordings and supervisions, or of cuts.

    ``text_fields`` says which field has which language, like ``{en: text, de: translation}``: ``text`` is a
    supervision's own, others are custom fields, with dots where they are nested. ``lang`` alone means
    ``{<lang>: text}``. Relative paths are below ``audio_root``, or the working directory. ``channel``
    replaces the supervisions' own, -1 mixes all; what has to be taken out of a file with several channels
    is written to ``out``/audio. ``licence`` goes into info.json, and so into the cards of models.
    Supervisions without a text, outside their recording or of no length are dropped and counted. Raises
    DataError for audio that is missing, for an id that two supervisions have, and for unknown recordings.
    """
    fields = _choose_fields(lang, text_fields)
    manifests = _choose_manifests(recordings, supervisions, cuts)
    made_by: dict[str, object] = {"step": "import_lhotse", "manifests": manifests, "text_fields": fields}
    made_by |= {"audio_root": audio_root, "channel": channel}
    if is_made(out, made_by):
        logger.info("%s is there already", out)
        return
    counts: Counter[str] = Counter()
    with new_directory(out) as folder:
        places = AudioPlaces(audio_root or Path(), channel)
        rows = _make_rows(_read_pairs(manifests), fields, places, counts)
        write_rows(folder, rows, fields, counts, source=manifests[-1])
        if not counts["kept"]:
            _refuse_empty(manifests, counts)
        write_table(folder / "wav.scp", sorted(places.write_audio(folder, out).items()))
        stated = {"licence": licence} if licence else {}
        write_info(folder, made_by, counts=counts, parents=manifests, **stated)
    logger.info("%s: %s", out, shown(counts))


def _choose_manifests(recordings: Path | None, supervisions: Path | None, cuts: Path | None) -> list[Path]:
    if cuts and not recordings and not supervisions:
        return [cuts]
    if recordings and supervisions and not cuts:
        return [recordings, supervisions]
    raise ConfigError("give both recordings and supervisions, or only cuts")


def _choose_fields(lang: str | None, text_fields: dict[str, str] | None) -> dict[str, str]:
    """Return the field of each language."""
    if (lang is None) == (not text_fields):
        raise ConfigError("give either lang, the language of the text, or text_fields like {en: text}")
    fields = text_fields or {str(lang): "text"}
    for each in fields:
        text_path(Path(), each)
    return fields


def _read_manifest(path: Path, kinds: tuple[str, ...]) -> Iterator[Any]:
    """Read the items of a manifest, as a stream if it is .jsonl; ``kinds`` are the classes that may come."""
    try:
        import lhotse
    except ImportError as error:
        raise ConfigError(f"lhotse is not installed; {install_command('lhotse')}") from error
    if not path.is_file():
        raise DataError(f"{path} is missing; make it with lhotse, or name another manifest")
    wanted = " or ".join(kinds)
    try:
        for item in lhotse.serialization.load_manifest_lazy_or_eager(path) or ():
            if type(item).__name__ not in kinds:
                raise DataError(f"{path} has a {type(item).__name__}, wanted was {wanted}; give another one")
            yield item
    except DataError:
        raise
    except Exception as error:  # lhotse raises whatever json, yaml, gzip and its own classes raise
        raise DataError(f"{path} is no manifest that lhotse reads ({error!r}); make it again") from error


def _read_pairs(manifests: Sequence[Path]) -> Iterator[_Pair]:
    """Read supervisions, each with its recording, at times that count from the recording's beginning."""
    if len(manifests) == 1:
        yield from _read_cuts(manifests[0])
        return
    recordings: dict[str, Any] = {}
    for recording in _read_manifest(manifests[0], ("Recording",)):
        if recordings.setdefault(recording.id, recording) is not recording:
            raise DataError(
                f"{manifests[0]}: the recording {recording.id} came already; remove one of the two"
            )
    unknown, first = 0, ""
    for supervision in _read_manifest(manifests[1], ("SupervisionSegment",)):
        if supervision.recording_id in recordings:
            yield recordings[supervision.recording_id], supervision
        else:
            unknown, first = unknown + 1, first or f"{supervision.recording_id} (of {supervision.id})"
    if unknown:
        found = f"{manifests[0]} lacks the recordings of {unknown:,} supervisions, the first is {first}"
        raise DataError(f"{found}; give the manifests that belong together")


def _read_cuts(path: Path) -> Iterator[_Pair]:
    for cut in _read_manifest(path, ("MonoCut", "MultiCut")):
        if cut.recording is None:
            raise DataError(f"{path}: the cut {cut.id} has no recording; give cuts of audio")
        for supervision in cut.supervisions:
            yield cut.recording, supervision.with_offset(cut.start)


def _make_rows(
    pairs: Iterable[_Pair], fields: Mapping[str, str], places: AudioPlaces, counts: Counter[str]
) -> Iterator[Row]:
    """Turn supervisions into rows, and count what is dropped."""
    for recording, supervision in pairs:
        texts = {lang: _find_text(supervision, field) for lang, field in fields.items()}
        start, end = float(supervision.start), float(supervision.end)
        speaker = supervision.speaker or ""
        segment = Segment(supervision.id, recording.id, start, end, speaker, texts)
        if fit := fit_segment(segment, recording.duration, counts):
            yield to_row(fit._replace(recording=places.add(recording, supervision)))


def _find_text(supervision: Any, field: str) -> str:
    """Return a field on one line, "" if there is none."""
    value: Any = supervision.text if field == "text" else (supervision.custom or {})
    for key in [] if field == "text" else field.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return clean_text(value) if isinstance(value, str) else ""


def _refuse_empty(manifests: Sequence[Path], counts: Counter[str]) -> Never:
    found = f"no supervision of {manifests[-1]} can be kept: {shown(counts)}"
    raise DataError(f"{found}; its fields are {_list_fields(manifests)}")


def _list_fields(manifests: Sequence[Path]) -> str:
    """List the fields of the first supervision."""
    for _, supervision in _read_pairs(manifests):
        return ", ".join(["text", *(supervision.custom or {})])
    return "none"
