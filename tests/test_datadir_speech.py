"""Subsets and combinations of speech data directories carry the speech tables along."""

from pathlib import Path

import pytest
from speech_data import read, write_segments, write_speech

from synthst.datadir import check_datadir, combine_datadirs, exclude_datadir, subset_datadir, table_names
from synthst.errors import DataError
from synthst.speechdir import check_speech, read_utterances

WAVS = {"r1": "one.wav", "r2": "two.wav", "r3": "cat 'three four.wav' |"}
SEGMENTS = {"u1": "r1 0 1", "u2": "r1 1 2", "u3": "r2 0.5 -1", "u4": "r3 0 1"}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_segments(tmp_path / "data", SEGMENTS, WAVS)


def test_a_subset_of_whole_recordings_is_speech(tmp_path: Path) -> None:
    data = write_speech(tmp_path / "data", {name: 0.2 for name in ("a1", "a2", "b1", "b2")})
    subset_datadir(data, tmp_path / "out", size=2)
    assert check_speech(tmp_path / "out").good == 2
    assert [table.rows for table in check_datadir(tmp_path / "out")] == [2] * 4


def test_a_directory_with_segments_is_checked_by_utterance(data: Path) -> None:
    assert table_names(data) == ["segments", "text.en", "utt2spk"]
    assert [table.rows for table in check_datadir(data)] == [4] * 3


def test_a_subset_has_only_the_recordings_of_its_segments(tmp_path: Path, data: Path) -> None:
    minus = write_segments(tmp_path / "minus", {"u3": "x 0 1"}, {"x": "x.wav"})
    exclude_datadir(data, minus, tmp_path / "out")
    assert read(tmp_path / "out" / "segments") == "u1 r1 0 1\nu2 r1 1 2\nu4 r3 0 1\n"
    assert read(tmp_path / "out" / "wav.scp") == "r1 one.wav\nr3 cat 'three four.wav' |\n"


def test_parts_that_share_a_recording_combine_to_the_whole(tmp_path: Path, data: Path) -> None:
    subset_datadir(data, tmp_path / "part", size=1)
    exclude_datadir(data, tmp_path / "part", tmp_path / "rest")
    combine_datadirs([tmp_path / "part", tmp_path / "rest"], tmp_path / "whole")
    for name in ("segments", "wav.scp", "utt2spk", "text.en"):
        assert read(tmp_path / "whole" / name) == read(data / name)
    assert list(read_utterances(tmp_path / "whole")) == list(read_utterances(data))


def test_another_recording_under_the_same_id_is_refused(tmp_path: Path, data: Path) -> None:
    other = write_segments(tmp_path / "other", {"v1": "r1 0 1"}, {"r1": "another.wav"})
    with pytest.raises(
        DataError, match=r"recording r1 is 'one\.wav' in another directory, 'another\.wav' here"
    ):
        combine_datadirs([data, other], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_recording_that_is_nowhere_is_refused(tmp_path: Path, data: Path) -> None:
    (data / "wav.scp").write_text("r1 one.wav\nr3 three.wav\n")
    with pytest.raises(DataError, match=r"wav\.scp lacks 1 of 3 recordings, the first is r2"):
        combine_datadirs([data], tmp_path / "out")


def test_combine_takes_the_texts_that_are_asked_for(tmp_path: Path) -> None:
    for name, langs in (("a", ("en", "de")), ("b", ("en",))):
        (tmp_path / name).mkdir()
        for lang in langs:
            (tmp_path / name / f"text.{lang}").write_text(f"{name}1 {lang} of {name}\n", encoding="utf-8")
    parents = [tmp_path / "a", tmp_path / "b"]
    with pytest.raises(DataError, match=r"b has text\.en but .*a has text\.de, text\.en"):
        combine_datadirs(parents, tmp_path / "all")
    assert combine_datadirs(parents, tmp_path / "transcripts", langs=["en"]) == 2
    assert sorted(path.name for path in (tmp_path / "transcripts").iterdir()) == ["info.json", "text.en"]
    assert (tmp_path / "transcripts/text.en").read_text(encoding="utf-8") == "a1 en of a\nb1 en of b\n"
