"""Common Voice and CoVoST 2: whole clips, transcripts as they are, translations joined by the clip's name."""

from pathlib import Path

import pytest
from toy_asr import write_commonvoice, write_covost, write_tsv
from toy_dump import table

from synthst.corpora.clips import prepare_commonvoice, prepare_covost, read_tsv
from synthst.errors import DataError
from synthst.info import read_info
from synthst.speechdir import check_speech

SENTENCES = ['He said "no.', "Two words.", "Three"]
ROWS = [(1, 'Er sagte "nein.', "train"), (3, "Drei", "train_covost"), (2, "Zwei Wörter.", "dev")]


def test_common_voice_becomes_transcribed_speech(tmp_path: Path) -> None:
    write_commonvoice(tmp_path / "cv", SENTENCES)
    out = tmp_path / "out"
    prepare_commonvoice(tmp_path / "cv", out, bounds={"validated": [3, 3]})
    wanted = {f"common_voice_en_{number}": text for number, text in enumerate(SENTENCES, 1)}
    assert table(out, "text.en") == wanted
    assert table(out, "utt2spk")["common_voice_en_2"] == "client2"
    seconds = {key: float(value) for key, value in table(out, "utt2dur").items()}
    # 50 ms for each of the 8, 8 and 5 letters; an MP3 may be longer by a frame or two of 36 ms
    for key, letters in zip(wanted, (8, 8, 5), strict=True):
        assert 0.05 * letters <= seconds[key] < 0.05 * letters + 0.1
    assert check_speech(out).good == 3


def test_covost_joins_translations_by_clip_and_takes_its_own_training_split(tmp_path: Path) -> None:
    write_commonvoice(tmp_path / "cv", SENTENCES)
    write_covost(tmp_path / "covost_v2.en_de.tsv", ROWS)
    prepare_covost(tmp_path / "cv", tmp_path / "covost_v2.en_de.tsv", tmp_path / "train")
    assert table(tmp_path / "train", "text.en") == {
        "common_voice_en_1": 'He said "no.',
        "common_voice_en_3": "Three",
    }
    assert table(tmp_path / "train", "text.de") == {
        "common_voice_en_1": 'Er sagte "nein.',
        "common_voice_en_3": "Drei",
    }
    prepare_covost(tmp_path / "cv", tmp_path / "covost_v2.en_de.tsv", tmp_path / "dev", part="dev")
    assert table(tmp_path / "dev", "text.de") == {"common_voice_en_2": "Zwei Wörter."}


def test_clips_that_have_translations_are_left_out_of_those_that_have_none(tmp_path: Path) -> None:
    write_commonvoice(tmp_path / "cv", SENTENCES)
    write_covost(tmp_path / "covost_v2.en_de.tsv", ROWS)
    prepare_covost(tmp_path / "cv", tmp_path / "covost_v2.en_de.tsv", tmp_path / "covost")
    prepare_commonvoice(tmp_path / "cv", tmp_path / "out", without=tmp_path / "covost")
    assert list(table(tmp_path / "out", "text.en")) == ["common_voice_en_2"]
    assert read_info(tmp_path / "out")["counts"] == {"read": 1, "kept": 1}


def test_a_translation_without_a_transcript_stops(tmp_path: Path) -> None:
    write_commonvoice(tmp_path / "cv", SENTENCES)
    write_covost(tmp_path / "covost_v2.en_de.tsv", [*ROWS, (9, "Neun", "train")])
    with pytest.raises(
        DataError, match=r"lacks 1 of 3 clips of CoVoST, the first is common_voice_en_9.mp3; take"
    ):
        prepare_covost(tmp_path / "cv", tmp_path / "covost_v2.en_de.tsv", tmp_path / "train")


def test_a_clip_that_is_missing_and_too_few_clips_stop(tmp_path: Path) -> None:
    write_commonvoice(tmp_path / "cv", SENTENCES)
    with pytest.raises(DataError, match=r"validated.tsv has 3 utterances, wanted are 4 to 5"):
        prepare_commonvoice(tmp_path / "cv", tmp_path / "out", bounds={"validated": [4, 5]})
    (tmp_path / "cv/clips/common_voice_en_2.mp3").unlink()
    with pytest.raises(DataError, match=r"common_voice_en_2.mp3"):
        prepare_commonvoice(tmp_path / "cv", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [
        ([["path", "text"]], r"a.tsv has no column sentence; it has path, text"),
        ([["path", "sentence"], ["a", "b"], ["c"]], r"a.tsv:3: not as many fields as the header"),
        ([["path", "sentence"], ["a", "b", "c"]], r"a.tsv:2: not as many fields as the header"),
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path: Path, rows: list[list[str]], wanted: str) -> None:
    write_tsv(tmp_path / "a.tsv", rows)
    with pytest.raises(DataError, match=wanted):
        list(read_tsv(tmp_path / "a.tsv", ("path", "sentence")))


def test_a_byte_that_is_not_utf8_is_told_with_its_file(tmp_path: Path) -> None:
    (tmp_path / "validated.tsv").write_bytes(b"path\tsentence\nclip.mp3\tcaf\xe9\n")
    with pytest.raises(DataError, match=r"validated.tsv is cut short or damaged"):
        list(read_tsv(tmp_path / "validated.tsv", ["path"]))
