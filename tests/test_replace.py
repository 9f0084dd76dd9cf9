from pathlib import Path

import pytest
from fake_teacher import FakeTeacher, write_data

from synthst.datadir import check_datadir
from synthst.errors import ConfigError, DataError
from synthst.info import read_info
from synthst.targets.replace import replace_targets
from synthst.teacher.decode import decode_corpus

GERMAN = {"one": "eins", "two": "zwei", "three": "drei"}


def decode(tmp_path: Path, translation: dict[str, str], *, finished: bool = True) -> Path:
    sources = write_data(tmp_path / "decoded", translation)
    return decode_corpus(
        FakeTeacher(translation.__getitem__, finished=finished), sources, tmp_path / "store", src="en"
    )


def read(path: Path) -> str:
    return path.read_bytes().decode("utf-8")


def test_replace_targets_keeps_ids_and_sources_and_takes_every_target_from_the_store(tmp_path: Path) -> None:
    store = decode(tmp_path, GERMAN)
    data = write_data(tmp_path / "data", ["two", "one", "two"])
    (data / "text.de").write_bytes(b"the \xff references\tare not read")
    replace_targets(data, store, tmp_path / "out", src="en", tgt="de")
    assert read(tmp_path / "out" / "text.en") == read(data / "text.en")
    assert read(tmp_path / "out" / "text.de") == "u000000 zwei\nu000001 eins\nu000002 zwei\n"
    assert read(tmp_path / "out" / "dropped.tsv") == ""
    assert [summary.rows for summary in check_datadir(tmp_path / "out")] == [3, 3]


def test_info_says_which_teacher_made_the_targets_and_what_was_kept(tmp_path: Path) -> None:
    store = decode(tmp_path, GERMAN)
    data = write_data(tmp_path / "data", ["two"])
    replace_targets(data, store, tmp_path / "out", src="en", tgt="de")
    info = read_info(tmp_path / "out")
    assert info["teacher"] == {"kind": "fake", "name": "fake"}
    assert info["parents"] == [str(data), str(store)]
    assert info["counts"] == {
        "kept": 1,
        "kept_cleaned": 0,
        "kept_cut_off": 0,
        "dropped_empty": 0,
        "dropped_cut_off": 0,
    }


def test_replace_targets_stops_when_the_teacher_lacks_an_utterance(tmp_path: Path) -> None:
    store = decode(tmp_path, GERMAN)
    data = write_data(tmp_path / "data", ["one", "four", "four", "two"])
    with pytest.raises(
        DataError, match=r'lacks 2 of 4 sources of .*, the first is u000001 \("four"\); run stage 3'
    ):
        replace_targets(data, store, tmp_path / "out", src="en", tgt="de")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "decoded", "store"]


def test_an_empty_hypothesis_stops_for_the_students_would_not_share_ids(tmp_path: Path) -> None:
    store = decode(tmp_path, {"one": "eins", "two": "", "three": " \t"})
    data = write_data(tmp_path / "data", ["one", "three", "two"])
    with pytest.raises(DataError, match=r'has 2 empty hypotheses .* the first is for u000001 \("three"\)'):
        replace_targets(data, store, tmp_path / "out", src="en", tgt="de")
    assert not (tmp_path / "out").exists()


def test_empty_hypotheses_are_dropped_from_both_sides_when_asked(tmp_path: Path) -> None:
    store = decode(tmp_path, {"one": "eins", "two": ""})
    data = write_data(tmp_path / "data", ["two", "one", "two"])
    replace_targets(data, store, tmp_path / "out", src="en", tgt="de", empty="drop")
    assert read(tmp_path / "out" / "text.en") == "u000001 one\n"
    assert read(tmp_path / "out" / "text.de") == "u000001 eins\n"
    assert read(tmp_path / "out" / "dropped.tsv") == "u000000\tempty\nu000002\tempty\n"
    assert read_info(tmp_path / "out")["counts"]["dropped_empty"] == 2  # type: ignore[index]


def test_cut_off_hypotheses_are_kept_and_counted_or_dropped(tmp_path: Path) -> None:
    finished = decode(tmp_path, {"one": "eins"})
    data = write_data(tmp_path / "data", ["one", "two"])
    sources = write_data(tmp_path / "more", ["two"])
    decode_corpus(FakeTeacher(GERMAN.__getitem__, finished=False), sources, finished, src="en")
    replace_targets(data, finished, tmp_path / "kept", src="en", tgt="de")
    replace_targets(data, finished, tmp_path / "dropped", src="en", tgt="de", drop_cut_off=True)
    assert read(tmp_path / "kept" / "text.de") == "u000000 eins\nu000001 zwei\n"
    assert read_info(tmp_path / "kept")["counts"]["kept_cut_off"] == 1  # type: ignore[index]
    assert read(tmp_path / "dropped" / "text.de") == "u000000 eins\n"
    assert read(tmp_path / "dropped" / "dropped.tsv") == "u000001\tcut_off\n"


def test_nothing_kept_is_an_error(tmp_path: Path) -> None:
    store = decode(tmp_path, {"one": ""})
    with pytest.raises(DataError, match="leaves no target"):
        replace_targets(tmp_path / "decoded", store, tmp_path / "out", src="en", tgt="de", empty="drop")


def test_control_characters_and_outer_blanks_of_a_hypothesis_are_cleaned_and_counted(tmp_path: Path) -> None:
    store = decode(tmp_path, {"one": " a\tb\r\nc\x7f\u2028", "two": "d\u2028e"})
    replace_targets(tmp_path / "decoded", store, tmp_path / "out", src="en", tgt="de")
    assert read(tmp_path / "out" / "text.de") == "u000000 a b c\nu000001 d\u2028e\n"
    assert read_info(tmp_path / "out")["counts"]["kept_cleaned"] == 1  # type: ignore[index]


def test_a_second_run_does_nothing_and_another_one_is_refused(tmp_path: Path) -> None:
    store = decode(tmp_path, GERMAN)
    out = tmp_path / "out"
    replace_targets(tmp_path / "decoded", store, out, src="en", tgt="de")
    before = (out / "info.json").stat().st_mtime_ns
    replace_targets(tmp_path / "decoded", store, out, src="en", tgt="de")
    assert (out / "info.json").stat().st_mtime_ns == before
    with pytest.raises(DataError, match="drop_cut_off: false then, true now"):
        replace_targets(tmp_path / "decoded", store, out, src="en", tgt="de", drop_cut_off=True)


def test_an_unknown_policy_is_refused(tmp_path: Path) -> None:
    store = decode(tmp_path, GERMAN)
    with pytest.raises(ConfigError, match="give error or drop"):
        replace_targets(tmp_path / "decoded", store, tmp_path / "out", src="en", tgt="de", empty="x")  # type: ignore[arg-type]
