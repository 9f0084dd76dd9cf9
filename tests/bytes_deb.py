"""Make small Debian packages of files that are not text."""

import io
import lzma
import tarfile
from collections.abc import Mapping
from pathlib import Path

from debs import write_deb


def make_bytes_deb(path: Path, files: Mapping[str, bytes]) -> Path:
    """Write a package that holds ``files`` (path to content)."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return write_deb(path, lzma.compress(stream.getvalue(), preset=0), data_name="data.tar.xz")
