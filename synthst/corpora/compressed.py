"""Read lines and bytes of files as corpora come: plain, .gz, .xz, .bz2, or a member of a .zip or .tar."""

import bz2
import gzip
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, cast

from synthst.errors import DataError

MEMBER = "::"
_DAMAGED = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile)
_OPENERS: Mapping[str, Callable[[IO[bytes]], IO[bytes]]] = {
    ".gz": lambda raw: cast(IO[bytes], gzip.GzipFile(fileobj=raw)),
    ".xz": lambda raw: cast(IO[bytes], lzma.LZMAFile(raw)),  # noqa: SIM115
    ".bz2": lambda raw: cast(IO[bytes], bz2.BZ2File(raw)),
}


def archive_of(name: str) -> Path:
    """Return the file on disk that "corpus.zip::train.en" is in."""
    return Path(name.partition(MEMBER)[0])


@contextmanager
def open_bytes(name: str) -> Iterator[IO[bytes]]:
    """Open "corpus.tsv.gz", or the member "train.en" of an archive, "corpus.zip::train.en", decompressed.

    Of an archive with one file only the member need not be named. Raises DataError for a file that is not
    there, a member that the archive lacks, and, in the block too, for one that is cut short or damaged.
    """
    path = archive_of(name)
    try:
        with ExitStack() as stack:
            raw, inner = _open_member(path, name.partition(MEMBER)[2], stack)
            opener = _OPENERS.get(Path(inner).suffix)
            yield stack.enter_context(opener(raw)) if opener else raw
    except _DAMAGED as error:
        raise _damaged(path, error) from error
    except FileNotFoundError as error:
        raise DataError(f"{path} is not there; put it there, or name another file") from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise _damaged(path, error) from error  # bz2's


@contextmanager
def damage_told(path: Path, errors: tuple[type[Exception], ...] = (UnicodeDecodeError,)) -> Iterator[None]:
    """Make a DataError of ``errors``, a byte that is not UTF-8 for one, in the block."""
    try:
        yield
    except errors as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(f"{path} is cut short or damaged ({error}); remove it and fetch it again")


def read_lines(name: str) -> Iterator[str | None]:
    """Yield the lines of a file that `open_bytes` opens, without "\\n"; None for one that is not UTF-8."""
    with open_bytes(name) as file:
        for number, line in enumerate(file):
            try:
                text = line.removesuffix(b"\n").decode("utf-8")
            except UnicodeDecodeError:
                yield None
            else:
                yield text if number else text.removeprefix("\ufeff")


def _open_member(path: Path, member: str, stack: ExitStack) -> tuple[IO[bytes], str]:
    """Open a file or an archive's member; return it, and the name whose ending says how it is compressed."""
    if path.suffix == ".zip":
        zipped = stack.enter_context(zipfile.ZipFile(path))
        member = _choose(path, member, [one for one in zipped.namelist() if not one.endswith("/")])
        return stack.enter_context(zipped.open(member)), member
    if ".tar" in path.suffixes or path.suffix == ".tgz":
        tarred = stack.enter_context(tarfile.open(path))  # noqa: SIM115
        member = _choose(path, member, [one.name for one in tarred if one.isfile()])
        return stack.enter_context(cast(IO[bytes], tarred.extractfile(member))), member
    if member:
        raise DataError(f"{path} is no .zip or .tar, and has no member {member!r}; name the file only")
    return stack.enter_context(path.open("rb")), path.name


def _choose(path: Path, member: str, names: list[str]) -> str:
    if member in names:
        return member
    if not member and len(names) == 1:
        return names[0]
    found = f"no member {member!r}" if member else "several members"
    raise DataError(f"{path} has {found}; name one, as {path}{MEMBER}{', '.join(names[:5])}")
