"""The file that a trained model is shared as: a zip with a manifest, unpacked once and then found again."""

import hashlib
import json
import logging
import os
import shutil
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from synthst.atomic import atomic_directory, atomic_file
from synthst.errors import DataError

logger = logging.getLogger(__name__)

FORMAT = 2
READABLE = (1, 2)  # 2 may hold meta.yaml
MANIFEST = "manifest.json"
MEMBERS = {  # what a pack may hold; nothing else is ever written to a disk
    "README.md",
    "RESULTS.md",
    "config.yaml",
    "model.pth",
    "src.model",
    "tgt.model",
    "feats_stats.npz",
    "train.json",
    "init.json",
    "lineage.json",
    "meta.yaml",
}
REQUIRED = {"README.md", "config.yaml", "model.pth", "tgt.model", "train.json"}
UNCOMPRESSED = {"model.pth", "feats_stats.npz"}  # weights do not get smaller
FIRST_DATE = (1980, 1, 1, 0, 0, 0)  # no time of packing: the same content makes the same bytes
CHUNK_BYTES = 2**20
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError)


def write_packfile(out: Path, files: Mapping[str, Path | str], about: Mapping[str, Any]) -> bool:
    """Write ``files``, a path or text by name in the pack, into ``out``; return False if it has them already.

    ``about``, JSON values with at least name and task, goes into the manifest. A pack that is there already
    and holds something else is replaced; any other file is not: DataError.
    """
    told = {name: _describe(content) for name, content in sorted(files.items())}
    manifest = json.loads(json.dumps({"format": FORMAT, **about, "files": told}))
    if os.path.lexists(out) and read_manifest(out) == manifest:
        return False
    assert set(files) <= MEMBERS and set(files) >= REQUIRED
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(out) as file, zipfile.ZipFile(file, "w") as archive:
        _add(archive, MANIFEST, json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")
        for name, content in sorted(files.items()):
            _add(archive, name, content)
    return True


def is_pack(path: Path) -> bool:
    """Tell whether ``path`` is a zip file with a manifest; a torch file is a zip without one."""
    if not path.is_file() or not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return MANIFEST in archive.namelist()


def read_manifest(pack: Path) -> dict[str, Any]:
    """Read what a pack says of itself: format, name, task, files with bytes and sha256, and more.

    Raises DataError when it is no pack, of another format, or not all of its files are there.
    """
    if not is_pack(pack):
        raise DataError(f"{pack} is no pack of synthst's; name a file that `synthst pack` wrote")
    with zipfile.ZipFile(pack) as archive:
        try:
            manifest = json.loads(archive.read(MANIFEST))
            found, listed, form = set(archive.namelist()), set(manifest["files"]), manifest["format"]
            name = manifest["name"]
        except (ValueError, KeyError, TypeError, *DAMAGED) as error:
            raise DataError(f"{pack}: {MANIFEST} cannot be read ({error}); fetch the file again") from error
    if form not in READABLE:
        raise DataError(f"{pack} is of format {form}, wanted is {FORMAT} at most; take a newer synthst")
    if found != listed | {MANIFEST} or not REQUIRED <= listed <= MEMBERS:
        odd = sorted(found ^ (listed | {MANIFEST}) | (REQUIRED - listed) | (listed - MEMBERS))
        raise DataError(f"{pack}: {', '.join(odd)} should or should not be in it; fetch the file again")
    if not isinstance(name, str) or not name or name in (".", "..") or "/" in name or "\0" in name:
        raise DataError(f"{pack} calls its model {name!r}, which is no name of a directory")
    return dict(manifest)


def unpack(pack: Path, out: Path) -> None:
    """Make the model directory ``out`` of a pack, its files compared with the manifest's checksums."""
    manifest = read_manifest(pack)
    with atomic_directory(out) as folder:
        _extract(pack, manifest, folder)
    logger.info("%s: %s, %d files", out, manifest["name"], len(manifest["files"]))


def open_pack(model: Path) -> Path:
    """Return the model directory of a pack, or ``model`` itself when it is a directory.

    A pack is unpacked once, into ``synthst/packs`` of the user's cache ($XDG_CACHE_HOME, by default
    ~/.cache), and found there by the checksum of its manifest.
    """
    if not model.is_file():
        return model
    manifest = read_manifest(model)
    checksum = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()[:32]
    place = cache_folder() / checksum
    if not place.is_dir():
        try:
            with atomic_directory(place) as folder:
                (folder / manifest["name"]).mkdir()
                _extract(model, manifest, folder / manifest["name"])
            logger.info("%s: unpacked into %s", model, place)
        except DataError:
            if not place.is_dir():  # otherwise another process was first
                raise
    return Path(place, manifest["name"])


def cache_folder() -> Path:
    """Name the folder of unpacked models."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "synthst", "packs")


def _extract(pack: Path, manifest: Mapping[str, Any], folder: Path) -> None:
    with zipfile.ZipFile(pack) as archive:
        for name, told in manifest["files"].items():
            try:
                with archive.open(name) as packed, (folder / name).open("wb") as file:
                    shutil.copyfileobj(packed, file, CHUNK_BYTES)
            except DAMAGED as error:
                raise DataError(f"{pack} is damaged ({error}); fetch it again") from error
            if _describe(folder / name) != told:
                raise DataError(f"{pack}: {name} is not what the manifest says; fetch the file again")


def _describe(content: Path | str) -> dict[str, object]:
    if isinstance(content, str):
        data = content.encode("utf-8")
        return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    with content.open("rb") as file:
        return {
            "bytes": content.stat().st_size,
            "sha256": hashlib.file_digest(file, "sha256").hexdigest(),
        }


def _add(archive: zipfile.ZipFile, name: str, content: Path | str) -> None:
    info = zipfile.ZipInfo(name, FIRST_DATE)
    info.compress_type = zipfile.ZIP_STORED if name in UNCOMPRESSED else zipfile.ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    with archive.open(info, "w", force_zip64=True) as file:
        if isinstance(content, str):
            file.write(content.encode("utf-8"))
        else:
            _copy(content, file)


def _copy(path: Path, file: Any) -> None:
    source: BinaryIO
    with path.open("rb") as source:
        shutil.copyfileobj(source, file, CHUNK_BYTES)
