"""The packages of egs/steel_sky/st1 in a toy language, and settings with which it runs on them in seconds."""

import gzip
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
from steel_sky_game import make_game
from test_asterisk import make_debs, make_wav
from test_wesnoth import make_campaign
from toy import SPEECH_SETTINGS, make_packages

LINES = {section: 12 for section in range(7)}  # sections 0, 2, 3, 4 and 6 are for training
PROMPTS, MESSAGES = 8, 400
SPEAK = 25

MODEL = "{encoder_layers: 1, decoder_layers: 1, width: 16, feedforward: 32, heads: 2}"  # as the speech models
SETTINGS = {
    **SPEECH_SETTINGS,
    "wesnoth": "campaigns: [tsg]\n",
    "speak": f"size: {SPEAK}\n",
    "audio": "speeds: [1.0]\n",
    "mt": f"""
model: {MODEL}
training: {{max_steps: 20, batch_tokens: 300, learning_rate: 0.005, warmup_steps: 5, validate_every: 10,
  average_best: 1, workers: 0}}
""",
}


def make_all_packages(folder: Path) -> Path:
    """Write help pages, game, prompts and campaign, whose German is English with every word turned round."""
    make_packages(folder)
    say = sentences(random.Random(2))
    english = {section: [say() for _ in range(count)] for section, count in LINES.items()}
    german = {section: [turn_round(line) for line in lines] for section, lines in english.items()}
    clips = {
        (s, number): hum(line, 11_025) for s, lines in english.items() for number, line in enumerate(lines)
    }
    packed = {place: (samples // 256 + 128).astype(np.uint8).tobytes() for place, samples in clips.items()}
    make_game(folder, {"en": english, "de": german}, packed)
    prompts = {f"vm-{number}": say() for number in range(PROMPTS)}
    texts = "".join(f"{name}: {text}\n" for name, text in prompts.items())
    wavs = {name: make_wav(hum(text, 8_000)) for name, text in prompts.items()}
    make_debs(folder, gzip.compress(texts.encode()), wavs)
    messages = [say() for _ in range(MESSAGES)]
    make_campaign(folder, "tsg", {message: turn_round(message) for message in messages})
    return folder


def sentences(rng: random.Random) -> Callable[[], str]:
    """Return what makes a new sentence of four to seven words."""
    words = ["".join(rng.choice(letters) for letters in ("bdfgklmnprst", "aeiou") * 2) for _ in range(24)]
    return lambda: " ".join(rng.choice(words) for _ in range(rng.randint(4, 7))).capitalize() + "."


def turn_round(text: str) -> str:
    """Translate: turn every word round."""
    return " ".join(word[::-1] for word in text.lower().rstrip(".").split()).capitalize() + "."


def hum(text: str, rate: int) -> np.ndarray:
    """Return int16 samples: a tone of 60 ms for every letter."""
    pitches = np.repeat(
        [200 + 60 * (ord(letter) - ord("a")) for letter in text.lower() if letter.isalpha()],
        rate * 60 // 1000,
    )
    return (10_000 * np.sin(2 * np.pi * np.cumsum(pitches) / rate)).astype(np.int16)
