"""The made-up work of benchmarks/train.py: batches of text or speech that a model can learn from."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from synthst.espnet.batches import Batch, ParallelTokens, pad, plan_pass
from synthst.espnet.speech_batches import pad_audio
from synthst.tokens import TokenArray, read_tokens

RATE = 16_000
TONE_SECONDS = 0.2
SPECIAL = 2
"""<blank> and <unk> come first, <sos/eos> last."""


@dataclass(frozen=True)
class Work:
    """Batches for one pass, the same for everybody who trains on them."""

    batches: list[Batch]
    amounts: list[float]
    """Of each batch: target tokens, every sentence's end among them, or seconds of audio; no padding."""
    padding: float
    """The share of the decoder's positions that are padding."""


def translation(vocabulary: int, batch_tokens: int, batches: int, seed: int) -> Work:
    """Make a cipher: Zipf's words, each replaced by another, one in seven twice, one in seven not at all.

    Lengths are those of news, log-normal around 20 source tokens; batches are of like source lengths.
    """
    draw = np.random.default_rng(seed)
    count = batches * max(1, batch_tokens // 20) * 2
    lengths = np.clip(draw.lognormal(3.0, 0.6, count).astype(int), 1, 120)
    words = vocabulary - SPECIAL - 1
    chances = 1 / np.arange(1, words + 1)
    src = draw.choice(words, lengths.sum(), p=chances / chances.sum())
    copies = draw.choice([0, 1, 1, 1, 1, 1, 2], len(src))
    copies[np.cumsum(lengths) - 1] = 1
    tgt = np.repeat(draw.permutation(words)[src], copies)
    ends = np.cumsum(copies)[np.cumsum(lengths) - 1]
    pairs = ParallelTokens(
        TokenArray((src + SPECIAL).astype(np.uint32), np.concatenate([[0], np.cumsum(lengths)])),
        TokenArray((tgt + SPECIAL).astype(np.uint32), np.concatenate([[0], ends])),
    )
    return cut(pairs, batch_tokens, batches, seed)


def read_translation(folder: Path, langs: str, batch_tokens: int, batches: int, seed: int) -> Work:
    """Take batches of token arrays that stage 6 made; ``langs`` is src-tgt."""
    src, tgt = (read_tokens(folder, lang) for lang in langs.split("-"))
    return cut(ParallelTokens(src, tgt), batch_tokens, batches, seed)


def cut(pairs: ParallelTokens, batch_tokens: int, batches: int, seed: int) -> Work:
    keys = pairs.bucket_keys("src")
    rows = (row for number in itertools.count() for row in plan_pass(keys, batch_tokens, seed, number))
    made = [pairs[chosen] for chosen in itertools.islice(rows, batches)]
    return measured(made, [float((one["text_lengths"] + 1).sum()) for _, one in made])


def speech(vocabulary: int, batch_seconds: float, batches: int, seed: int) -> Work:
    """Make words that are tones, spoken in noise; a recording lasts 2 to 12 seconds.

    The transcript names the tones, the translation renames them.
    """
    draw = np.random.default_rng(seed)
    words = vocabulary - SPECIAL - 1
    renamed = draw.permutation(words)
    made = []
    for _ in range(batches):
        longest = draw.uniform(2, 12)
        count = max(1, int(batch_seconds / longest))
        said = [
            draw.integers(0, words, max(2, int(draw.uniform(0.8, 1) * longest / TONE_SECONDS)))
            for _ in range(count)
        ]
        made.append(spoken(said, renamed, words, draw))
    return measured(made, [float(one["speech_lengths"].sum()) / RATE for _, one in made])


def spoken(said: list[np.ndarray], renamed: np.ndarray, words: int, draw: np.random.Generator) -> Batch:
    seconds = np.arange(int(RATE * TONE_SECONDS)) / RATE
    pitch = 200 * 2 ** (5 * np.arange(words) / words)
    audio = [np.sin(2 * np.pi * pitch[one][:, None] * seconds).reshape(-1) for one in said]
    audio = [(0.3 * one + 0.01 * draw.normal(size=len(one))).astype(np.float32) for one in audio]
    batch = dict(zip(("speech", "speech_lengths"), pad_audio(audio), strict=True))
    # Two tones to a token, so that text is as long as speech's usually is.
    for name, texts in (
        ("text", [renamed[one[::2]] for one in said]),
        ("src_text", [one[::2] for one in said]),
    ):
        batch[name], batch[f"{name}_lengths"] = pad([text + SPECIAL for text in texts])
    return [str(number) for number in range(len(said))], batch


def measured(batches: list[Batch], amounts: list[float]) -> Work:
    positions = sum(one["text"].size(0) * (one["text"].size(1) + 1) for _, one in batches)
    tokens = sum(int((one["text_lengths"] + 1).sum()) for _, one in batches)
    return Work(batches, amounts, 1 - tokens / positions)


def fresh(batches: list[Batch], *, pinned: bool = False) -> Iterator[Batch]:
    """Copy every batch, for models write into them; ``pinned`` as a data loader leaves them for a GPU."""
    for ids, batch in batches:
        copied = {name: tensor.clone() for name, tensor in batch.items()}
        yield ids, {name: tensor.pin_memory() if pinned else tensor for name, tensor in copied.items()}
