"""Make speech of text with espeak-ng: of any data directory, and of LibreOffice's help texts (MPL-2.0)."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from synthst.corpora.espeak import (
    DISTRIBUTION,
    VoiceSet,
    choose_voice,
    espeak_version,
    hash_number,
    voice_names,
)
from synthst.corpora.spoken_parts import Sound, Spoken, Utterance, planned_directory, speak_parts
from synthst.datadir import is_made, table_names, text_path, write_info
from synthst.errors import ConfigError, DataError
from synthst.tables import JoinedRow, join_tables, write_tables

logger = logging.getLogger(__name__)

SHOWN = 3  # ids of dropped utterances in the log; dropped.tsv has them all


class Choice(NamedTuple):
    """Which sentences are spoken, and in whose voices."""

    lang: str
    voices: VoiceSet
    seed: int
    min_words: int
    max_words: int | None
    size: int | None
    skip: int


def speak_datadir(
    data: Path,
    out: Path,
    *,
    lang: str = "en",
    langs: Sequence[str] | None = None,
    voices: VoiceSet = "train",
    seed: int = 0,
    min_words: int = 1,
    max_words: int | None = None,
    max_seconds: float = 30.0,
    size: int | None = None,
    skip: int = 0,
    rate: int | None = None,
    workers: int | None = None,
) -> None:
    """Write utterances of ``data`` to ``out`` with the text of ``lang`` spoken: 16-bit FLAC at ``rate`` Hz.

    ``out`` gets the texts of ``langs``, all that ``data`` has if None. The voice, one of the set ``voices``,
    and its noise depend on id and ``seed`` only; ``rate`` None is espeak-ng's own, 22,050. Texts of
    ``min_words`` to ``max_words`` are kept, and of these ``size`` after the first ``skip`` in the order of a
    hash of id and seed. A text that gives no audio or more than ``max_seconds`` is dropped, counted and named
    in dropped.tsv. A run that was killed goes on where it was. made_by: step "speak_datadir", the arguments.
    """
    choice = Choice(lang, voices, seed, min_words, max_words, size, skip)
    sound = Sound(seed, rate, max_seconds)
    _check_options(choice, sound, workers)
    made_by = {"step": "speak_datadir", "data": data, "langs": langs, **choice._asdict(), **sound._asdict()}
    if is_made(out, made_by):
        logger.info("%s is there already", out)
        return
    kept_langs = _text_langs(data) if langs is None else list(dict.fromkeys(langs))
    counts: Counter[str] = Counter()
    rows = _choose_rows(data, kept_langs, choice, counts)
    _speak_rows(rows, data, out, kept_langs, choice, sound, counts, made_by, workers)
    logger.info("%s: %s", out, ", ".join(f"{reason} {count:,}" for reason, count in counts.items()))


def prepare_spoken_libreoffice(
    out: Path,
    *,
    texts: Path,
    src: str = "en",
    tgt: str = "de",
    max_train: int | None = 10_000,
    max_asr: int | None = None,
    max_dev: int | None = 500,
    max_test: int | None = 1000,
    min_words: int = 4,
    max_words: int | None = None,
    max_seconds: float = 30.0,
    seed: int = 0,
    rate: int | None = None,
    workers: int | None = None,
) -> None:
    """Write ``out``/train, train_asr, dev and test: the sources of what `prepare_libreoffice` made, spoken.

    ``max_train`` sentences of ``texts``/train keep their translation, ``max_asr`` of the others (all if None,
    no such set if 0) have the transcript only. Voices of dev and test are heard in no other set. Each set is
    as `speak_datadir` makes it, with as many sentences as there are where its limit is larger.
    """
    options: dict[str, Any] = {"min_words": min_words, "max_words": max_words, "max_seconds": max_seconds}
    options |= {"seed": seed, "rate": rate, "workers": workers, "lang": src}
    train, both = texts / "train", [src, tgt]
    speak_datadir(train, out / "train", langs=both, voices="train", size=max_train, **options)
    if max_train is not None and max_asr != 0:
        options_asr = {**options, "voices": "train", "size": max_asr, "skip": max_train}
        speak_datadir(train, out / "train_asr", langs=[src], **options_asr)
    speak_datadir(texts / "dev", out / "dev", langs=both, voices="dev", size=max_dev, **options)
    speak_datadir(texts / "test", out / "test", langs=both, voices="test", size=max_test, **options)


def _check_options(choice: Choice, sound: Sound, workers: int | None) -> None:
    voice_names(choice.lang, choice.voices)
    if sound.rate is not None and not 8_000 <= sound.rate <= 48_000:
        raise ConfigError(f"a rate of {sound.rate} Hz; give 8,000 to 48,000, usually 16,000")
    if not sound.max_seconds > 0 or choice.skip < 0 or (choice.size is not None and choice.size < 1):
        found = f"max_seconds {sound.max_seconds}, size {choice.size}, skip {choice.skip}"
        raise ConfigError(f"{found}; give positive numbers")
    if workers is not None and workers < 1:
        raise ConfigError(f"{workers} workers; give 1 or more")


def _text_langs(data: Path) -> list[str]:
    return [name.removeprefix("text.") for name in table_names(data) if name.startswith("text.")]


def _choose_rows(
    data: Path, kept_langs: Sequence[str], choice: Choice, counts: Counter[str]
) -> list[JoinedRow]:
    """Take rows of the text that is spoken and of those that are kept, by length and then by a hash.

    In the hash's order larger sizes hold smaller ones.
    """
    rows = join_tables([text_path(data, language) for language in (choice.lang, *kept_langs)])
    fitting = [row for row in rows if _has_wanted_length(row[1][0], choice, counts)]
    ranked = sorted(fitting, key=lambda row: hash_number(f"{choice.seed} {row[0]}"))
    chosen = ranked[choice.skip :][: choice.size]
    if not chosen:
        found = f"{data} has {len(ranked):,} sentences of the lengths wanted, {choice.skip:,} are left out"
        raise DataError(f"{found}: none is there to speak; widen min_words and max_words, or skip fewer")
    counts["left_out"] = len(ranked) - len(chosen)
    return sorted(chosen)


def _has_wanted_length(text: str, choice: Choice, counts: Counter[str]) -> bool:
    words = len(text.split())
    if words < choice.min_words:
        counts["dropped_too_few_words"] += 1
        return False
    if choice.max_words is not None and words > choice.max_words:
        counts["dropped_too_many_words"] += 1
        return False
    return True


def _speak_rows(
    rows: Sequence[JoinedRow],
    data: Path,
    out: Path,
    kept_langs: Sequence[str],
    choice: Choice,
    sound: Sound,
    counts: Counter[str],
    made_by: Mapping[str, object],
    workers: int | None,
) -> None:
    lang, voices, seed, *_ = choice
    spoken = [
        Utterance(name, texts[0], choose_voice(name, lang=lang, voices=voices, seed=seed))
        for name, texts in rows
    ]
    versions = {DISTRIBUTION: espeak_version()}
    with planned_directory(out, {**made_by, **versions, "texts": _checksum(spoken)}) as folder:
        results = list(speak_parts(spoken, folder / "audio", sound, workers=workers))
        _write_tables(folder, out, kept_langs, rows, spoken, results, counts)
        write_info(folder, made_by, counts=counts, parents=[data], packages=versions)


def _checksum(spoken: Sequence[Utterance]) -> str:
    total = blake2b(digest_size=16)
    for utterance in spoken:
        total.update("\t".join(utterance).encode() + b"\n")
    return total.hexdigest()


def _write_tables(
    folder: Path,
    out: Path,
    kept_langs: Sequence[str],
    rows: Sequence[JoinedRow],
    spoken: Sequence[Utterance],
    results: Sequence[Spoken],
    counts: Counter[str],
) -> None:
    """Write the tables of what was spoken, and dropped.tsv of what was not."""
    kept, dropped = [], []
    for (name, (_, *texts)), utterance, result in zip(rows, spoken, results, strict=True):
        counts[f"dropped_{result.dropped}" if result.dropped else "kept"] += 1
        if result.dropped:
            dropped.append((name, result.dropped))
            continue
        wav = str(out.absolute() / "audio" / result.file)
        kept.append((name, (*texts, wav, utterance.voice, f"{result.seconds:.3f}")))
    if not kept:
        raise DataError(f"no sentence of {len(rows):,} gave audio for {out}; look at the texts")
    tables = [text_path(folder, language) for language in kept_langs]
    write_tables([*tables, *(folder / name for name in ("wav.scp", "utt2spk", "utt2dur"))], kept)
    _write_dropped(folder / "dropped.tsv", dropped)


def _write_dropped(path: Path, dropped: Sequence[tuple[str, str]]) -> None:
    path.write_text(
        "".join(f"{name}\t{reason}\n" for name, reason in dropped), encoding="utf-8", newline="\n"
    )
    if dropped:
        first = ", ".join(f"{name} ({reason})" for name, reason in dropped[:SHOWN])
        logger.warning("%d sentences gave no audio of use and were dropped: %s ...", len(dropped), first)
