"""Words as tones: speech that a tiny model learns in seconds, and everything that training on it needs."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from toy_task import WORDS, make_sentences, make_task

from synthst.datadir import new_directory, write_info
from synthst.espnet.speech_config import SpeechModelConfig, SpeechTrainingConfig
from synthst.tables import write_tables

RATE = 8_000
WORD_SECONDS = 0.12
MODEL = SpeechModelConfig(
    encoder_layers=2,
    decoder_layers=1,
    width=16,
    feedforward=32,
    heads=2,
    kernel=3,
    subsampling_channels=8,
    mels=20,
    frequency_mask_bins=3,
)
TRAINING = SpeechTrainingConfig(
    max_steps=6,
    batch_seconds=8.0,
    learning_rate=0.02,
    min_learning_rate=0.002,
    warmup_steps=2,
    validate_every=2,
    average_best=2,
    workers=0,
)


def speak(sentence: str, *, speed: float = 1.0) -> np.ndarray:
    """Return a tone for each word, with a little noise: (samples,) float32."""
    seconds = np.arange(round(RATE * WORD_SECONDS / speed)) / RATE
    words = sentence.lower().split()
    tones = [np.sin(2 * np.pi * (300 + 200 * WORDS.index(word)) * speed * seconds) for word in words]
    noise = np.random.default_rng(len(sentence)).normal(size=len(seconds) * len(words))
    return (0.3 * np.concatenate(tones) + 0.01 * noise).astype(np.float32)


def write_dump(
    out: Path,
    recordings: Mapping[str, np.ndarray],
    sources: Mapping[str, str] | None = None,
    rate: int = RATE,
) -> Path:
    """Make a directory of audio as `dump_audio` does; ``sources`` maps the ids of copies."""
    sources = sources or {}
    with new_directory(out) as folder:
        (folder / "audio").mkdir()
        rows = []
        for key in sorted(recordings):
            samples = recordings[key]
            soundfile.write(folder / "audio" / f"{key}.wav", samples, rate)
            seconds = f"{len(samples) / rate:.3f}"
            wav = str(out / "audio" / f"{key}.wav")
            rows.append((key, (wav, seconds, str(len(samples)), sources.get(key, key), "spk")))
        names = ("wav.scp", "utt2dur", "utt2num_samples", "utt2source", "utt2spk")
        write_tables([folder / name for name in names], rows)
        write_info(folder, {"step": "toy_speech", "rate": rate}, counts={"copies": len(rows)})
    return out


def speak_all(sentences: Sequence[str], *, speed: float = 1.0, prefix: str = "") -> dict[str, np.ndarray]:
    """Return the recordings of ``sentences`` by the ids that `toy_task.write_pairs` gives them."""
    return {f"{prefix}u{number:06d}": speak(one, speed=speed) for number, one in enumerate(sentences)}


def make_speech_task(folder: Path, *, utterances: int = 60) -> dict[str, Any]:
    """Make tokens and audio; return the arguments of `train_speech_translator` but ``out``."""
    text = make_task(folder, pairs=utterances)
    train, dev = make_sentences(utterances, seed=0), make_sentences(20, seed=1)
    return {
        **{key: text[key] for key in ("tokens", "valid_tokens", "tokenizers", "src", "tgt")},
        "audio": [write_dump(folder / "dump_train", speak_all(train))],
        "valid_audio": [write_dump(folder / "dump_dev", speak_all(dev))],
        "model": MODEL,
        "training": TRAINING,
    }


def recogniser_task(task: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of `train_recogniser` but ``out`` for the same audio."""
    return {**{key: value for key, value in task.items() if key not in ("src", "tgt")}, "lang": task["src"]}


def read_json(path: Path) -> dict[str, Any]:
    """Read a file of JSON."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
