"""MuST-C and corpora of its form become speech data directories; texts cannot shift."""

import shutil
from pathlib import Path

import pytest
from toy_asr import write_europarl_st
from toy_dump import table
from toy_iwslt import write_mustc, write_st_ted

from synthst.corpora.mustc import prepare_mustc, read_items
from synthst.errors import DataError
from synthst.info import read_info
from synthst.speechdir import check_speech

TALKS = {7: [("One two", "Eins zwei"), ("Three", "Drei")], 12: [("Four", "Vier")]}


def test_a_part_becomes_a_data_directory_with_its_lines_in_order(tmp_path: Path) -> None:
    sentences = write_mustc(tmp_path, "dev", TALKS)
    out = tmp_path / "dev"
    prepare_mustc(tmp_path, out, part="dev", bounds={"dev": [3, 3]})
    assert table(out, "text.en") == {
        "mustc_dev_0000001": "One two",
        "mustc_dev_0000002": "Three",
        "mustc_dev_0000003": "Four",
    }
    assert list(table(out, "text.de").values()) == ["Eins zwei", "Drei", "Vier"]
    # "One two" has 6 letters of 0.05 s after 0.1 s of silence; "Three" 5, after 0.1 s more
    assert table(out, "segments") == {
        "mustc_dev_0000001": "ted_7 0.100000 0.400000",
        "mustc_dev_0000002": "ted_7 0.500000 0.750000",
        "mustc_dev_0000003": "ted_12 0.100000 0.300000",
    }
    assert [sentence.start for sentence in sentences] == [0.1, 0.5, 0.1]
    assert list(table(out, "utt2spk").values()) == ["spk.7", "spk.7", "spk.12"]
    assert table(out, "wav.scp") == {
        f"ted_{talk}": str(tmp_path / f"en-de/data/dev/wav/ted_{talk}.wav") for talk in (12, 7)
    }
    assert check_speech(out).good == 3


def test_st_ted_has_the_same_form_in_other_places_and_may_lack_a_translation(tmp_path: Path) -> None:
    write_st_ted(tmp_path / "iwslt-corpus", {3: [("One", "Eins"), ("Two", "")]})
    prepare_mustc(tmp_path / "iwslt-corpus", tmp_path / "out", layout="st_ted")
    assert table(tmp_path / "out", "text.de") == {"st_ted_train_0000001": "Eins"}
    assert read_info(tmp_path / "out")["counts"] == {"read": 2, "dropped_no_text_de": 1, "kept": 1}


def test_without_audio_the_texts_of_all_segments_are_kept(tmp_path: Path) -> None:
    write_mustc(tmp_path, "dev", {**TALKS, 13: [("Five", ""), ("Six\x07", "Sechs")]})
    shutil.rmtree(tmp_path / "en-de/data/dev/wav")
    listed = tmp_path / "en-de/data/dev/txt/dev.yaml"
    listed.write_text(listed.read_text(encoding="utf-8").replace("offset: 0.5", "offset: 9000.5"))
    prepare_mustc(tmp_path, tmp_path / "out", part="dev", bounds={"dev": [5, 5]}, audio=False)
    assert list(table(tmp_path / "out", "text.en").values()) == ["One two", "Three", "Four"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["info.json", "text.de", "text.en"]
    counts = {"read": 5, "dropped_no_text_de": 1, "dropped_control_character": 1, "kept": 3}
    assert read_info(tmp_path / "out")["counts"] == counts
    with pytest.raises(DataError, match=r"data/dev/wav is missing"):
        prepare_mustc(tmp_path, tmp_path / "speech", part="dev")


@pytest.mark.parametrize("name", ["dev.en", "dev.de", "dev.yaml"])
def test_a_line_too_few_stops_and_gives_the_counts(tmp_path: Path, name: str) -> None:
    write_mustc(tmp_path, "dev", TALKS)
    path = tmp_path / "en-de/data/dev/txt" / name
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[: -2 if name == "dev.yaml" else -1]), encoding="utf-8")
    with pytest.raises(DataError, match=rf"do not match in number.*{name} 2"):
        prepare_mustc(tmp_path, tmp_path / "out", part="dev")
    assert not (tmp_path / "out").exists()


def test_a_part_may_be_cut_down_to_its_first_segments(tmp_path: Path) -> None:
    write_mustc(tmp_path, "dev", TALKS)
    prepare_mustc(tmp_path, tmp_path / "dev", part="dev", max_segments={"dev": 2, "train": 1})
    assert list(table(tmp_path / "dev", "text.de").values()) == ["Eins zwei", "Drei"]
    assert list(table(tmp_path / "dev", "wav.scp")) == ["ted_7"]


def test_recordings_that_are_missing_are_asked_for_early_and_late(tmp_path: Path) -> None:
    write_europarl_st(tmp_path, [("One", "Eins")])
    (wav,) = (tmp_path / "en/audios").iterdir()
    wav.rename(wav.with_suffix(".m4a"))
    with pytest.raises(DataError, match=r"183.wav is missing; download Europarl-ST .*ffmpeg -i"):
        prepare_mustc(tmp_path, tmp_path / "out", layout="europarl_st")
    write_mustc(tmp_path, "dev", TALKS)
    (tmp_path / "en-de/data/dev/wav/ted_12.wav").unlink()
    with pytest.raises(
        DataError, match=r"ted_12.wav: the file is missing; fill in the form at https://mt.fbk"
    ):
        prepare_mustc(tmp_path, tmp_path / "out", part="dev")


def test_counts_outside_the_bounds_stop(tmp_path: Path) -> None:
    write_mustc(tmp_path, "dev", TALKS)
    with pytest.raises(DataError, match=r"dev.yaml has 3 utterances, wanted are 1,400 to 1,430; is the"):
        prepare_mustc(tmp_path, tmp_path / "out", part="dev", bounds={"dev": [1400, 1430]})


def test_bounds_and_limits_of_other_parts_do_not_count(tmp_path: Path) -> None:
    write_mustc(tmp_path, "dev", TALKS)
    for more in ({}, {"bounds": {"train": [1, 2]}, "max_segments": {"train": 1}}):
        prepare_mustc(tmp_path, tmp_path / "out", part="dev", **more)  # type: ignore[arg-type]


def test_what_is_missing_is_named_with_what_to_download(tmp_path: Path) -> None:
    with pytest.raises(
        DataError,
        match=r"en-de/data/train/txt/train.yaml is missing; fill in the form at https://mt.fbk.eu/must-c/, ",
    ):
        prepare_mustc(tmp_path, tmp_path / "out")


def test_a_missing_recording_is_named(tmp_path: Path) -> None:
    write_mustc(tmp_path, "dev", TALKS)
    (tmp_path / "en-de/data/dev/wav/ted_12.wav").unlink()
    with pytest.raises(DataError, match=r"ted_12.wav"):
        prepare_mustc(tmp_path, tmp_path / "out", part="dev")


def test_items_may_be_quoted_wrapped_or_without_a_speaker(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    quoted = '- {"wav": "PATH/wavs/a.wav", "offset":1.5, "duration":2}'
    path.write_text(f"\n{quoted}\n- {{duration: 1.0,\n  offset: 0, wav: b.wav}}\n", encoding="utf-8")
    assert list(read_items(path)) == [(1.5, 2.0, "PATH/wavs/a.wav", ""), (0.0, 1.0, "b.wav", "")]


@pytest.mark.parametrize(
    "item", ["- {offset: 1.0, wav: a.wav}", "- {duration: .nan, offset: 1, wav: a}", "- !!x 1"]
)
def test_an_item_that_is_no_segment_is_named(tmp_path: Path, item: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(f"- {{duration: 1, offset: 0, wav: a.wav}}\n{item}\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"a.yaml:2: no segment .*; wanted is - \{duration"):
        list(read_items(path))


def test_europarl_st_has_a_list_of_recordings_and_times(tmp_path: Path) -> None:
    write_europarl_st(tmp_path, [("One", "Eins"), ("Two", "Zwei")])
    prepare_mustc(tmp_path, tmp_path / "out", layout="europarl_st")
    assert table(tmp_path / "out", "text.de") == {
        "europarl_st_train_0000001": "Eins",
        "europarl_st_train_0000002": "Zwei",
    }
    assert list(table(tmp_path / "out", "segments").values()) == [
        "ep-asr-en.20080116.17.3-183 0.100000 0.250000",
        "ep-asr-en.20080116.17.3-183 0.350000 0.500000",
    ]
    assert check_speech(tmp_path / "out").good == 2
