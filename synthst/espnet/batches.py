"""Token-budgeted, length-bucketed batches from memory-mapped token arrays, as an ESPnet iterator.

By default the batches follow from the source side and the seed alone: students that share sources share every
batch, whatever their targets, and however many worker processes make them. Bucketing by both sides pads less.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal

import synthst.espnet.lean  # noqa: F401

# isort: split
import numpy as np
import torch
from espnet2.iterators.abs_iter_factory import AbsIterFactory
from torch.utils.data import DataLoader, Dataset

from synthst.errors import ConfigError
from synthst.tokens import TokenArray

Batch = tuple[list[str], dict[str, torch.Tensor]]
PADDING = -1  # ESPnet's ignore_id
BucketBy = Literal["src", "both"]


class BucketedDataset(Dataset[Batch], ABC):
    """What batches are made of: indexing with the rows of a batch gives ESPnet's padded batch."""

    @abstractmethod
    def bucket_keys(self, bucket_by: BucketBy) -> list[np.ndarray]:
        """Return what batches are sorted by, (rows,) each; the first is the length to be padded."""


class ParallelTokens(BucketedDataset):
    """Sentence pairs by row number; indexing with the rows of a batch gives ESPnet's padded batch."""

    def __init__(self, src: TokenArray, tgt: TokenArray) -> None:
        """Pair two token arrays of one data directory."""
        if len(src) != len(tgt):
            raise ConfigError(f"source and target arrays hold {len(src):,} and {len(tgt):,} sentences")
        self.src, self.tgt = src, tgt

    def __getitem__(self, rows: Sequence[int]) -> Batch:
        """Return the row numbers as text, and src_text and text, (batch, length) each, with their lengths."""
        src, src_lengths = pad([self.src[row] for row in rows])
        tgt, tgt_lengths = pad([self.tgt[row] for row in rows])
        batch = {"src_text": src, "src_text_lengths": src_lengths, "text": tgt, "text_lengths": tgt_lengths}
        return [str(row) for row in rows], batch

    def bucket_keys(self, bucket_by: BucketBy) -> list[np.ndarray]:
        """Return what batches are sorted by, (sentences,) each; the first is the length to be padded."""
        src = self.src.lengths()
        if bucket_by == "src":
            return [src]
        tgt = self.tgt.lengths()
        return [np.maximum(src, tgt), np.minimum(src, tgt)]


def pad(sentences: Sequence[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ids (batch, longest) int64, padded with -1, and lengths (batch,) int64."""
    lengths = np.fromiter((len(sentence) for sentence in sentences), np.int64, len(sentences))
    padded = np.full((len(sentences), int(lengths.max())), PADDING, np.int64)
    for row, sentence in enumerate(sentences):
        padded[row, : len(sentence)] = sentence
    return torch.from_numpy(padded), torch.from_numpy(lengths)


def cut_batches(sorted_lengths: np.ndarray, batch_tokens: int) -> np.ndarray:
    """Return the borders (batches + 1,) of batches of at most ``batch_tokens`` positions, padding included.

    ``sorted_lengths`` (sentences,) ascends; one position a sentence is added for ``<sos/eos>``. A sentence
    longer than the budget is a batch of its own.
    """
    lengths = sorted_lengths + 1
    borders = [0]
    while borders[-1] < len(lengths):
        start = borders[-1]
        window = lengths[start : start + max(1, batch_tokens // int(lengths[start]))]
        positions = window * np.arange(1, len(window) + 1)  # of the first 1, 2, ... sentences, padded
        borders.append(start + max(1, int(np.searchsorted(positions, batch_tokens, side="right"))))
    return np.asarray(borders)


def plan_pass(keys: Sequence[np.ndarray], batch_tokens: int, seed: int, number: int) -> list[np.ndarray]:
    """Return the batches, as row numbers, of one pass over the data, sorted by ``keys``, lengths first.

    Sentences of equal keys are shuffled, then the batches; every pass has the same number of batches.
    """
    rng = np.random.default_rng((seed, number))
    order = np.lexsort((rng.random(len(keys[0])), *reversed(keys)))
    borders = cut_batches(keys[0][order], batch_tokens)
    batches = np.split(order, borders[1:-1])
    return [batches[i] for i in rng.permutation(len(batches))]


class TrainingBatches(AbsIterFactory):  # type: ignore[misc]  # espnet2 has no types
    """ESPnet's iterator: an epoch is the next ``steps_per_epoch`` batches of an endless run of passes."""

    def __init__(
        self,
        dataset: BucketedDataset,
        *,
        batch_tokens: int,
        steps_per_epoch: int,
        max_steps: int,
        seed: int,
        workers: int = 0,
        pin_memory: bool = False,
        rank: int = 0,
        ranks: int = 1,
        bucket_by: BucketBy = "src",
    ) -> None:
        """Plan from the lengths; a step here is a batch. With several ranks each takes its share."""
        self.dataset, self.seed, self.batch_tokens = dataset, seed, batch_tokens
        self.steps_per_epoch, self.max_steps = steps_per_epoch, max_steps
        self.workers, self.pin_memory, self.rank, self.ranks = workers, pin_memory, rank, ranks
        self.keys = dataset.bucket_keys(bucket_by)
        self.batches_per_pass = len(cut_batches(np.sort(self.keys[0]), batch_tokens)) - 1
        self._pass, self._planned = -1, [np.empty(0, np.int64)]
        if ranks > 1 and len(self.keys[0]) < ranks:
            raise ConfigError(f"{len(self.keys[0])} sentences cannot be spread over {ranks} processes")

    def plan_epoch(self, epoch: int) -> list[np.ndarray]:
        """Return the batches of one epoch (counted from 1) as row numbers."""
        first = (epoch - 1) * self.steps_per_epoch
        last = min(epoch * self.steps_per_epoch, self.max_steps)
        batches: list[np.ndarray] = []
        while first < last:
            number, offset = divmod(first, self.batches_per_pass)
            batches += self.plan_pass(number)[offset : offset + last - first]
            first = (number + 1) * self.batches_per_pass
        return batches

    def plan_pass(self, number: int) -> list[np.ndarray]:
        """Return the batches of one pass, and keep them: sorting 10M sentences takes seconds."""
        if self._pass != number:
            self._pass = number
            self._planned = plan_pass(self.keys, self.batch_tokens, self.seed, number)
        return self._planned

    def build_iter(self, epoch: int, shuffle: bool | None = None) -> DataLoader[Batch]:
        """Return the loader of one epoch; ``shuffle`` is the trainer's and has no say."""
        return make_loader(
            self.dataset, share(self.plan_epoch(epoch), self.rank, self.ranks), self.workers, self.pin_memory
        )


class ValidationBatches(AbsIterFactory):  # type: ignore[misc]
    """ESPnet's iterator over every sentence once, in order of length."""

    def __init__(self, dataset: BucketedDataset, *, batch_tokens: int, rank: int = 0, ranks: int = 1) -> None:
        """Plan once."""
        (lengths,) = dataset.bucket_keys("src")
        order = np.argsort(lengths, kind="stable")
        batches = np.split(order, cut_batches(lengths[order], batch_tokens)[1:-1])
        self.dataset, self.batches = dataset, share(batches, rank, ranks)

    def build_iter(self, epoch: int, shuffle: bool | None = None) -> DataLoader[Batch]:
        """Return the loader; every epoch is the same."""
        return make_loader(self.dataset, self.batches, 0, False)


def share(batches: list[np.ndarray], rank: int, ranks: int) -> list[np.ndarray]:
    """Return one process's part of every batch; a batch smaller than the number of processes is repeated."""
    if ranks == 1:
        return batches
    return [np.resize(batch, max(len(batch), ranks))[rank::ranks] for batch in batches]


def make_loader(
    dataset: BucketedDataset, batches: list[np.ndarray], workers: int, pin_memory: bool
) -> DataLoader[Batch]:
    """Return a loader that gives ``batches`` in their order, whatever the number of workers."""
    return DataLoader(
        dataset,
        batch_size=None,
        sampler=batches,  # each "index" is one batch's rows
        num_workers=workers,
        pin_memory=pin_memory,
    )
