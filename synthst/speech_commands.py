"""The stages' commands of speech translation that join several parts of the package, also for Python."""

import json
import logging
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from synthst.audio import read_audio
from synthst.datadir import new_directory, text_path
from synthst.dump import DumpIndex, read_dump
from synthst.espnet.options import SearchOptions
from synthst.espnet.settings import describe_weights
from synthst.info import is_made, read_info, write_info
from synthst.tables import write_table
from synthst.targets.asr_only import TranscriptFilter, select_transcripts
from synthst.targets.expand import expand_targets
from synthst.targets.restore import SourceCase
from synthst.teacher.protocol import SearchSettings
from synthst.teacher_commands import decode

if TYPE_CHECKING:
    from synthst.espnet.speech_load import TrainedSpeechModel

logger = logging.getLogger(__name__)


def expand_with_speech(
    base: Path,
    extra: Path,
    out: Path,
    *,
    teacher: str,
    store: Path,
    src: str,
    tgt: str,
    prefix: str = "",
    filters: TranscriptFilter = TranscriptFilter(),  # noqa: B008 (frozen)
    source_case: SourceCase = "keep",
    restorer: str | None = None,
    ratio: float | None = None,
    seed: int = 0,
    search: SearchSettings = SearchSettings(),  # noqa: B008
    ngpu: int = 0,
) -> None:
    """Add speech that has only transcripts, with the teacher's translations, to the ST data ``base``.

    From ``extra`` those utterances are chosen (into ``out`` with _transcripts behind its name) that pass
    ``filters``, at most ``ratio`` times as many as ``base`` has. ``source_case`` keep leaves their texts as
    they are, restore sends them through ``restorer``, a directory of `train_restorer` or a command. What the
    ``store`` has not is decoded into it. ``prefix`` goes before their ids. See `select_transcripts`,
    `decode` and `expand_targets`.
    """
    chosen = out.with_name(f"{out.name}_transcripts")
    select_transcripts(
        *(extra, chosen),
        src=src,
        filters=filters,
        source_case=source_case,
        restorer=restorer,
        base=base if ratio is not None else None,
        ratio=ratio,
        seed=seed,
    )
    decode(teacher, chosen, store, src=src, search=search, ngpu=ngpu)
    expand_targets(base, chosen, store, out, src=src, tgt=tgt, prefix=prefix)


def translate_speech(
    models: list[Path],
    audio: Path,
    test_sets: list[str],
    *,
    search: SearchSettings = SearchSettings(),  # noqa: B008 (frozen)
    batch_seconds: float = 120.0,
    ngpu: int = 0,
) -> None:
    """Decode the dumped audio ``audio``/<set> with trained models into <model>/decode_<set>/text.<lang>.

    A speech translator writes translations, a recogniser transcripts, in the language that it learnt. What
    is no trained model of ours (a recogniser taken from elsewhere) is passed over and named.
    """
    for directory in models:
        if not (directory / "train.json").is_file():
            logger.info("%s holds no model that was trained here; it decodes no test set", directory)
            continue
        lang = json.loads((directory / "train.json").read_text(encoding="utf-8"))["settings"]["tgt"]
        pending = [name for name in test_sets if not _is_decoded(directory, audio / name, name, search)]
        if not pending:
            continue
        from synthst.espnet.speech_load import load_speech_model  # torch takes seconds to load

        loaded = load_speech_model(directory, device="cuda" if ngpu else "cpu")
        options = SearchOptions(**asdict(search))
        for name in pending:
            out = directory / f"decode_{name}"
            with new_directory(out) as folder:
                facts = _decode_set(loaded, audio / name, folder, lang, options, batch_seconds)
                (folder / "decode.json").write_text(json.dumps(facts), encoding="utf-8")
                write_info(folder, _made_by(directory, audio / name, search), parents=[audio / name])
            logger.info("%s: %s", out, ", ".join(f"{key} {value:,.0f}" for key, value in facts.items()))


def _made_by(directory: Path, audio: Path, search: SearchSettings) -> dict[str, object]:
    """Say what determines the output: the weights, the audio and the search."""
    dump = {"path": str(audio), "made_by": read_info(audio)["made_by"]}
    weights = describe_weights(directory)
    return {"step": "translate_speech", "audio": dump, "weights_sha256": weights, "search": asdict(search)}


def _is_decoded(directory: Path, audio: Path, name: str, search: SearchSettings) -> bool:
    out = directory / f"decode_{name}"
    if found := is_made(out, _made_by(directory, audio, search)):
        logger.info("%s is there already", out)
    return found


def _decode_set(
    loaded: "TrainedSpeechModel",
    audio: Path,
    out: Path,
    lang: str,
    options: SearchOptions,
    batch_seconds: float,
) -> dict[str, float]:
    """Write text.<lang> of one test set; return how many were decoded, cut off and too short, and seconds."""
    from synthst.espnet.speech_search import search_speech

    dump = read_dump(audio)
    best: dict[str, str] = {}
    cut_off = too_short = 0
    start = time.monotonic()
    found = search_speech(loaded.model, _read_all(dump), options, rate=dump.rate, batch_seconds=batch_seconds)
    for one in found:
        best[one.utterance] = loaded.tgt_tokenizer.decode(one.hypotheses[0].tokens)
        cut_off += not one.hypotheses[0].finished
        too_short += one.too_short
    seconds = time.monotonic() - start
    rows = ((utterance, best[utterance]) for utterance in dump.ids)
    write_table(text_path(out, lang), rows, allow_empty=True)
    counts = {"sentences": len(best), "cut_off": cut_off, "too_short": too_short}
    return {**counts, "seconds": seconds, "audio_seconds": float(dump.samples.sum()) / dump.rate}


def _read_all(dump: DumpIndex) -> Iterator[tuple[str, np.ndarray]]:
    for utterance, wav in zip(dump.ids, dump.wav, strict=True):
        yield utterance, read_audio(wav, rate=dump.rate)[0]
