"""TED-LIUM 3's sphere files and STM lists become transcribed speech."""

from pathlib import Path

import pytest
from toy_asr import write_tedlium
from toy_dump import table

from synthst.corpora.tedlium import clean_transcript, prepare_tedlium
from synthst.errors import DataError
from synthst.info import read_info
from synthst.speechdir import check_speech


def test_sphere_files_are_read_and_what_is_not_transcribed_is_left_out(tmp_path: Path) -> None:
    write_tedlium(tmp_path, "train", ["Hello there.", "And again."])  # 10 and 8 letters of 50 ms
    out = tmp_path / "out"
    prepare_tedlium(tmp_path, out, bounds={"train": [2, 2]})
    assert table(out, "text.en") == {"AlGore_2009-1": "hello there", "AlGore_2009-2": "and again"}
    assert table(out, "segments") == {
        "AlGore_2009-1": "AlGore_2009 0.100000 0.600000",
        "AlGore_2009-2": "AlGore_2009 0.700000 1.100000",
    }
    assert read_info(out)["counts"] == {"untranscribed": 1, "read": 2, "kept": 2}
    assert check_speech(out, rate=16_000).good == 2


def test_comments_are_no_segments_but_count_in_ids(tmp_path: Path) -> None:
    write_tedlium(tmp_path, "dev", ["Hello"])
    stm = tmp_path / "legacy/dev/stm/AlGore_2009.stm"
    stm.write_text(';; LABEL "f0" "Wideband"\n' + stm.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    prepare_tedlium(tmp_path, tmp_path / "out", part="dev")
    assert table(tmp_path / "out", "text.en") == {"AlGore_2009-2": "hello"}


def test_noises_are_no_words_and_segments_that_lack_a_word_are_dropped(tmp_path: Path) -> None:
    write_tedlium(
        tmp_path, "train", ["It's {NOISE} so good. [NOISE]", "The <unk> isn't here.", "{SMACK} {COUGH}"]
    )
    stm = (tmp_path / "legacy/train/stm/AlGore_2009.stm").read_text(encoding="utf-8")
    assert "> it 's {NOISE} so good [NOISE]\n" in stm and "> the <unk> isn 't here\n" in stm
    out = tmp_path / "out"
    prepare_tedlium(tmp_path, out, bounds={"train": [3, 3]})
    assert table(out, "text.en") == {"AlGore_2009-1": "it's so good"}
    counts = {"untranscribed": 1, "read": 3, "dropped_unknown_word": 1, "dropped_no_text_en": 1, "kept": 1}
    assert read_info(out)["counts"] == counts


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            "i don 't know they 're we 've i 'm she 'd we 'll it 's",
            "i don't know they're we've i'm she'd we'll it's",
        ),
        ("for(2) <sil> this {BREATH} project", "for this project"),
        ("in the '60s the students ' work 'tis", "in the '60s the students ' work 'tis"),
    ],
)
def test_suffixes_are_joined_to_their_words(text: str, wanted: str) -> None:
    assert clean_transcript(text) == wanted


def test_the_first_segments_may_do(tmp_path: Path) -> None:
    write_tedlium(tmp_path, "train", ["Hello", "There"])
    prepare_tedlium(tmp_path, tmp_path / "out", max_segments=1)
    assert list(table(tmp_path / "out", "text.en").values()) == ["hello"]


def test_a_line_of_another_form_and_a_missing_corpus_stop(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"legacy/train/stm holds no list; download TED-LIUM 3"):
        prepare_tedlium(tmp_path, tmp_path / "out")
    write_tedlium(tmp_path, "train", ["Hello"])
    (tmp_path / "legacy/train/stm/AlGore_2009.stm").write_text("AlGore_2009 1 x zero 1 <o> a\n", "utf-8")
    with pytest.raises(DataError, match=r"AlGore_2009.stm:1: .*; wanted is <talk> <channel>"):
        prepare_tedlium(tmp_path, tmp_path / "out")
    (tmp_path / "legacy/train/stm/AlGore_2009.stm").write_bytes(b"AlGore_2009 1 x 0 1 <o> caf\xe9\n")
    with pytest.raises(DataError, match=r"AlGore_2009.stm is cut short or damaged"):
        prepare_tedlium(tmp_path, tmp_path / "out")
