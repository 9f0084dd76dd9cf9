"""The translation store: what one teacher made of every sentence with one set of search settings.

A store is a directory. ``manifest.json`` identifies teacher and settings; each ``part-<checksum>.parquet``
holds whole n-best lists. Parts only ever arrive, under a name that is the checksum of their bytes: so
processes that share a store cannot overwrite each other, and a damaged part is noticed.
"""

import hashlib
import json
import logging
import os
import socket
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet

from synthst.atomic import atomic_file, unwritable
from synthst.errors import DataError

logger = logging.getLogger(__name__)

FORMAT = 1
PART_SCHEMA = pa.schema(
    [
        ("source_hash", pa.string()),
        ("source", pa.string()),
        ("rank", pa.int32()),
        ("hypothesis", pa.string()),
        ("score", pa.float64()),
        ("tokens", pa.int32()),
        ("finished", pa.bool_()),
    ]
)
PLAN_KEY = b"synthst.plan"


class StoreRow(NamedTuple):
    """One hypothesis; rank 0 is the best of its source, not finished means cut off at the length limit."""

    source: str
    rank: int
    hypothesis: str
    score: float
    tokens: int
    finished: bool


def source_hash(source: str) -> str:
    """Return the key of a source sentence: blake2b-128 of its exact UTF-8 bytes, in hex."""
    return hashlib.blake2b(source.encode("utf-8"), digest_size=16).hexdigest()


def open_store(store: Path, teacher: Mapping[str, object], settings: Mapping[str, object]) -> int:
    """Make ``store`` ready for writing and return the number of damaged parts set aside.

    A new store gets its manifest; an old one must have been made by the same teacher with the same settings.
    A damaged part is renamed to ``<part>.broken``, so its sentences count as missing and are decoded again.
    Raises DataError showing both teachers and both values of everything that differs.
    """
    try:
        store.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(store, error) from error
    manifest = json.loads(
        json.dumps({"format": FORMAT, "teacher": dict(teacher), "settings": dict(settings)})
    )
    if not (store / "manifest.json").exists():
        _create_manifest(store, manifest)
    _refuse_other_manifest(store, manifest)
    _remove_left_overs(store)
    broken = [part for part in _parts(store) if not _is_sound(part)]
    for part in broken:
        with suppress(FileNotFoundError):  # a racing process has set it aside
            part.rename(part.with_name(f"{part.name}.broken"))
        logger.warning(
            "%s is damaged: set aside as %s.broken, its sentences count as missing", part, part.name
        )
    return len(broken)


def read_manifest(store: Path) -> dict[str, object]:
    """Return the manifest of ``store``: format, teacher, settings."""
    path = store / "manifest.json"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(
            f"{store} is no translation store: no manifest.json; decode with stage 3 first"
        ) from None
    except ValueError as error:
        raise DataError(
            f"{path} is not JSON ({error}), so nobody knows who made the store; remove it"
        ) from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise DataError(
            f"{path} is not of format {FORMAT}, which this synthst reads; decode to a new directory"
        )
    return manifest


def sound_parts(store: Path) -> list[Path]:
    """Return the parts of ``store``; raise DataError if one is damaged or there is no manifest."""
    read_manifest(store)
    parts = _parts(store)
    for part in parts:
        if not _is_sound(part):
            raise DataError(
                f"{part} is damaged; run stage 3 again, it sets the part aside and decodes it again"
            )
    return parts


def write_part(store: Path, rows: Iterable[StoreRow], *, plan: str = "") -> Path:
    """Add one part, whole or not at all; all rows of a source must be in the same part.

    ``plan`` is kept with the part, see `part_plan`.
    """
    schema = PART_SCHEMA.with_metadata({PLAN_KEY: plan.encode("utf-8")}) if plan else PART_SCHEMA
    sources, *others = (list(column) for column in zip(*rows, strict=True))
    table = pa.table([list(map(source_hash, sources)), sources, *others], schema)
    sink = pa.BufferOutputStream()
    pyarrow.parquet.write_table(table, sink, compression="zstd")
    content = sink.getvalue().to_pybytes()
    part = store / f"part-{_checksum(content)}.parquet"
    with atomic_file(part) as file:
        file.write(content)
    return part


def part_plan(part: Path) -> str:
    """Return what `write_part` was told of the plan that a part belongs to; "" if nothing."""
    metadata = pyarrow.parquet.read_schema(part).metadata or {}
    return str(metadata.get(PLAN_KEY, b"").decode("utf-8"))


def _parts(store: Path) -> list[Path]:
    return sorted(store.glob("part-*.parquet"))


def _is_sound(part: Path) -> bool:
    with part.open("rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16))
    return part.name == f"part-{digest.hexdigest()}.parquet"


def _checksum(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _create_manifest(store: Path, manifest: Mapping[str, object]) -> None:
    if _parts(store):
        raise DataError(
            f"{store} holds parts but no manifest.json, so nobody knows who made them; remove them"
        )
    draft = store / f"manifest.draft-{socket.gethostname()}-{os.getpid()}"
    with atomic_file(draft) as file:
        file.write((json.dumps(manifest, indent=2, ensure_ascii=False) + "\n").encode("utf-8"))
    with suppress(
        FileExistsError
    ):  # a racing process was first: unlike a rename, a link never replaces its own
        os.link(draft, store / "manifest.json")
    draft.unlink()


def _refuse_other_manifest(store: Path, asked: Mapping[str, object]) -> None:
    found, wanted = _flatten(read_manifest(store)), _flatten(asked)
    differing = [key for key in sorted(found | wanted) if found.get(key) != wanted.get(key)]
    if differing:
        told = "; ".join(f"{key} is {found.get(key)!r} there, {wanted.get(key)!r} here" for key in differing)
        made, now = (f"{name.get('teacher.kind')}:{name.get('teacher.name')}" for name in (found, wanted))
        raise DataError(
            f"{store} was made by {made} and this is {now}, another teacher or other settings: {told}; "
            "name another directory"
        )


def _flatten(values: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in values.items():
        flat |= _flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def _remove_left_overs(store: Path, min_age_seconds: float = 600) -> None:
    """Remove what killed writers left; writing a part or manifest takes far less than the least age."""
    for path in [*store.glob("part-*.tmp-*"), *store.glob("manifest.draft-*")]:
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > min_age_seconds:
                path.unlink()
                logger.info("removed %s, left over from a process that was killed", path)
