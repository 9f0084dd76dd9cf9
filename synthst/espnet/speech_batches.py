"""Audio joined to its tokens by utterance id, as batches of like lengths.

The batches follow from the audio's lengths and the seed alone: students that share audio share every batch,
whatever their targets, and however many worker processes read it.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import synthst.espnet.lean  # noqa: F401

# isort: split
import numpy as np
import torch

from synthst.audio import read_audio
from synthst.dump import read_dump
from synthst.errors import ConfigError, DataError
from synthst.espnet.batches import BucketBy, BucketedDataset, lengths_of, pad
from synthst.espnet.team import Batch
from synthst.tokens import TokenArray, read_tokens

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SpokenRows:
    """The recordings of tokenised utterances, every copy of each, in byte order of their ids."""

    rate: int
    ids: list[str]
    wav: list[str]
    samples: np.ndarray  # (recordings,) int64
    rows: np.ndarray  # (recordings,) int64, of the token arrays

    @property
    def hours(self) -> float:
        """Return the length of all recordings."""
        return float(self.samples.sum()) / self.rate / 3600


def join_audio(tokens: Path, audio: Sequence[Path]) -> SpokenRows:
    """Find every recording of the utterances of ``tokens`` in the dumps ``audio``.

    Recordings of other utterances are left out and counted. Raises DataError for an utterance without any and
    a recording that is in two dumps, ConfigError for dumps of different rates.
    """
    if not audio:
        raise ConfigError("no directory of audio is given; name those that stage 6 made")
    numbers = {utterance: row for row, utterance in enumerate(read_ids(tokens))}
    found: dict[str, tuple[str, int, int]] = {}
    rates: dict[int, Path] = {}
    left_out = 0
    for folder in audio:
        dump = read_dump(folder)
        rates[dump.rate] = folder
        for key, wav, samples, source in zip(dump.ids, dump.wav, dump.samples, dump.source, strict=True):
            if source not in numbers:
                left_out += 1
            elif key in found:
                raise DataError(
                    f"{folder} has {key}, which another of {_names(audio)} has too; name each once"
                )
            else:
                found[key] = (wav, int(samples), numbers[source])
    refuse_two_rates(rates)
    rows = _sorted_rows(next(iter(rates)), found)
    refuse_silence(tokens, audio, numbers, rows)
    logger.info(
        "%s: %d recordings of %d utterances, %.1f hours; %d recordings of others left out",
        *(_names(audio), len(rows.ids), len(numbers), rows.hours, left_out),
    )
    return rows


def read_ids(tokens: Path) -> list[str]:
    """Read the ids of a directory of token arrays, one per row."""
    path = tokens / "ids.txt"
    try:
        return path.read_text(encoding="utf-8").split("\n")[:-1]
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}; make it with stage 6") from error


def refuse_two_rates(rates: Mapping[int, Path]) -> None:
    """Raise ConfigError when dumps have different rates."""
    if len(rates) > 1:
        (one, first), (other, second), *_ = rates.items()
        raise ConfigError(f"{first} has audio at {one} Hz, {second} at {other} Hz; dump all at the same rate")


def refuse_silence(
    tokens: Path, audio: Sequence[Path], numbers: Mapping[str, int], spoken: SpokenRows
) -> None:
    """Raise DataError for tokenised utterances without a recording."""
    heard = np.zeros(len(numbers), bool)
    heard[spoken.rows] = True
    if not heard.all():
        first = next(utterance for utterance, row in numbers.items() if not heard[row])
        raise DataError(
            f"{_names(audio)} lacks {np.count_nonzero(~heard):,} of {len(heard):,} utterances of {tokens}, "
            f"the first is {first}; dump the audio of the same data (stage 6)"
        )


def refuse_short(spoken: SpokenRows, fewest_samples: int) -> None:
    """Raise DataError for recordings that are too short for one frame of the encoder's."""
    short = np.flatnonzero(spoken.samples < fewest_samples)
    if len(short):
        first = int(short[0])
        raise DataError(
            f"{len(short):,} of {len(spoken.ids):,} recordings are shorter than the "
            f"{fewest_samples / spoken.rate:.3f} s that the model's subsampling needs, the first is "
            f"{spoken.ids[first]} ({spoken.samples[first] / spoken.rate:.3f} s); drop them from the data"
        )


def _sorted_rows(rate: int, found: Mapping[str, tuple[str, int, int]]) -> SpokenRows:
    ids = sorted(found)
    wav, samples, rows = zip(*(found[key] for key in ids), strict=True) if ids else ((), (), ())
    return SpokenRows(rate, ids, list(wav), np.array(samples, np.int64), np.array(rows, np.int64))


def _names(folders: Sequence[Path]) -> str:
    return " and ".join(map(str, folders))


class SpokenSentences(BucketedDataset):
    """Recordings with their tokens; indexing with the numbers of a batch gives ESPnet's padded batch."""

    def __init__(self, spoken: SpokenRows, texts: Mapping[str, TokenArray]) -> None:
        """Take token arrays by the name that ESPnet's model gives them: ``text``, ``src_text``."""
        self.spoken, self.texts = spoken, dict(texts)

    def __getitem__(self, numbers: Sequence[int]) -> Batch:
        """Return ids, and speech (batch, samples) float32 and every text (batch, length), with lengths."""
        spoken = self.spoken
        speech, lengths = pad_audio([self.read(number) for number in numbers])
        batch = {"speech": speech, "speech_lengths": lengths}
        for name, text in self.texts.items():
            batch[name], batch[f"{name}_lengths"] = pad([text[spoken.rows[number]] for number in numbers])
        return [spoken.ids[number] for number in numbers], batch

    def read(self, number: int) -> np.ndarray:
        """Read one recording, (samples,) float32; raises DataError when it is not what the tables say."""
        wav = self.spoken.wav[number]
        samples, rate = read_audio(wav)
        found, wanted = (len(samples), rate), (int(self.spoken.samples[number]), self.spoken.rate)
        if found != wanted:
            raise DataError(
                f"{wav} has {found[0]:,} samples at {found[1]} Hz, its tables say {wanted[0]:,} at "
                f"{wanted[1]} Hz; remove that directory and run stage 6 again"
            )
        return samples

    def __len__(self) -> int:
        """Return the number of recordings."""
        return len(self.spoken.ids)

    def bucket_keys(self, bucket_by: BucketBy, rows: np.ndarray | None = None) -> list[np.ndarray]:
        """Return the lengths that batches are sorted by, (recordings,): of the audio, whatever is asked."""
        return [self.spoken.samples if rows is None else self.spoken.samples[rows]]

    def loss_terms(self, rows: np.ndarray) -> int:
        """Return the tokens of the text to be learnt, ends of sentences included."""
        return int(lengths_of(self.texts["text"], self.spoken.rows[rows]).sum()) + len(rows)


def read_spoken(tokens: Path, audio: Sequence[Path], langs: Mapping[str, str]) -> SpokenSentences:
    """Join ``audio`` with ``tokens``; ``langs`` are the languages of ``text`` and ``src_text``."""
    texts = {name: read_tokens(tokens, lang) for name, lang in langs.items()}
    return SpokenSentences(join_audio(tokens, audio), texts)


def pad_audio(recordings: Sequence[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return samples (batch, longest) float32, padded with zeros, and lengths (batch,) int64."""
    lengths = [len(recording) for recording in recordings]
    padded = torch.zeros(len(recordings), max(lengths))
    for row, recording in enumerate(recordings):
        padded[row, : len(recording)] = torch.from_numpy(recording)
    return padded, torch.tensor(lengths)
