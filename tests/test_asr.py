"""LibriSpeech and VoxPopuli in their own forms become transcribed speech through lhotse."""

import gzip
from pathlib import Path

import pytest

pytest.importorskip("lhotse", reason="lhotse is an optional extra")

from toy_asr import write_librispeech, write_voxpopuli
from toy_dump import table

from synthst.corpora.asr import prepare_asr
from synthst.errors import ConfigError, DataError
from synthst.info import read_info
from synthst.speechdir import check_speech

SENTENCES = ["Hello there.", "And again."]  # 10 and 8 letters of 50 ms


def test_librispeech_with_two_parts(tmp_path: Path) -> None:
    write_librispeech(tmp_path / "LibriSpeech", "train-clean-100", SENTENCES)
    out = tmp_path / "libri"
    bounds = {"train-clean-100": [2, 2]}
    for _ in range(2):  # the second time it is there already
        prepare_asr(
            tmp_path / "LibriSpeech", out, corpus="librispeech", parts=["train-clean-100"], bounds=bounds
        )
    assert table(out, "text.en") == {"103-1240-0000": "HELLO THERE", "103-1240-0001": "AND AGAIN"}
    assert table(out, "utt2dur") == {"103-1240-0000": "0.500", "103-1240-0001": "0.400"}
    assert table(out, "utt2spk")["103-1240-0001"] == "103"
    assert read_info(tmp_path / "libri_train-clean-100")["licence"] == "CC-BY-4.0"
    assert check_speech(out, rate=16_000).good == 2


@pytest.mark.parametrize(
    ("field", "wanted"), [("text", ["hello there", "and again"]), ("orig_text", SENTENCES)]
)
def test_voxpopuli_has_two_texts_to_choose_from(tmp_path: Path, field: str, wanted: list[str]) -> None:
    write_voxpopuli(tmp_path / "vox", SENTENCES)
    out = tmp_path / "out"
    prepare_asr(tmp_path / "vox", out, corpus="voxpopuli", parts=["train"], text_field=field)
    assert list(table(out, "text.en").values()) == wanted
    audio = tmp_path / "vox/raw_audios/original/2009/20090112-0900-PLENARY-3_original.ogg"
    assert table(out, "wav.scp") == {"20090112-0900-PLENARY-3": str(audio)}
    assert check_speech(out, rate=16_000).good == 2


def test_voxpopuli_may_lie_in_the_folder_of_its_language(tmp_path: Path) -> None:
    write_voxpopuli(tmp_path / "vox", SENTENCES, audio="en")
    out = tmp_path / "out"
    prepare_asr(tmp_path / "vox", out, corpus="voxpopuli", parts=["train"])
    audio = tmp_path / "vox/raw_audios/en/2009/20090112-0900-PLENARY-3_en.ogg"
    assert table(out, "wav.scp") == {"20090112-0900-PLENARY-3": str(audio)}


def test_a_part_of_the_utterances_may_do(tmp_path: Path) -> None:
    write_librispeech(tmp_path, "dev-clean", SENTENCES)
    for name, size in (("one", 1), ("both", 9)):
        prepare_asr(tmp_path, tmp_path / name, corpus="librispeech", parts=["dev-clean"], max_segments=size)
    assert len(table(tmp_path / "one", "text.en")) == 1
    assert len(table(tmp_path / "both", "text.en")) == 2


def test_a_count_outside_its_bounds_stops(tmp_path: Path) -> None:
    write_librispeech(tmp_path, "dev-clean", SENTENCES)
    with pytest.raises(DataError, match=r"librispeech dev-clean has 2 utterances, wanted are 2,703 to 2,703"):
        prepare_asr(
            *(tmp_path, tmp_path / "out"),
            corpus="librispeech",
            parts=["dev-clean"],
            bounds={"dev-clean": [2703, 2703]},
        )
    assert not list(tmp_path.glob("out*"))  # so that the whole download is read, once it is there
    write_librispeech(tmp_path / "whole", "dev-clean", SENTENCES)
    prepare_asr(tmp_path / "whole", tmp_path / "out", corpus="librispeech", parts=["dev-clean"])


def test_utterances_that_lhotse_drops_for_lack_of_a_recording_count_as_too_few(tmp_path: Path) -> None:
    write_voxpopuli(tmp_path / "vox", SENTENCES)
    with gzip.open(tmp_path / "vox/asr_en.tsv.gz", "at", encoding="utf-8") as file:
        file.write("20100112-0900-PLENARY-3|en_1|Gone.|gone|7|train|male|False|0.1|0.3|[(0.1, 0.3)]\n")

    def prepare(out: str, count: int) -> None:
        bounds = {"train": [count, count]}
        prepare_asr(tmp_path / "vox", tmp_path / out, corpus="voxpopuli", parts=["train"], bounds=bounds)

    prepare("two", 2)
    with pytest.raises(DataError, match=r"vox: voxpopuli train has 2 utterances, wanted are 3 to 3"):
        prepare("three", 3)
    assert not list(tmp_path.glob("three*"))


def test_utterances_without_a_text_count_for_the_bounds(tmp_path: Path) -> None:
    write_voxpopuli(tmp_path / "vox", SENTENCES)
    with gzip.open(tmp_path / "vox/asr_en.tsv.gz", "at", encoding="utf-8") as file:
        session = "20090112-0900-PLENARY-3"
        file.write(f"{session}|en_9||and again|7|train|male|False|0.1|0.3|[(0.1, 0.3)]\n")
    prepare_asr(
        *(tmp_path / "vox", tmp_path / "out"),
        corpus="voxpopuli",
        parts=["train"],
        text_field="orig_text",
        bounds={"train": [3, 3]},
    )
    assert len(table(tmp_path / "out", "text.en")) == 2


def test_what_is_missing_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"raw_audios/original is missing; download voxpopuli from .*--subset asr"
    ):
        prepare_asr(tmp_path, tmp_path / "out", corpus="voxpopuli", parts=["train"])
    with pytest.raises(ConfigError, match=r"'libri', wanted is one of: librispeech, voxpopuli"):
        prepare_asr(tmp_path, tmp_path / "out", corpus="libri", parts=["train"])
