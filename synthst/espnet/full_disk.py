"""Say which folder has no room for a training's files, and that the training goes on from its checkpoint."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from synthst.atomic import is_full
from synthst.errors import DataError

TORCH = ("inline_container.cc", "PytorchStreamWriter failed writing")
"""What torch.save says of a file that cannot be written to its end: a RuntimeError without path or cause."""


@contextmanager
def explain_full_disk(folder: Path) -> Iterator[None]:
    """Raise DataError with the remedy when the disk, a quota or a limit of file sizes stops the block."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        if not is_full(error) and not (isinstance(error, RuntimeError) and _is_torch_s(error)):
            raise
        megabytes = shutil.disk_usage(folder.parent).free / 1e6
        raise DataError(
            f"{folder}: a file cannot be written to its end ({megabytes:,.0f} MB are free there; a quota or "
            "`ulimit -f` may allow less); free some space and run the same command again: it goes on from "
            "the last whole checkpoint"
        ) from error


def _is_torch_s(error: RuntimeError) -> bool:
    return any(told in str(error) for told in TORCH)
