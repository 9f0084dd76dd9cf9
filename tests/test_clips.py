"""Common Voice and CoVoST 2: whole clips, transcripts as they are, translations joined by the clip's name."""

from pathlib import Path

import pytest
from toy_asr import write_commonvoice, write_covost, write_tsv
from toy_dump import table

from synthst.audio import AudioError
from synthst.corpora import lengths
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
    assert read_info(tmp_path / "out")["counts"] == {"read": 3, "dropped_translated": 2, "kept": 1}


def test_a_release_is_known_by_its_clips_before_any_is_left_out(tmp_path: Path) -> None:
    write_commonvoice(tmp_path / "cv", SENTENCES)
    write_covost(tmp_path / "covost_v2.en_de.tsv", ROWS)
    prepare_covost(tmp_path / "cv", tmp_path / "covost_v2.en_de.tsv", tmp_path / "covost")
    without = tmp_path / "covost"
    with pytest.raises(DataError, match=r"validated.tsv has 3 utterances, wanted are 1 to 1"):
        prepare_commonvoice(tmp_path / "cv", tmp_path / "out", without=without, bounds={"validated": [1, 1]})
    prepare_commonvoice(tmp_path / "cv", tmp_path / "out", without=without, bounds={"validated": [3, 3]})


def test_clips_to_be_left_out_must_have_been_prepared(tmp_path: Path) -> None:
    write_commonvoice(tmp_path / "cv", SENTENCES)
    with pytest.raises(
        DataError, match=r"covost, .* is not there; run stage 1's covost first, or leave it out"
    ):
        prepare_commonvoice(tmp_path / "cv", tmp_path / "out", without=tmp_path / "covost")


def test_empty_and_broken_clips_are_dropped_and_named_below_a_share(tmp_path: Path) -> None:
    write_commonvoice(tmp_path / "cv", [*SENTENCES, "Four", "Five"])
    (tmp_path / "cv/clips/common_voice_en_2.mp3").write_bytes(b"")
    (tmp_path / "cv/clips/common_voice_en_4.mp3").write_bytes(b"ID3 broken")
    prepare_commonvoice(tmp_path / "cv", tmp_path / "out", max_no_audio=0.4)
    info = read_info(tmp_path / "out")
    assert info["counts"] == {"read": 5, "dropped_no_audio": 2, "kept": 3}
    assert info["no_audio"] == ["common_voice_en_2", "common_voice_en_4"]
    with pytest.raises(DataError, match=r"2 of 5 segments have no audio .* share of 0.3 .*en_2.mp3: no byte"):
        prepare_commonvoice(tmp_path / "cv", tmp_path / "other", max_no_audio=0.3)
    write_covost(tmp_path / "covost_v2.en_de.tsv", ROWS)
    prepare_covost(
        *(tmp_path / "cv", tmp_path / "covost_v2.en_de.tsv", tmp_path / "dev"), part="train", max_no_audio=0.0
    )
    with pytest.raises(DataError, match=r"en_2.mp3: no byte, the file is empty"):
        prepare_covost(
            *(tmp_path / "cv", tmp_path / "covost_v2.en_de.tsv", tmp_path / "test"),
            part="dev",
            max_no_audio=0.0,
        )


def test_a_part_of_the_clips_is_the_first_ones(tmp_path: Path) -> None:
    write_commonvoice(tmp_path / "cv", SENTENCES)
    write_covost(tmp_path / "covost_v2.en_de.tsv", ROWS)
    prepare_commonvoice(tmp_path / "cv", tmp_path / "out", max_segments=2)
    assert list(table(tmp_path / "out", "text.en")) == ["common_voice_en_1", "common_voice_en_2"]
    prepare_covost(tmp_path / "cv", tmp_path / "covost_v2.en_de.tsv", tmp_path / "train", max_segments=1)
    assert list(table(tmp_path / "train", "text.de")) == ["common_voice_en_1"]


def test_many_recordings_are_measured_in_processes_and_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_commonvoice(tmp_path / "cv", SENTENCES)
    wavs = [str(tmp_path / f"cv/clips/common_voice_en_{number}.mp3") for number in (3, 9, 1)]
    alone = lengths.read_lengths(wavs)
    monkeypatch.setattr(lengths, "FEW", 1)
    monkeypatch.setattr(lengths.os, "sched_getaffinity", lambda _: {0, 1})
    together = lengths.read_lengths(wavs)
    assert together[::2] == alone[::2] and isinstance(together[1], AudioError)


def test_a_backslash_is_left_out_as_covosts_own_script_does(tmp_path: Path) -> None:
    write_commonvoice(tmp_path / "cv", [r"A \"quoted\" word", r"Back \\\\ slash", "Tab \\\tin it"])
    write_covost(tmp_path / "covost_v2.en_de.tsv", [(1, r"Ein \"Wort\"", "train"), (3, "Ein Tab", "train")])
    prepare_covost(tmp_path / "cv", tmp_path / "covost_v2.en_de.tsv", tmp_path / "out")
    assert list(table(tmp_path / "out", "text.en").values()) == ['A "quoted" word', "Tab  in it"]
    assert list(table(tmp_path / "out", "text.de").values()) == ['Ein "Wort"', "Ein Tab"]
    rows = list(read_tsv(tmp_path / "cv/validated.tsv", ["sentence"], escaped=True))
    assert rows[1]["sentence"] == r"Back \\ slash"


def test_a_few_translations_without_a_transcript_are_dropped_and_counted(tmp_path: Path) -> None:
    write_commonvoice(tmp_path / "cv", ["One"] * 19)
    rows = [(number, "Eins", "train") for number in range(1, 21)]
    write_covost(tmp_path / "covost_v2.en_de.tsv", rows)
    out = tmp_path / "train"
    prepare_covost(tmp_path / "cv", tmp_path / "covost_v2.en_de.tsv", out, bounds={"train": [19, 19]})
    assert read_info(out)["counts"] == {"read": 20, "dropped_no_transcript": 1, "kept": 19}


def test_a_carriage_return_in_a_sentence_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    path = tmp_path / "validated.tsv"
    path.write_bytes(
        "\ufeffpath\tsentence\tsegment\r\na.mp3\tTwo\rlines\t\r\nb.mp3\tOne\u2028line\t\n".encode()
    )
    assert list(read_tsv(path, ["path", "sentence"])) == [
        {"path": "a.mp3", "sentence": "Two\rlines", "segment": ""},
        {"path": "b.mp3", "sentence": "One\u2028line", "segment": ""},
    ]


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
