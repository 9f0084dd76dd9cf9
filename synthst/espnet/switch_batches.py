"""Training batches whose targets change in the middle of a training."""

from collections.abc import Sequence

import synthst.espnet.lean  # noqa: F401

# isort: split
import numpy as np
from espnet2.iterators.abs_iter_factory import AbsIterFactory
from torch.utils.data import DataLoader

from synthst.espnet.batches import BucketBy, BucketedDataset, TrainingBatches, make_loader
from synthst.espnet.switch import Switch
from synthst.espnet.team import Batch


class EitherTokens(BucketedDataset):
    """Two data sets of the same sentences: the rows of the second are numbered on after the first's."""

    def __init__(self, before: BucketedDataset, after: BucketedDataset) -> None:
        """Put ``after`` behind ``before``."""
        self.before, self.after, self.rows = before, after, len(before)

    def __len__(self) -> int:
        """Return the number of rows of both."""
        return self.rows + len(self.after)

    def __getitem__(self, rows: Sequence[int]) -> Batch:
        """Return the batch from the set that its first row is in."""
        dataset, numbers = self.find(np.asarray(rows))
        return dataset[numbers]

    def find(self, rows: np.ndarray) -> tuple[BucketedDataset, np.ndarray]:
        """Return the set that ``rows`` are in, all of them in one, and their numbers there."""
        return (self.before, rows) if rows[0] < self.rows else (self.after, rows - self.rows)

    def bucket_keys(self, bucket_by: BucketBy, rows: np.ndarray | None = None) -> list[np.ndarray]:
        """Return the keys of rows of one of them, or of both, one after the other."""
        if rows is not None:
            dataset, numbers = self.find(rows)
            return dataset.bucket_keys(bucket_by, numbers)
        keys = zip(self.before.bucket_keys(bucket_by), self.after.bucket_keys(bucket_by), strict=True)
        return [np.concatenate(pair) for pair in keys]

    def loss_terms(self, rows: np.ndarray) -> int:
        """Return the target tokens of rows of one of them."""
        dataset, numbers = self.find(rows)
        return dataset.loss_terms(numbers)


class SwitchedBatches(AbsIterFactory):  # type: ignore[misc]  # espnet2 has no types
    """The batches of ``before`` up to the switch, and from then on those that ``after`` has in their place.

    With batches of like source lengths (``bucket_by`` src) these are of the same sentences in the same order.
    ``valid_losses``, those of the validations so far, are the trainer's to keep.
    """

    def __init__(
        self, before: TrainingBatches, after: TrainingBatches, switch: Switch, *, accumulate: int
    ) -> None:
        """Take the batches of both; ``accumulate`` of them make a step."""
        self.before, self.after, self.switch, self.accumulate = before, after, switch, accumulate
        self.dataset = EitherTokens(before.dataset, after.dataset)
        self.valid_losses: list[float] = []

    @property
    def step(self) -> int | None:
        """Return the last step with the old targets, None while it is not known."""
        return self.switch.step(self.valid_losses)

    def plan_epoch(self, epoch: int) -> list[np.ndarray]:
        """Return the batches of one epoch (counted from 1) as rows of the two sets together."""
        before, after = self.before.plan_epoch(epoch), self.after.plan_epoch(epoch)
        first = (epoch - 1) * self.before.steps_per_epoch
        old = len(before) if self.step is None else max(0, self.step * self.accumulate - first)
        return before[:old] + [rows + self.dataset.rows for rows in after[old:]]

    def build_iter(self, epoch: int, shuffle: bool | None = None) -> DataLoader[Batch]:
        """Return the loader of one epoch; ``shuffle`` is the trainer's and has no say."""
        before = self.before
        plan = self.plan_epoch(epoch)
        return make_loader(self.dataset, plan, before.team, before.workers, before.pin_memory)
