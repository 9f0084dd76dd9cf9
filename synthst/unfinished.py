"""Make a directory over several runs: what a stopped one left is gone on with, by one process at a time."""

import errno
import fcntl
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from synthst.atomic import unwritable
from synthst.errors import DataError

logger = logging.getLogger(__name__)

NO_LOCKS = (errno.EBADF, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)
LOCK_SECONDS = 10.0  # the workers of a killed run need a moment to notice


@contextmanager
def unfinished_directory(out: Path) -> Iterator[Path]:
    """Make ``.<name>.unfinished`` or go on in it; it becomes ``out`` when the block ends without an error.

    Otherwise it stays. Raises DataError when another process writes there, or the place is not writable.
    """
    folder = out.parent / f".{out.name}.unfinished"
    with alone_in(folder):
        yield folder
        if os.path.lexists(out):
            raise DataError(f"{out} came into being meanwhile; remove it and run again")
        sync_folder(folder)
        folder.rename(out)
        sync_folder(out.parent)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Make a directory if it is not there, and lock it for this process while the block runs.

    Raises DataError when another process has it, or the place is not writable. Where the file system cannot
    lock directories, as over some networks, it is not locked.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise unwritable(folder, error) from error
    try:
        _lock(descriptor, folder)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, folder: Path) -> None:
    """Lock a directory, waiting a little, and make sure that it is still there."""
    give_up = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError as error:
            if time.monotonic() > give_up:
                raise DataError(f"{folder} is in use; wait for the process that writes there") from error
            time.sleep(0.05)
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            logger.warning("%s cannot be locked (%s): let one process write there", folder, error.strerror)
            break
    if not (folder.exists() and os.path.samestat(os.fstat(descriptor), os.stat(folder))):
        raise DataError(f"{folder} was finished or removed by another process meanwhile; run again")


def sync_folder(folder: Path) -> None:
    """Make the names in a directory survive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
