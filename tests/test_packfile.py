"""The file that a model is shared as: what went in comes out, and nothing else ever reaches a disk."""

import json
import shutil
import zipfile
from pathlib import Path

import pytest

from synthst.errors import DataError
from synthst.packfile import is_pack, open_pack, read_manifest, unpack, write_packfile

pytestmark = pytest.mark.usefixtures("cache")
ABOUT = {"name": "mt_2x2", "task": "mt"}


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path | str]:
    weights, tokenizer = tmp_path / "some.pth", tmp_path / "some.model"
    weights.write_bytes(bytes(range(256)) * 20)
    tokenizer.write_bytes(b"pieces")
    texts = {"README.md": "Grüße\n", "config.yaml": "encoder: transformer\n", "train.json": "{}"}
    return {"model.pth": weights, "tgt.model": tokenizer, **texts}


@pytest.fixture
def pack(tmp_path: Path, files: dict[str, Path | str]) -> Path:
    out = tmp_path / "deep/pack.zip"
    assert write_packfile(out, files, ABOUT)
    return out


def rewrite(pack: Path, changes: dict[str, bytes]) -> None:
    """Write a pack again with other content of some files, as a stranger could."""
    with zipfile.ZipFile(pack) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(pack, "w") as archive:
        for name, data in (content | changes).items():
            archive.writestr(name, data)


def test_what_went_in_comes_out(pack: Path, files: dict[str, Path | str], tmp_path: Path) -> None:
    unpack(pack, tmp_path / "out")
    found = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    wanted = {name: c.encode() if isinstance(c, str) else c.read_bytes() for name, c in files.items()}
    assert found == wanted
    assert read_manifest(pack)["files"]["tgt.model"] == {
        "bytes": 6,  # the next line is what `printf pieces | sha256sum` prints
        "sha256": "b6aa423de4f79355751cdf73a26b069d5da4c248288cb8bdafc8f552f0adfc44",
    }


def test_the_same_content_makes_the_same_bytes_and_is_not_written_again(
    pack: Path, files: dict[str, Path | str]
) -> None:
    first, stamp = pack.read_bytes(), pack.stat().st_mtime_ns
    assert not write_packfile(pack, files, ABOUT)
    assert pack.stat().st_mtime_ns == stamp
    pack.unlink()
    assert write_packfile(pack, files, ABOUT)
    assert pack.read_bytes() == first
    assert write_packfile(pack, {**files, "RESULTS.md": "new"}, ABOUT)
    assert "RESULTS.md" in read_manifest(pack)["files"]


def test_a_file_that_is_no_pack_is_not_replaced(tmp_path: Path, files: dict[str, Path | str]) -> None:
    other = tmp_path / "notes.txt"
    other.write_text("mine", encoding="utf-8")
    with pytest.raises(DataError, match=r"notes\.txt is no pack of synthst's"):
        write_packfile(other, files, ABOUT)
    assert other.read_text(encoding="utf-8") == "mine"


def test_a_torch_file_or_any_other_zip_is_no_pack(tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"")
    assert not is_pack(path) and not is_pack(tmp_path) and not is_pack(tmp_path / "none")


def test_a_pack_is_unpacked_once_under_its_models_name(pack: Path, cache: Path) -> None:
    directory = open_pack(pack)
    assert directory.name == "mt_2x2" and directory.parent.parent == cache
    (directory / "mark").touch()
    moved = shutil.copy(pack, pack.with_name("other name.zip"))
    assert open_pack(Path(moved)) == directory and (directory / "mark").exists()
    assert open_pack(directory) == directory


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"model.pth": b"other weights"}, "model.pth is not what the manifest says"),
        ({"../evil": b"x"}, "evil should or should not be in it"),
        ({"manifest.json": b"{"}, "manifest.json cannot be read"),
        ({"manifest.json": b'{"format": 9, "name": "a", "files": {}}'}, "format 9, wanted is 2 at most"),
    ],
)
def test_a_pack_that_was_changed_is_refused(
    pack: Path, tmp_path: Path, cache: Path, changes: dict[str, bytes], told: str
) -> None:
    rewrite(pack, changes)
    with pytest.raises(DataError, match=told):
        open_pack(pack)
    with pytest.raises(DataError, match=told):
        unpack(pack, tmp_path / "out")
    assert not (tmp_path / "out").exists() and not (tmp_path / "evil").exists()
    assert not cache.exists() or not list(cache.iterdir())


@pytest.mark.parametrize("name", ["..", "a/b", "", "/etc"])
def test_a_name_that_leads_elsewhere_is_refused(pack: Path, name: str) -> None:
    manifest = read_manifest(pack)
    rewrite(pack, {"manifest.json": json.dumps({**manifest, "name": name}).encode()})
    with pytest.raises(DataError, match="no name of a directory"):
        open_pack(pack)


@pytest.mark.parametrize("name", ["manifest.json", "README.md", "train.json"])
def test_damage_in_what_is_compressed_is_noticed(pack: Path, name: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(pack) as archive:
        member = archive.getinfo(name)
    content = bytearray(pack.read_bytes())
    header = content[member.header_offset :]
    extra = int.from_bytes(header[28:30], "little")  # bytes behind the name, as the zip format has it
    start = member.header_offset + 30 + len(name) + extra
    content[start : start + member.compress_size] = b"\xff" * member.compress_size
    pack.write_bytes(content)
    with pytest.raises(DataError, match="is damaged|manifest.json cannot be read"):
        unpack(pack, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_damaged_bytes_are_noticed(pack: Path) -> None:
    content = bytearray(pack.read_bytes())
    place = content.index(bytes(range(256)))  # weights are not compressed
    content[place + 3] ^= 1
    pack.write_bytes(content)
    with pytest.raises(DataError, match="is damaged"):
        open_pack(pack)


def test_a_pack_of_the_first_format_is_still_read(pack: Path) -> None:
    manifest = json.dumps({**read_manifest(pack), "format": 1})
    rewrite(pack, {"manifest.json": manifest.encode()})
    assert (open_pack(pack) / "tgt.model").read_bytes() == b"pieces"
