"""A toy language pair as help packages, and settings with which a recipe runs on it in seconds."""

import random
from pathlib import Path

from debs import make_help

PAGES, SENTENCES_PER_PAGE = 100, 4

SETTINGS = {
    "prepare": "max_dev: 30\nmax_test: 30\n",
    "subset": "max_rest: 100\n",
    "tokenizers": "vocabulary_size: 400\n",
    "teacher": """
model: {encoder_layers: 1, decoder_layers: 1, width: 32, feedforward: 64, heads: 2, dropout: 0.0}
training: {max_steps: 200, batch_tokens: 600, learning_rate: 0.005, min_learning_rate: 0.0005,
  warmup_steps: 20, validate_every: 50, average_best: 2, workers: 0}
""",
    "student": """
model: {width: 16, feedforward: 32, heads: 2}
training: {max_steps: 60, batch_tokens: 300, learning_rate: 0.005, min_learning_rate: 0.0005,
  warmup_steps: 10, validate_every: 10, average_best: 2, workers: 0}
""",
}


SPEECH = """
model: {encoder_layers: 1, decoder_layers: 1, width: 16, feedforward: 32, heads: 2, kernel: 7,
  subsampling_channels: 4, spec_augment: false}
training: {max_steps: 12, batch_seconds: 30, learning_rate: 0.005, min_learning_rate: 0.0005,
  warmup_steps: 4, validate_every: 4, average_best: 2, workers: 0}
"""
SPEECH_SETTINGS = {
    **{name: SETTINGS[name] for name in ("prepare", "tokenizers", "teacher")},
    "tokenizers_asr": "vocabulary_size: 400\n",
    "indomain": "training: {max_steps: 20, warmup_steps: 5, validate_every: 10}\n",
    "speak": "max_train: 60\nmax_asr: 40\nmax_dev: 12\nmax_test: 12\nrate: 16000\n",
    "audio": "speeds: [1.0, 1.1]\n",
    "recogniser": SPEECH,
    "student": SPEECH,
}


def write_settings(folder: Path, settings: dict[str, str] = SETTINGS) -> Path:
    """Write a recipe's conf directory."""
    folder.mkdir()
    for name, text in settings.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder


def make_packages(folder: Path) -> Path:
    """Write packages of pages whose German is the English word by word, every word turned round."""
    rng = random.Random(1)
    words = sorted(
        {"".join(rng.choice(letters) for letters in ("bdfgklmnprst", "aeiou") * 2) for _ in range(24)}
    )
    pages: dict[str, dict[str, str]] = {"en": {}, "de": {}}
    for page in range(PAGES):
        sentences = [[rng.choice(words) for _ in range(rng.randint(4, 7))] for _ in range(SENTENCES_PER_PAGE)]
        for language, step in (("en", 1), ("de", -1)):
            texts = [" ".join(word[::step] for word in sentence).capitalize() for sentence in sentences]
            inner = "".join(f'<p id="par_{number}">{text}.</p>' for number, text in enumerate(texts))
            pages[language][f"shared/{page:03d}.html"] = inner
    return make_help(folder, pages)
