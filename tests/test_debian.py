"""Packages: which files count as complete, how they are fetched, and what comes out of them."""

import io
import os
import stat
import tarfile
from pathlib import Path

import pytest
from debs import PACK, make_deb, write_deb

from synthst.corpora import debian
from synthst.errors import DataError

FILES = {
    "usr/share/a/one.html": "eins\n",
    "usr/share/a/two.txt": "zwei\n",
    "usr/share/b/three.html": "drei\n",
}


@pytest.fixture
def deb(tmp_path: Path) -> Path:
    return make_deb(tmp_path / "words_1%3a2.0-1_all.deb", FILES)


@pytest.mark.parametrize("pack", PACK)
def test_read_members_yields_the_wanted_files_of_every_compression(tmp_path: Path, pack: str) -> None:
    if pack == ".zst" and debian.shutil.which("zstd") is None:
        pytest.skip("no zstd program here")
    deb = make_deb(tmp_path / "words_1_all.deb", FILES, pack=pack)
    found = dict(debian.read_members(deb, lambda name: name.endswith(".html")))
    assert found == {"usr/share/a/one.html": b"eins\n", "usr/share/b/three.html": b"drei\n"}


def test_read_members_says_what_a_zstandard_package_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deb = write_deb(tmp_path / "words_1_all.deb", b"any", data_name="data.tar.zst")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError, match="install the program zstd"):
        list(debian.read_members(deb, lambda name: True))


@pytest.mark.parametrize("data_name", ["data.tar", "data.tar.gz", "data.tar.xz"])
def test_read_members_names_a_damaged_package(tmp_path: Path, data_name: str) -> None:
    content = {"data.tar": b"no tar"}.get(data_name, PACK[data_name[8:]](os.urandom(9000))[:500])
    deb = write_deb(tmp_path / "words_1_all.deb", content, data_name=data_name)
    with pytest.raises(DataError, match=r"words_1_all\.deb cannot be read .* remove it"):
        list(debian.read_members(deb, lambda name: True))


def test_unpack_writes_only_what_is_wanted(deb: Path, tmp_path: Path) -> None:
    assert debian.unpack(deb, tmp_path / "out", wanted=lambda name: name.startswith("usr/share/a/")) == 2
    files = sorted(path.name for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert files == ["one.html", "two.txt"]
    assert (tmp_path / "out/usr/share/a/one.html").read_text() == "eins\n"


@pytest.mark.parametrize("name", ["../outside", "link"])
def test_unpack_refuses_a_member_that_leads_outside(tmp_path: Path, name: str) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        member = tarfile.TarInfo(name)
        if name == "link":
            member.type, member.linkname = tarfile.SYMTYPE, "../../outside"
        archive.addfile(member)
    deb = write_deb(tmp_path / "bad_1_all.deb", stream.getvalue(), data_name="data.tar")
    with pytest.raises(DataError, match="do not use this package"):
        debian.unpack(deb, tmp_path / "out")
    assert not (tmp_path / "outside").exists()


def test_is_complete_sees_every_truncation(deb: Path, tmp_path: Path) -> None:
    content = deb.read_bytes()
    cut = tmp_path / "cut_1_all.deb"
    assert debian.is_complete(deb)
    last = len(content) - 1 if content.endswith(b"\n") else len(content)  # the last byte may be padding
    for length in [0, 1, 8, 50, 100, 200, last - 1]:
        cut.write_bytes(content[:length])
        assert not debian.is_complete(cut), length
    cut.write_bytes(b"<html>404 Not Found</html>")
    assert not debian.is_complete(cut)


def test_package_version_comes_from_the_name() -> None:
    assert (
        debian.package_version(Path("x/libreoffice-help-de_4%3a7.4.7-1+deb12u14_all.deb"))
        == "4:7.4.7-1+deb12u14"
    )


def fake_apt(folder: Path, script: str) -> None:
    """Put an apt-get on the PATH that logs its arguments to apt.log and then runs ``script``."""
    program = folder / "apt-get"
    program.write_text(f'#!/bin/sh\necho "$@" >>"{folder}/apt.log"\n{script}\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the PATH's first, with a complete package for a fake apt-get to hand out."""
    folder = tmp_path / "machine"
    folder.mkdir()
    make_deb(folder / "words_1_all.deb", FILES)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setattr(debian.time, "sleep", lambda seconds: None)
    return folder


def runs(machine: Path) -> list[str]:
    """What apt-get was asked for: "download" or "update", one per run, "private" before it with own lists."""
    lines = (machine / "apt.log").read_text().splitlines()
    words = [
        ["private"] * ("Dir::State::lists" in line) + [w for w in ("update", "download") if w in line.split()]
        for line in lines
    ]
    return [" ".join(line) for line in words]


def test_fetch_packages_downloads_once_and_then_reuses(machine: Path, tmp_path: Path) -> None:
    fake_apt(machine, f'cp "{machine}/words_1_all.deb" .')
    expected = [tmp_path / "downloads/words_1_all.deb"]
    assert debian.fetch_packages(["words"], tmp_path / "downloads") == expected
    assert debian.fetch_packages(["words"], tmp_path / "downloads") == expected
    assert runs(machine) == ["download"]
    assert os.listdir(tmp_path / "downloads") == ["words_1_all.deb"]


def test_fetch_packages_names_a_truncated_file_and_fetches_it_again(
    machine: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fake_apt(machine, f'cp "{machine}/words_1_all.deb" .')
    content = (machine / "words_1_all.deb").read_bytes()
    (tmp_path / "words_1_all.deb").write_bytes(content[:-100])
    (deb,) = debian.fetch_packages(["words"], tmp_path)
    assert deb.read_bytes() == content
    assert f"{deb} is cut off" in caplog.text


def test_fetch_packages_does_not_take_a_package_with_a_longer_name(tmp_path: Path) -> None:
    make_deb(tmp_path / "words-extra_1_all.deb", FILES)
    assert debian.find_package("words", tmp_path) is None


@pytest.mark.parametrize(
    "complaint", ["E: Unable to locate package words", "E: Failed to fetch x 404  Not Found"]
)
def test_fetch_packages_makes_private_lists_when_the_systems_do_not_serve(
    machine: Path, tmp_path: Path, complaint: str
) -> None:
    fake_apt(
        machine,
        f'''
case "$*" in
*Dir::State::lists*update) exit 0 ;;
*Dir::State::lists*) cp "{machine}/words_1_all.deb" . ;;
*) echo "{complaint}" >&2; exit 100 ;;
esac''',
    )
    debian.fetch_packages(["words"], tmp_path / "downloads")
    assert runs(machine) == ["download", "private update", "private download"]
    assert os.listdir(tmp_path / "downloads") == ["words_1_all.deb"]


def test_fetch_packages_tries_again_over_a_bad_network(machine: Path, tmp_path: Path) -> None:
    fake_apt(
        machine,
        f'''
if [ -e "{machine}/tried" ]; then cp "{machine}/words_1_all.deb" .; exit 0; fi
touch "{machine}/tried"
echo "E: Failed to fetch http://x Could not connect to x:80" >&2; exit 100''',
    )
    debian.fetch_packages(["words"], tmp_path / "downloads")
    assert runs(machine) == ["download", "download"]


def test_fetch_packages_says_so_when_there_is_no_network(machine: Path, tmp_path: Path) -> None:
    fake_apt(machine, 'echo "E: Failed to fetch http://x  Temporary failure resolving" >&2; exit 100')
    with pytest.raises(DataError, match="no network after 3 attempts.*--deb_dir"):
        debian.fetch_packages(["words"], tmp_path / "downloads")
    assert os.listdir(tmp_path / "downloads") == []


def test_fetch_packages_stops_at_an_update_that_only_warns_of_no_network(
    machine: Path, tmp_path: Path
) -> None:
    fake_apt(
        machine,
        """
case "$*" in
*update) echo "W: Failed to fetch http://x  Could not resolve host" >&2; exit 0 ;;
*) echo "E: Unable to locate package words" >&2; exit 100 ;;
esac""",
    )
    with pytest.raises(DataError, match="no network"):
        debian.fetch_packages(["words"], tmp_path / "downloads")


def test_fetch_packages_lists_the_packages_when_nothing_knows_them(machine: Path, tmp_path: Path) -> None:
    fake_apt(
        machine, 'case "$*" in *update) ;; *) echo "E: Unable to locate package words" >&2; exit 100 ;; esac'
    )
    with pytest.raises(DataError, match="Unable to locate.*apt-get download words verbs.*--deb_dir"):
        debian.fetch_packages(["words", "verbs"], tmp_path / "downloads")


def test_fetch_packages_without_apt_says_what_to_bring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError, match="no apt-get to fetch words.*--deb_dir"):
        debian.fetch_packages(["words"], tmp_path / "downloads")


def test_fetch_packages_from_deb_dir_needs_neither_apt_nor_network(
    deb: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert debian.fetch_packages(["words"], tmp_path / "unused", deb_dir=tmp_path) == [deb]
    assert not (tmp_path / "unused").exists()
    with pytest.raises(DataError, match="no complete file verbs_.*deb.*words, verbs"):
        debian.fetch_packages(["words", "verbs"], tmp_path / "unused", deb_dir=tmp_path)
