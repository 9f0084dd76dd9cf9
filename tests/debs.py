"""Make small Debian packages: an ar archive of three members, the last one a tar of the files."""

import gzip
import io
import lzma
import subprocess
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

PAGE = '<html><body><header><p id="top">LibreOffice Help</p></header><div>{}</div></body></html>'


def _zstd(data: bytes) -> bytes:
    return subprocess.run(["zstd", "-c"], input=data, capture_output=True, check=True).stdout


PACK: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".zst": _zstd,
}


def make_deb(path: Path, files: Mapping[str, str], *, pack: str = ".xz") -> Path:
    """Write a package that holds ``files`` (path to text) and the directories above them."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        folder = tarfile.TarInfo("./usr")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, text in files.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return write_deb(path, PACK[pack](stream.getvalue()), data_name=f"data.tar{pack}")


def write_deb(path: Path, data: bytes, *, data_name: str) -> Path:
    """Write a package around the bytes of its data member."""
    members = {"debian-binary": b"2.0\n", "control.tar": b"odd", data_name: data}
    with path.open("wb") as file:
        file.write(b"!<arch>\n")
        for name, content in members.items():
            header = f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n"
            file.write(header.encode() + content + b"\n" * (len(content) % 2))
    return path


def make_help(folder: Path, texts: Mapping[str, Mapping[str, str]]) -> Path:
    """Write a package of help pages per language: language to (page to its inner HTML)."""
    folder.mkdir(parents=True, exist_ok=True)
    for language, pages in texts.items():
        name = {"en": "en-US"}.get(language, language)
        root = f"usr/share/libreoffice/help/{name}"
        files = {f"{root}/text/{page}": PAGE.format(inner) for page, inner in pages.items()}
        files[f"{root}/contents.js"] = "not a page"
        make_deb(folder / f"libreoffice-help-{name.lower()}_1%3a7.4-1_all.deb", files)
    return folder
