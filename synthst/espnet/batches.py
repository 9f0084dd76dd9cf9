"""Token-budgeted, length-bucketed batches from memory-mapped token arrays, as an ESPnet iterator.

By default the batches follow from the source side and the seed alone: students that share sources share every
batch, whatever their targets, and however many worker processes make them. Bucketing by both sides pads less.
"""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Literal

import synthst.espnet.lean  # noqa: F401

# isort: split
import numpy as np
import torch
from espnet2.iterators.abs_iter_factory import AbsIterFactory
from torch.utils.data import DataLoader

from synthst.errors import ConfigError
from synthst.espnet.team import Batch, PartsOfBatches, Team, Weighable
from synthst.espnet.windows import WINDOW, Windows
from synthst.tokens import TokenArray

PADDING = -1  # ESPnet's ignore_id
BucketBy = Literal["src", "both"]


class BucketedDataset(Weighable, ABC):
    """What batches are made of: indexing with the rows of a batch gives ESPnet's padded batch."""

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of rows."""

    @abstractmethod
    def bucket_keys(self, bucket_by: BucketBy, rows: np.ndarray | None = None) -> list[np.ndarray]:
        """Return what batches of ``rows`` (all, if not given) are sorted by, the length to be padded first.

        Each is (rows,) int64.
        """


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

    def __len__(self) -> int:
        """Return the number of sentences."""
        return len(self.src)

    def bucket_keys(self, bucket_by: BucketBy, rows: np.ndarray | None = None) -> list[np.ndarray]:
        """Return what batches are sorted by, (sentences,) each; the first is the length to be padded."""
        src = lengths_of(self.src, rows)
        if bucket_by == "src":
            return [src]
        tgt = lengths_of(self.tgt, rows)
        return [np.maximum(src, tgt), np.minimum(src, tgt)]

    def loss_terms(self, rows: np.ndarray) -> int:
        """Return the target tokens, ends of sentences included."""
        return int(lengths_of(self.tgt, rows).sum()) + len(rows)


def lengths_of(array: TokenArray, rows: np.ndarray | None) -> np.ndarray:
    """Return the number of tokens of ``rows`` or of every row, (rows,) int64; reads no other offsets."""
    if rows is None:
        return array.lengths()
    return np.asarray(array.offsets[rows + 1] - array.offsets[rows])


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
    return draw_batches(keys, batch_tokens, np.random.default_rng((seed, number)))


def draw_batches(keys: Sequence[np.ndarray], batch_tokens: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Return batches as indices into ``keys``; see `plan_pass`."""
    order = np.lexsort((rng.random(len(keys[0])), *reversed(keys)))
    borders = cut_batches(keys[0][order], batch_tokens)
    batches = np.split(order, borders[1:-1])
    return [batches[i] for i in rng.permutation(len(batches))]


class TrainingBatches(AbsIterFactory):  # type: ignore[misc]  # espnet2 has no types
    """ESPnet's iterator: an epoch is the next ``steps_per_epoch`` batches of an endless run of passes.

    A pass takes the corpus window by window (see `Windows`): only lengths of the window at hand are read, and
    tokens of this process's own parts of batches.
    """

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
        team: Team = Team(),  # noqa: B008 (frozen)
        bucket_by: BucketBy = "src",
        window: int = WINDOW,
    ) -> None:
        """Read nothing yet; a step here is a batch. With several processes each takes its share."""
        self.dataset, self.seed, self.batch_tokens = dataset, seed, batch_tokens
        self.steps_per_epoch, self.max_steps, self.bucket_by = steps_per_epoch, max_steps, bucket_by
        self.workers, self.pin_memory, self.team = workers, pin_memory, team
        if len(dataset) < team.ranks:
            raise ConfigError(f"{len(dataset)} sentences cannot be spread over {team.ranks} processes")
        self.windows = Windows(len(dataset), seed, window=window)
        self._counts: dict[int, int] = {}
        self._planned: tuple[tuple[int, int], list[np.ndarray]] = (-1, -1), []

    def plan_epoch(self, epoch: int) -> list[np.ndarray]:
        """Return the batches of one epoch (counted from 1) as row numbers."""
        first = (epoch - 1) * self.steps_per_epoch
        last = min(epoch * self.steps_per_epoch, self.max_steps)
        batches: list[np.ndarray] = []
        end = 0
        for number in itertools.count():
            for window in self.windows.order(number):
                start, end = end, end + self.count_batches(window)
                if end > first:
                    batches += self.plan_window(number, window)[max(0, first - start) : last - start]
                if end >= last:
                    return batches
        raise AssertionError("passes never end")

    def count_batches(self, window: int) -> int:
        """Return the number of batches that a window gives in every pass."""
        if window not in self._counts:
            lengths = self.dataset.bucket_keys(self.bucket_by, self.windows.rows_of(window))[0]
            self._counts[window] = len(cut_batches(np.sort(lengths), self.batch_tokens)) - 1
        return self._counts[window]

    def plan_window(self, number: int, window: int) -> list[np.ndarray]:
        """Return the batches of a window in one pass, and keep them: sorting a million takes a second."""
        if self._planned[0] != (number, window):
            rows = self.windows.rows_of(window)
            keys = self.dataset.bucket_keys(self.bucket_by, rows)
            draw = (self.seed, number) if self.windows.count == 1 else (self.seed, number, window)
            batches = draw_batches(keys, self.batch_tokens, np.random.default_rng(draw))
            self._planned = (number, window), [rows[batch] for batch in batches]
        return self._planned[1]

    def build_iter(self, epoch: int, shuffle: bool | None = None) -> DataLoader[Batch]:
        """Return the loader of one epoch; ``shuffle`` is the trainer's and has no say."""
        return make_loader(self.dataset, self.plan_epoch(epoch), self.team, self.workers, self.pin_memory)


class ValidationBatches(AbsIterFactory):  # type: ignore[misc]
    """ESPnet's iterator over every sentence once, in order of length."""

    def __init__(self, dataset: BucketedDataset, *, batch_tokens: int, team: Team = Team()) -> None:  # noqa: B008
        """Plan once."""
        (lengths,) = dataset.bucket_keys("src")
        order = np.argsort(lengths, kind="stable")
        self.dataset, self.team = dataset, team
        self.batches = np.split(order, cut_batches(lengths[order], batch_tokens)[1:-1])

    def build_iter(self, epoch: int, shuffle: bool | None = None) -> DataLoader[Batch]:
        """Return the loader; every epoch is the same."""
        if self.team.ranks == 1:
            return load(self.dataset, self.batches)
        return load(PartsOfBatches(self.dataset), self.team.parts_of_each(self.batches))


def make_loader(
    dataset: BucketedDataset, batches: list[np.ndarray], team: Team, workers: int, pin_memory: bool
) -> DataLoader[Batch]:
    """Return a loader of this process's parts of ``batches``, whole steps, in their order."""
    if team.ranks == 1:
        return load(dataset, batches, workers, pin_memory)
    return load(PartsOfBatches(dataset), team.parts(batches), workers, pin_memory)


def load(
    dataset: Any, indices: Sequence[Any], workers: int = 0, pin_memory: bool = False
) -> DataLoader[Batch]:
    """Return a loader that gives ``dataset[index]`` for ``indices`` in turn, with any number of workers."""
    return DataLoader(
        dataset,
        batch_size=None,
        sampler=indices,  # each "index" is one batch
        num_workers=workers,
        pin_memory=pin_memory,
    )
