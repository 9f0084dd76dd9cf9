"""info.json: where a directory comes from, and whether it is there already."""

import json
import sys
from pathlib import Path

import pytest

from synthst.errors import DataError
from synthst.info import is_made, read_info, write_info


def test_write_info_keeps_counts_parents_command_and_versions(tmp_path: Path) -> None:
    write_info(tmp_path, {"size": 3}, counts={"kept": 3}, parents=[Path("data/x")], teacher="é")
    info = json.loads((tmp_path / "info.json").read_bytes())
    assert info["made_by"] == {"size": 3}
    assert (info["counts"], info["parents"], info["teacher"]) == ({"kept": 3}, ["data/x"], "é")
    assert info["command"] == sys.argv
    assert set(info["versions"]) == {"synthst", "python"}
    assert read_info(tmp_path) == info


def test_a_directory_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    assert not is_made(tmp_path / "out", {"size": 3})


def test_a_directory_made_by_the_same_options_is_made(tmp_path: Path) -> None:
    made_by = {"data": Path("data/x"), "sizes": (1, 2), "beam": {"size": 4}}
    write_info(tmp_path, made_by)
    assert is_made(tmp_path, made_by)


def test_a_directory_made_otherwise_is_refused_with_the_options_that_differ(tmp_path: Path) -> None:
    write_info(tmp_path, {"size": 3, "seed": 0, "old": 1})
    with pytest.raises(DataError) as caught:
        is_made(tmp_path, {"size": 4, "seed": 0, "new": "x"})
    assert str(caught.value) == (
        f'{tmp_path} was made otherwise (size: 3 then, 4 now; new: nothing then, "x" now; '
        "old: 1 then, nothing now); remove it, or name another one"
    )


@pytest.mark.parametrize("content", [None, b"{", b"[]", b"\xff"])
def test_a_directory_without_a_whole_info_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "info.json").write_bytes(content)
    with pytest.raises(DataError, match=r"info\.json .* remove"):
        is_made(tmp_path, {"size": 3})


def test_write_info_refuses_what_json_cannot_keep(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="info.json takes"):
        write_info(tmp_path, {"size": object()})
    assert list(tmp_path.iterdir()) == []
