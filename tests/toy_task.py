"""A copy task that a model of one layer learns in seconds, and everything that training on it needs."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from synthst.datadir import new_directory, text_path
from synthst.espnet.config import ModelConfig, TrainingConfig
from synthst.tables import write_table
from synthst.tokens import train_tokenizers, write_tokens

WORDS = ["the", "a", "red", "green", "small", "house", "cat", "dog", "tree", "sleeps", "sings", "in", "on"]
VOCABULARY = 300
MODEL = ModelConfig(encoder_layers=1, decoder_layers=1, width=16, feedforward=32, heads=2, dropout=0.1)
TRAINING = TrainingConfig(
    max_steps=12,
    batch_tokens=400,
    learning_rate=0.02,
    min_learning_rate=0.002,
    warmup_steps=2,
    validate_every=4,
    average_best=2,
    workers=0,
)


def make_sentences(count: int, *, seed: int = 0, longest: int = 8) -> list[str]:
    """Draw sentences of 1 to ``longest`` words."""
    draw = random.Random(seed)
    return [" ".join(draw.choices(WORDS, k=draw.randint(1, longest))) for _ in range(count)]


def write_pairs(out: Path, pairs: Sequence[tuple[str, str]]) -> Path:
    """Make a data directory with text.en and text.de, ids u000000, u000001, ..."""
    with new_directory(out, made_by={"step": "toy_task"}) as folder:
        for column, lang in enumerate(("en", "de")):
            rows = ((f"u{number:06d}", pair[column]) for number, pair in enumerate(pairs))
            write_table(text_path(folder, lang), rows)
    return out


def make_task(folder: Path, *, pairs: int = 200, shared: bool = True) -> dict[str, Any]:
    """Make data, tokenisers and tokens in ``folder``; return the arguments of `train_model` but ``out``."""
    for name, count, seed in (("train", pairs, 0), ("dev", 20, 1)):
        sentences = make_sentences(count, seed=seed)
        targets = sentences if shared else [sentence.upper() for sentence in sentences]
        write_pairs(folder / name, list(zip(sentences, targets, strict=True)))
    tokenizers = folder / "tokenizers"
    train_tokenizers(
        folder / "train", tokenizers, langs=["en", "de"], vocabulary_size=VOCABULARY, shared=shared
    )
    for name in ("train", "dev"):
        write_tokens(folder / name, folder / f"tokens_{name}", langs=["en", "de"], tokenizers=tokenizers)
    return {
        "tokens": folder / "tokens_train",
        "valid_tokens": folder / "tokens_dev",
        "tokenizers": tokenizers,
        "src": "en",
        "tgt": "de",
        "model": MODEL,
        "training": TRAINING,
    }
