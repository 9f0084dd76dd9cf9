from pathlib import Path

import pytest
from fake_teacher import FakeTeacher, write_data

from synthst.errors import DataError
from synthst.info import read_info
from synthst.tables import write_table
from synthst.targets.expand import expand_targets
from synthst.targets.replace import replace_targets
from synthst.teacher.decode import decode_corpus


@pytest.fixture
def store(tmp_path: Path) -> Path:
    sources = write_data(tmp_path / "decoded", ["one", "two", "three", ""][:3])
    return decode_corpus(FakeTeacher(str.upper), sources, tmp_path / "store", src="en")


@pytest.fixture
def base(tmp_path: Path, store: Path) -> Path:
    data = write_data(tmp_path / "train", ["one", "two"])
    replace_targets(data, store, tmp_path / "base", src="en", tgt="de")
    return tmp_path / "base"


def extra_data(tmp_path: Path, rows: dict[str, str]) -> Path:
    directory = tmp_path / "extra"
    directory.mkdir()
    write_table(directory / "text.en", rows.items())
    (directory / "text.de").write_bytes(b"poison: no \xff table\n\n")
    return directory


def read(path: Path) -> str:
    return path.read_bytes().decode("utf-8")


def test_expand_targets_merges_in_byte_order_and_reads_no_reference_of_the_extra_text(
    tmp_path: Path, base: Path, store: Path
) -> None:
    extra = extra_data(tmp_path, {"a1": "three", "u0000005": "one", "\U0001f600": "two"})
    expand_targets(base, extra, store, tmp_path / "out", src="en", tgt="de")
    assert read(tmp_path / "out" / "text.en") == (
        "a1 three\nu000000 one\nu0000005 one\nu000001 two\n\U0001f600 two\n"
    )
    assert read(tmp_path / "out" / "text.de") == (
        "a1 THREE\nu000000 ONE\nu0000005 ONE\nu000001 TWO\n\U0001f600 TWO\n"
    )
    info = read_info(tmp_path / "out")
    assert info["parents"] == [str(base), str(extra), str(store)]
    assert info["counts"] == {
        "base": 2,
        "kept": 3,
        "kept_cleaned": 0,
        "kept_cut_off": 0,
        "dropped_empty": 0,
        "dropped_cut_off": 0,
    }


def test_an_id_in_both_is_refused_with_counts_unless_prefixed(
    tmp_path: Path, base: Path, store: Path
) -> None:
    extra = extra_data(tmp_path, {"u000000": "three", "u000001": "one", "u000002": "two"})
    with pytest.raises(DataError, match="2 of 3 ids occur twice .* the first is u000000"):
        expand_targets(base, extra, store, tmp_path / "out", src="en", tgt="de")
    assert not (tmp_path / "out").exists()
    expand_targets(base, extra, store, tmp_path / "out", src="en", tgt="de", prefix="mono_")
    assert read(tmp_path / "out" / "text.de") == (
        "mono_u000000 THREE\nmono_u000001 ONE\nmono_u000002 TWO\nu000000 ONE\nu000001 TWO\n"
    )


def test_expand_targets_stops_when_the_store_lacks_a_source(tmp_path: Path, base: Path, store: Path) -> None:
    extra = extra_data(tmp_path, {"x1": "three", "x2": "four"})
    with pytest.raises(DataError, match=r'lacks 1 of 2 sources of .*, the first is x2 \("four"\)'):
        expand_targets(base, extra, store, tmp_path / "out", src="en", tgt="de")


def test_a_second_run_does_nothing(tmp_path: Path, base: Path, store: Path) -> None:
    extra = extra_data(tmp_path, {"x1": "three"})
    for _ in range(2):
        expand_targets(base, extra, store, tmp_path / "out", src="en", tgt="de")
    with pytest.raises(DataError, match='prefix: "" then, "m_" now'):
        expand_targets(base, extra, store, tmp_path / "out", src="en", tgt="de", prefix="m_")
