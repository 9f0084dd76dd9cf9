"""Divide the batches of an optimiser step among the processes of a training."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset

from synthst.errors import ConfigError

Batch = tuple[list[str], dict[str, torch.Tensor]]
SHARE = "share"  # what the part's weight is called in a batch


class Part(NamedTuple):
    """One process's part of a batch: its rows, those of the batch, and the weight of the whole batch."""

    rows: np.ndarray
    batch: np.ndarray
    weight: float


@dataclass(frozen=True)
class Team:
    """One of ``ranks`` processes, which take ``batches_per_step`` batches in a step together.

    As many batches at a time as divide both numbers; processes that are left over share a batch by rows. So
    a step has the same batches whatever the number of processes: 16 batches are 16 one after the other in
    one process, 4 in each of 4, 1 in each of 16 and half of one in each of 32.
    """

    rank: int = 0
    ranks: int = 1
    batches_per_step: int = 1

    def __post_init__(self) -> None:
        """Refuse a process that is none of the team."""
        if not 0 <= self.rank < self.ranks:
            raise ConfigError(f"process {self.rank} of {self.ranks}: wanted is 0 to {self.ranks - 1}")

    @property
    def batches_at_a_time(self) -> int:
        """Return how many batches all processes together train on in one pass through the model."""
        return math.gcd(self.ranks, self.batches_per_step)

    @property
    def rounds(self) -> int:
        """Return after how many batches of its own a process makes an optimiser step."""
        return self.batches_per_step // self.batches_at_a_time

    def parts(self, batches: Sequence[np.ndarray]) -> list[Part]:
        """Return this process's parts of whole steps; the weights of a batch's parts add up to 1.

        A batch of fewer rows than there are processes for it gives some of them a row of weight 0.
        """
        at_a_time = self.batches_at_a_time
        members = self.ranks // at_a_time
        assert len(batches) % at_a_time == 0, f"{len(batches)} batches are no whole steps"
        mine = batches[self.rank // members :: at_a_time]
        return [cut(batch, self.rank % members, members, 1.0) for batch in mine]

    def parts_of_each(self, batches: Sequence[np.ndarray]) -> list[Part]:
        """Return this process's rows of every batch, which counts as many as it has rows: for validation."""
        return [cut(batch, self.rank, self.ranks, float(len(batch))) for batch in batches]


def cut(batch: np.ndarray, member: int, members: int, weight: float) -> Part:
    """Return every ``members``-th row, beginning with row ``member``."""
    rows = batch[member::members]
    return Part(rows, batch, weight) if len(rows) else Part(batch[:1], batch, 0.0)


class PartsOfBatches(Dataset[Batch]):
    """Batches by `Part`, with the part's weight among the tensors."""

    def __init__(self, dataset: "Weighable") -> None:
        """Take the rows' data set."""
        self.dataset = dataset

    def __getitem__(self, part: Part) -> Batch:
        """Return the batch of the part's rows, and ``share``, (1,) float32: its share in the batch's loss.

        The loss is a mean over target tokens; so the share is that of the part's tokens, times the weight.
        """
        names, batch = self.dataset[part.rows]
        share = part.weight
        if len(part.rows) < len(part.batch):
            counted, whole = self.dataset.loss_terms(part.rows), self.dataset.loss_terms(part.batch)
            share *= counted / whole
        return names, {**batch, SHARE: torch.tensor([share])}


class Weighable(Dataset[Batch]):
    """A data set whose rows are known to have so many terms in the loss."""

    def loss_terms(self, rows: np.ndarray) -> int:
        """Return how many target positions the loss of these rows is a mean over."""
        raise NotImplementedError


def take_shares(model: torch.nn.Module) -> None:
    """Let ``model``, of ESPnet, weigh its loss with the ``share`` of a batch that has one.

    ESPnet's trainer adds up losses and statistics of all processes by these weights. It divides the loss by
    ``accum_grad`` in place, and would the one among the statistics with it: the loss is a copy.
    """
    forward = model.forward

    def weighted(*batch: object, share: torch.Tensor | None = None, **named: object) -> object:
        loss, statistics, weight = forward(*batch, **named)
        return loss.clone(), statistics, weight if share is None else share

    model.forward = weighted
