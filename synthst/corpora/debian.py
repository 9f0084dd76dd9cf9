"""Fetch Debian packages by name and read the files in them, without root."""

import logging
import lzma
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO

from synthst.errors import DataError

logger = logging.getLogger(__name__)

AR_MAGIC = b"!<arch>\n"
AR_HEADER_BYTES = 60
PAUSES_S = (2.0, 8.0)  # before the second and third attempt over a bad network
NETWORK_SIGNS = (
    *("could not resolve", "could not connect", "cannot initiate the connection", "could not handshake"),
    *("connection failed", "connection reset", "connection refused", "connection timed out"),
    *("network is unreachable", "no route to host", "temporary failure", "failed to fetch"),
)
STALE_SIGNS = (
    "404 not found",
    "hash sum mismatch",
    "unexpected size",
)  # the lists are older than the archive


def fetch_packages(names: Sequence[str], folder: Path, *, deb_dir: Path | None = None) -> list[Path]:
    """Return one complete .deb file per package name, in the order of ``names``.

    Files come from ``deb_dir`` when it is given (no network then), or else from ``folder``, where
    those not yet there, or cut off, are put by ``apt-get download``.
    Raises DataError when ``deb_dir`` lacks a package, apt-get is missing, or the network is.
    """
    if deb_dir is not None:
        return [_require_package(name, deb_dir, names) for name in names]
    folder.mkdir(parents=True, exist_ok=True)
    missing = [name for name in names if find_package(name, folder) is None]
    if missing:
        _download(missing, folder)
    found = [path for name in names if (path := find_package(name, folder)) is not None]
    if len(found) < len(names):
        raise DataError(f"apt-get gave no complete file for one of {', '.join(missing)} in {folder}")
    logger.info("%d packages in %s, %d of them fetched now", len(found), folder, len(missing))
    return found


def find_package(name: str, folder: Path) -> Path | None:
    """Return the newest complete file of a package in ``folder``; log those that are cut off."""
    complete = []
    for path in sorted(folder.glob(f"{name}_*.deb")):
        if is_complete(path):
            complete.append(path)
        else:
            logger.warning("%s is cut off or no Debian package; not used", path)
    return max(complete, key=lambda path: (path.stat().st_mtime_ns, path.name), default=None)


def _require_package(name: str, deb_dir: Path, names: Sequence[str]) -> Path:
    path = find_package(name, deb_dir)
    if path is None:
        raise DataError(
            f"{deb_dir} has no complete file {name}_*.deb; put the .deb files of these packages there: "
            + ", ".join(names)
        )
    return path


def _download(names: Sequence[str], folder: Path) -> None:
    """Fetch packages into ``folder``, with private package lists when the system's do not know them."""
    apt_get = shutil.which("apt-get")
    if apt_get is None:
        raise DataError(f"this machine has no apt-get to fetch {', '.join(names)}; {_by_hand(names)}")
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder) as temporary:
        work = Path(temporary)
        logger.info("fetching %s", ", ".join(names))
        trouble = run_apt([apt_get, "download", *names], work)
        if trouble:
            logger.info("making private package lists, as the system's do not serve (%s)", trouble)
            apt_get_private = [apt_get, *private_lists(work)]
            trouble = run_apt([*apt_get_private, "update"], work)
            trouble = trouble or run_apt([*apt_get_private, "download", *names], work)
        if trouble:
            raise DataError(f"apt-get cannot fetch {', '.join(names)} ({trouble}); {_by_hand(names)}")
        for deb in sorted(work.glob("*.deb")):
            deb.replace(folder / deb.name)


def _by_hand(names: Sequence[str]) -> str:
    return (
        "fetch the .deb files of these packages on a Debian or Ubuntu machine (apt-get download "
        + " ".join(names)
        + ") and name their folder with --deb_dir"
    )


def private_lists(work: Path) -> list[str]:
    """Return the options that keep apt-get's lists and cache below ``work``."""
    for name in ("lists", "cache/archives"):
        (work / name / "partial").mkdir(parents=True)
    options = [f"Dir::State::lists={work}/lists", f"Dir::Cache={work}/cache"]
    options += ["Acquire::Languages=none", "APT::Update::Error-Mode=any"]
    if os.geteuid() == 0:  # apt's own user cannot write to a private folder
        options.append("APT::Sandbox::User=root")
    return [word for option in options for word in ("-o", option)]


def run_apt(command: list[str], work: Path) -> str:
    """Run apt-get in ``work``; return "" or its complaint.

    Network trouble is tried again, in the end it is a DataError.
    """
    command = [command[0], "-q", "-o", "Acquire::http::Timeout=30", *command[1:]]
    for pause in (*PAUSES_S, None):
        run = subprocess.run(
            command,
            cwd=work,
            env={**os.environ, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        complaints = [
            line for line in run.stderr.splitlines() if line.startswith(("E:", "Err:", "W: Failed"))
        ]
        if run.returncode == 0 and not any(line.startswith("W: Failed") for line in complaints):
            return ""
        trouble = " ".join(" ".join(complaints[:1]).split()) or f"apt-get exit status {run.returncode}"
        if not _is_network_trouble(trouble):
            return trouble
        if pause is not None:
            logger.warning("no network? %s; trying again in %.0f s", trouble, pause)
            time.sleep(pause)
    raise DataError(
        f"no network after {len(PAUSES_S) + 1} attempts ({trouble}); connect, or use --deb_dir FOLDER"
    )


def _is_network_trouble(trouble: str) -> bool:
    lowered = trouble.lower()
    is_stale = any(sign in lowered for sign in STALE_SIGNS)
    return not is_stale and any(sign in lowered for sign in NETWORK_SIGNS)


def package_version(deb: Path) -> str:
    """Return the version in a package file's name: "4:7.4.7-1" of "x_4%3a7.4.7-1_all.deb"."""
    fields = deb.name.removesuffix(".deb").split("_")
    return fields[1].replace("%3a", ":") if len(fields) > 1 else "unknown"


def is_complete(deb: Path) -> bool:
    """Tell whether a file is a Debian package whose every member has its full length."""
    try:
        with deb.open("rb") as file:
            names = [name for name, _ in _ar_members(file)]
    except DataError:
        return False
    return any(name.startswith("data.tar") for name in names)


def _ar_members(file: IO[bytes]) -> Iterator[tuple[str, int]]:
    """Yield (name, bytes) of an ar archive's members, the file standing at each one's content."""
    total = os.fstat(file.fileno()).st_size
    if file.read(len(AR_MAGIC)) != AR_MAGIC:
        raise DataError(f"{file.name} is no Debian package (its first bytes are not {AR_MAGIC!r})")
    while header := file.read(AR_HEADER_BYTES):
        size = header[48:58].strip()
        end = file.tell() + int(size) if size.isdigit() else total + 1
        if len(header) < AR_HEADER_BYTES or header[58:] != b"`\n" or end > total:
            raise DataError(
                f"{file.name} is cut off or damaged at byte {file.tell()} of {total}; fetch it again"
            )
        yield header[:16].decode("ascii", "replace").rstrip(" /"), int(size)
        file.seek(end + end % 2)  # members start at even offsets


def read_members(deb: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """Yield (path without leading "./", content) of the regular files that ``wanted`` accepts."""
    with _open_data(deb) as archive:
        for member in archive:
            name = member.name.removeprefix("./")
            if member.isreg() and wanted(name) and (content := archive.extractfile(member)) is not None:
                yield name, content.read()


def unpack(deb: Path, folder: Path, *, wanted: Callable[[str], bool] = lambda name: True) -> int:
    """Write the files that ``wanted`` accepts below ``folder``; return how many there were.

    Nothing is written outside ``folder``: a member that would be is a DataError.
    """
    count = 0
    with _open_data(deb) as archive:
        for member in archive:
            if member.isdir() or not wanted(member.name.removeprefix("./")):
                continue
            try:
                archive.extract(member, folder, filter="data")
            except tarfile.FilterError as error:
                raise DataError(f"{deb}: {error}; do not use this package") from error
            count += 1
    return count


@contextmanager
def _open_data(deb: Path) -> Iterator[tarfile.TarFile]:
    """Open a package's data member as a stream of files."""
    try:
        name, content = _read_data(deb)
        if name.endswith(".zst"):
            name, content = "data.tar", _unpack_zstd(deb, content)
        with tarfile.open(fileobj=BytesIO(content), mode="r|*") as archive:
            yield archive
    except (tarfile.ReadError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise DataError(f"{deb} cannot be read ({error}); remove it and run again") from error


def _read_data(deb: Path) -> tuple[str, bytes]:
    with deb.open("rb") as file:
        for name, size in _ar_members(file):
            if name.startswith("data.tar"):
                return name, file.read(size)
    raise DataError(f"{deb} has no data.tar member, so it is no Debian package")


def _unpack_zstd(deb: Path, content: bytes) -> bytes:
    """Decompress Zstandard (Ubuntu's packages), which Python's library learns only in 3.14."""
    zstd = shutil.which("zstd")
    if zstd is None:
        raise DataError(f"{deb} is compressed with Zstandard; install the program zstd to read it")
    run = subprocess.run([zstd, "-dc"], input=content, capture_output=True, check=False)
    if run.returncode:
        raise DataError(f"{deb} cannot be read ({run.stderr.decode(errors='replace').strip()})")
    return run.stdout
