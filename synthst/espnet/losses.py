"""Keep the training loss of every batch, which ESPnet averages away."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from synthst.atomic import atomic_file

FILE = "train_losses.tsv"


class Reported(Protocol):
    """ESPnet's ReportedValue."""

    @property
    def value(self) -> float:
        """Return the number."""


def record_losses(
    folder: Path, epoch: int, stats: Mapping[str, Sequence[Reported]], *, batches_at_a_time: int = 1
) -> None:
    """Write the losses of an epoch's batches behind those of the epochs before into train_losses.tsv.

    ``stats`` are ESPnet's of one epoch, a value for each batch, or for the ``batches_at_a_time`` of several
    processes. The columns are epoch, batch (the last that the row is about, from 1 in each epoch) and every
    statistic that is called loss or loss_... and is not 0 throughout, as parts that a model has not are. Rows
    of this epoch and later ones are replaced: a training that was killed writes them again.
    """
    names = [name for name in stats if name == "loss" or name.startswith("loss_") and name != "loss_scale"]
    names = [name for name in names if any(one.value for one in stats[name])]
    path = folder / FILE
    before = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    kept = [line for line in before[1:] if int(line.split("\t", 1)[0]) < epoch]
    if kept:
        names = before[0].split("\t")[2:]  # the columns stay those that the training began with
    columns = [stats[name] for name in names]
    rows = [
        "\t".join([str(epoch), str(number * batches_at_a_time), *(f"{one.value:.6g}" for one in values)])
        for number, values in enumerate(zip(*columns, strict=True), 1)
    ]
    lines = ["\t".join(["epoch", "batch", *names]), *kept, *rows]
    with atomic_file(path) as file:
        file.write("".join(f"{line}\n" for line in lines).encode())
