"""Targets of speech: replaced and expanded sets have the speech tables of the utterances that they keep."""

from pathlib import Path

import pytest
from fake_teacher import FakeTeacher
from speech_data import read, write_segments, write_speech

from synthst.errors import DataError
from synthst.speechdir import check_speech, read_utterances
from synthst.tables import write_table
from synthst.targets.expand import expand_targets
from synthst.targets.replace import replace_targets
from synthst.teacher.decode import decode_corpus


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return write_speech(tmp_path / "base", {"m1": 0.5, "m2": 0.25}, tgt=True)


def decode(tmp_path: Path, *parts: Path) -> Path:
    """Translate all parts to capitals, but "say gone" to nothing."""
    teacher = FakeTeacher(lambda source: "" if source == "say gone" else source.upper())
    for part in parts:
        decode_corpus(teacher, part, tmp_path / "store", src="en")
    return tmp_path / "store"


def test_replace_targets_keeps_the_speech_of_what_it_keeps(tmp_path: Path) -> None:
    texts = {"a": "say a", "b": "say gone", "c": "say c"}
    data = write_speech(tmp_path / "data", {"a": 0.5, "b": 0.25, "c": 0.75}, texts=texts, tgt=True)
    store = decode(tmp_path, data)
    replace_targets(data, store, tmp_path / "out", src="en", tgt="de", empty="drop")
    assert read(tmp_path / "out" / "text.de") == "a SAY A\nc SAY C\n"
    assert read(tmp_path / "out" / "utt2dur") == "a 0.500\nc 0.750\n"
    assert read(tmp_path / "out" / "utt2spk") == "a spk_a\nc spk_c\n"
    assert [one for one in read_utterances(data) if one.id != "b"] == list(read_utterances(tmp_path / "out"))
    assert check_speech(tmp_path / "out").seconds == 1.25


def test_replace_targets_keeps_segments_and_their_recordings(tmp_path: Path) -> None:
    segments = {"a": "r1 0 1", "gone": "r2 0 1", "z": "r1 1 2"}
    data = write_segments(tmp_path / "data", segments, {"r1": "1.wav", "r2": "2.wav"})
    replace_targets(data, decode(tmp_path, data), tmp_path / "out", src="en", tgt="de", empty="drop")
    assert read(tmp_path / "out" / "segments") == "a r1 0 1\nz r1 1 2\n"
    assert read(tmp_path / "out" / "wav.scp") == "r1 1.wav\n"


def test_replace_targets_refuses_speech_tables_that_are_out_of_step(tmp_path: Path, base: Path) -> None:
    write_table(base / "utt2spk", [("m1", "ada")])
    with pytest.raises(DataError, match=r"utt2spk lacks 1 of 2 ids, the first is m2"):
        replace_targets(base, decode(tmp_path, base), tmp_path / "out", src="en", tgt="de")
    assert not (tmp_path / "out").exists()


def test_expansion_prefixes_utterances_and_speakers_of_the_extra_speech(tmp_path: Path, base: Path) -> None:
    extra = write_speech(tmp_path / "extra", {"m1": 1.0, "m3": 0.2})
    expand_targets(base, extra, decode(tmp_path, extra), tmp_path / "out", src="en", tgt="de", prefix="asr_")
    assert read(tmp_path / "out" / "text.de") == "asr_m1 SAY M1\nasr_m3 SAY M3\nm1 sag m1\nm2 sag m2\n"
    assert read(tmp_path / "out" / "utt2dur") == "asr_m1 1.000\nasr_m3 0.200\nm1 0.500\nm2 0.250\n"
    assert read(tmp_path / "out" / "utt2spk") == "asr_m1 asr_spk_m\nasr_m3 asr_spk_m\nm1 spk_m\nm2 spk_m\n"
    assert f"asr_m1 {extra}/audio/m1.wav\n" in read(tmp_path / "out" / "wav.scp")
    assert check_speech(tmp_path / "out").good == 4


def test_whole_recordings_and_segments_expand_to_segments(tmp_path: Path, base: Path) -> None:
    (base / "utt2dur").unlink()
    extra = write_segments(tmp_path / "extra", {"m1": "m1 0.5 1"}, {"m1": "other.wav", "unused": "x.wav"})
    expand_targets(base, extra, decode(tmp_path, extra), tmp_path / "out", src="en", tgt="de", prefix="x_")
    assert read(tmp_path / "out" / "segments") == "m1 m1 0 -1\nm2 m2 0 -1\nx_m1 x_m1 0.5 1\n"
    wavs = f"m1 {base}/audio/m1.wav\nm2 {base}/audio/m2.wav\nx_m1 other.wav\n"
    assert read(tmp_path / "out" / "wav.scp") == wavs


def test_two_recordings_of_one_id_are_not_mixed_up_without_a_prefix(tmp_path: Path, base: Path) -> None:
    (base / "utt2dur").unlink()
    extra = write_segments(tmp_path / "extra", {"n1": "m1 0.5 1"}, {"m1": "other.wav"})
    with pytest.raises(DataError, match=r"the recording m1 is .* rename one, or give a prefix"):
        expand_targets(base, extra, decode(tmp_path, extra), tmp_path / "out", src="en", tgt="de")


def test_speech_is_not_expanded_with_text_alone(tmp_path: Path, base: Path) -> None:
    (tmp_path / "extra").mkdir()
    write_table(tmp_path / "extra" / "text.en", [("x", "say x")])
    store = decode(tmp_path, tmp_path / "extra")
    with pytest.raises(DataError, match="base has speech but .*extra has none"):
        expand_targets(base, tmp_path / "extra", store, tmp_path / "out", src="en", tgt="de")


def test_durations_are_in_both_or_in_neither(tmp_path: Path, base: Path) -> None:
    extra = write_speech(tmp_path / "extra", {"x": 0.2}, durations=False)
    with pytest.raises(DataError, match="extra has no utt2dur but others have"):
        expand_targets(base, extra, decode(tmp_path, extra), tmp_path / "out", src="en", tgt="de")
