"""Tiny corpora in the forms of MuST-C, ST-TED and IWSLT's test sets: talks that hum, German turned round."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

RATE = 16_000


class Sentence(NamedTuple):
    """A sentence of a talk with its translation, spoken from ``start`` to ``end`` in seconds."""

    start: float
    end: float
    src: str
    tgt: str


def speak(texts: Sequence[tuple[str, str]]) -> tuple[list[Sentence], np.ndarray]:
    """Return sentences one after the other with pauses of 0.1 s, and their samples: 50 ms for each letter."""
    sentences, pieces, end = [], [], 0
    for src, tgt in texts:
        pause, sound = np.zeros(RATE // 10, np.int16), hum(src)
        start, end = end + len(pause), end + len(pause) + len(sound)
        sentences.append(Sentence(start / RATE, end / RATE, src, tgt))
        pieces += [pause, sound]
    return sentences, np.concatenate([*pieces, np.zeros(RATE // 10, np.int16)])


def hum(text: str, rate: int = RATE) -> np.ndarray:
    """Return int16 samples: a tone of 50 ms for every letter."""
    pitches = [
        200 + 60 * (ord(letter) - ord("a"))
        for letter in text.lower()
        if letter.isascii() and letter.isalpha()
    ]
    return (10_000 * np.sin(2 * np.pi * np.cumsum(np.repeat(pitches, rate // 20)) / rate)).astype(np.int16)


def write_mustc(
    folder: Path, part: str, talks: dict[int, Sequence[tuple[str, str]]], *, pair: str = "en-de"
) -> list[Sentence]:
    """Write <folder>/<pair>/data/<part> of MuST-C v2: wav/ted_<talk>.wav, txt/<part>.{yaml,<lang>}."""
    base = folder / pair / "data" / part
    (base / "wav").mkdir(parents=True)
    (base / "txt").mkdir()
    return _write_talks(base / "txt", base / "wav", part, talks, pair)


def write_st_ted(folder: Path, talks: dict[int, Sequence[tuple[str, str]]]) -> list[Sentence]:
    """Write <folder>/{parallel,wav} of the corpus that IWSLT 2018 gave out."""
    for name in ("parallel", "wav"):
        (folder / name).mkdir(parents=True)
    return _write_talks(folder / "parallel", folder / "wav", "train", talks, "en-de")


def _write_talks(
    text: Path, wav: Path, part: str, talks: dict[int, Sequence[tuple[str, str]]], pair: str
) -> list[Sentence]:
    items, every = [], []
    for talk, texts in talks.items():
        sentences, samples = speak(texts)
        soundfile.write(wav / f"ted_{talk}.wav", samples, RATE)
        every += sentences
        for one in sentences:
            times = f"duration: {one.end - one.start:.6f}, offset: {one.start:.6f}"
            items.append(f"- {{{times}, rW: 3, speaker_id: spk.{talk},\n  uW: 0, wav: ted_{talk}.wav}}\n")
    (text / f"{part}.yaml").write_text("".join(items), encoding="utf-8")
    for lang, column in zip(pair.split("-"), (2, 3), strict=True):
        lines = "".join(f"{one[column]}\n" for one in every)
        (text / f"{part}.{lang}").write_text(lines, encoding="utf-8")
    return every


def write_iwslt(
    folder: Path,
    name: str,
    talks: dict[int, Sequence[tuple[str, str]]],
    *,
    join: int = 2,
    write_audio: Callable[[Path, np.ndarray, int], None] = soundfile.write,
    talk_name: str = "talkid{}",
    list_name: str = "IWSLT.TED.{}.en-de.yaml",
) -> None:
    """Write <folder>/IWSLT.<name>, whose segments hold ``join`` sentences each, the references' lines one.

    tst2018 has lectures, ``lecture{:04d}``, whose documents are called so too; the list of segments was
    called ``IWSLT.TED.{}.yaml``, ``test-db.yaml`` and ``test-db-{}.yaml`` as well.
    """
    base = folder / f"IWSLT.{name}"
    (base / "wavs").mkdir(parents=True)
    items, spoken = [], {talk: speak(texts) for talk, texts in talks.items()}
    for talk, (sentences, samples) in spoken.items():
        wav = f"{name}.en.{talk_name.format(talk)}.wav"
        write_audio(base / "wavs" / wav, samples, RATE)
        for first in range(0, len(sentences), join):
            together = sentences[first : first + join]
            start, end = together[0].start, together[-1].end
            entry = {"wav": f"/export/IWSLT.{name}/wavs/{wav}", "offset": start, "duration": end - start}
            items.append("- " + json.dumps(entry) + "\n")
    (base / list_name.format(name)).write_text("".join(items), encoding="utf-8")
    order = "".join(f"{name}.en.{talk_name.format(talk)}\n" for talk in talks)
    (base / "FILE_ORDER").write_text(order, encoding="utf-8")
    for lang, column, kind in (("en", 2, "srcset"), ("de", 3, "refset")):
        documents = [
            _document(talk_name.removeprefix("talkid").format(talk), [one[column] for one in spoken[talk][0]])
            for talk in talks
        ]
        head = (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<mteval>\n<{kind} setid="{name}" srclang="english">\n'
        )
        text = head + "".join(documents) + f"</{kind}>\n</mteval>\n"
        (base / f"IWSLT.TED.{name}.en-de.{lang}.xml").write_text(text, encoding="utf-8")


def _document(talk: str, lines: Sequence[str]) -> str:
    segments = "".join(
        f'<seg id="{number}"> {line.replace("&", "&amp;")} </seg>\n' for number, line in enumerate(lines, 1)
    )
    head = (
        f'<doc docid="{talk}" genre="lectures">\n<keywords>talks, hums</keywords>\n<talkid>{talk}</talkid>\n'
    )
    return f"{head}<title>Talk {talk}</title>\n{segments}</doc>\n"
