"""Write files and directories whole or not at all."""

import errno
import fcntl
import itertools
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeGuard

from synthst.errors import DataError

logger = logging.getLogger(__name__)

_scratch_numbers = itertools.count()

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Open a binary file that takes the name ``path`` when the block ends without an error.

    Until then it is ``<path>.tmp-<pid>``; after an error nothing is left of it, and a file that was
    there before is as it was. Raises DataError when it cannot be created or the disk is full.
    """
    temporary = path.with_name(f"{path.name}.tmp-{os.getpid()}")
    try:
        file = open(temporary, "wb")  # noqa: SIM115
    except OSError as error:
        raise unwritable(path, error) from error
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync(path.parent)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if is_full(error):
            raise unwritable(path, error) from error
        raise


def is_full(error: BaseException) -> TypeGuard[OSError]:
    """Tell whether the system said that a disk, a quota or a limit of file sizes has no room."""
    return isinstance(error, OSError) and error.errno in _FULL


def unwritable(path: Path, error: OSError) -> DataError:
    """Make the error of a file that the system does not let us write."""
    remedy = "free some space" if is_full(error) else "make the place writable"
    return DataError(f"{path} cannot be written: {os.strerror(error.errno or 0)}; {remedy} and run again")


@contextmanager
def atomic_directory(out: Path) -> Iterator[Path]:
    """Make a directory that takes the name ``out`` when the block ends without an error.

    Until then it is ``.<name>.tmp-<pid>`` beside it; after an error nothing is left of it. What processes
    that were killed left there is removed first: a living one holds a lock on its directory.
    Raises DataError when ``out`` exists, cannot be made, or the disk is full.
    """
    _refuse_existing(out)
    temporary = out.parent / f".{out.name}.tmp-{os.getpid()}"
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(out)
        lock = _make_locked(temporary)
    except OSError as error:
        raise unwritable(out, error) from error
    try:
        yield temporary
        _sync_tree(temporary)
        _refuse_existing(out)
        os.rename(temporary, out)
        _sync(out.parent)
    except BaseException as error:
        shutil.rmtree(temporary, ignore_errors=True)
        if is_full(error):
            raise unwritable(out, error) from error
        raise
    finally:
        os.close(lock)


@contextmanager
def scratch_directory(beside: Path, purpose: str) -> Iterator[Path]:
    """Make a directory ``.<name>.<purpose>-<pid>-<number>`` beside a path, and remove it at the end.

    What processes that were killed left there is removed first.
    """
    prefix = f".{beside.name}.{purpose}-"
    for leftover in sorted(beside.parent.iterdir()):
        if leftover.name.startswith(prefix):
            _remove_if_dead(leftover, others_may_live=True)
    scratch = beside.parent / f"{prefix}{os.getpid()}-{next(_scratch_numbers)}"
    lock = _make_locked(scratch)
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        os.close(lock)


def _refuse_existing(out: Path) -> None:
    if os.path.lexists(out):
        raise DataError(f"{out} exists already; remove it to make it again")


def _make_locked(directory: Path) -> int:
    """Make ``directory`` and lock it; return the descriptor that holds the lock."""
    while True:
        try:
            directory.mkdir()
        except FileExistsError as error:
            raise DataError(f"{directory} is in use; wait for the process that writes there") from error
        try:
            descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:  # another process took it for a left-over before we held the lock
            continue
        _lock(descriptor, wait=True)
        if directory.exists() and os.path.samestat(os.fstat(descriptor), os.stat(directory)):
            return descriptor
        os.close(descriptor)


def _lock(descriptor: int, *, wait: bool) -> bool:
    """Lock an open directory; return False if another process holds it or the file system has no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return False
    return True


def _remove_leftovers(out: Path) -> None:
    for leftover in sorted(out.parent.iterdir()):
        if leftover.name.startswith(f".{out.name}.tmp-"):
            _remove_if_dead(leftover)


def _remove_if_dead(leftover: Path, *, others_may_live: bool = False) -> None:
    try:
        descriptor = os.open(leftover, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:  # gone in the meantime, or no directory of ours
        return
    try:
        if _lock(descriptor, wait=False):
            logger.info("removed %s, left over from a process that was killed", leftover)
            shutil.rmtree(leftover, ignore_errors=True)
        elif not others_may_live:
            logger.warning("%s may be in use by another process, left alone", leftover)
    finally:
        os.close(descriptor)


def _sync_tree(directory: Path) -> None:
    for folder, _, names in os.walk(directory):
        for name in names:
            if not os.path.islink(path := Path(folder, name)):
                _sync(path)
        _sync(Path(folder))


def _sync(path: Path) -> None:
    """Make what was written under ``path`` survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
