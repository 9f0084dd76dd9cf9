"""Speech data directories: read the tables, and check the audio."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from speech_data import RATE, read, write_segments, write_speech, write_tone

from synthst.datadir import check_datadir, read_info
from synthst.errors import ConfigError, DataError
from synthst.speechdir import Utterance, check_speech, is_speech, read_utterances
from synthst.tables import read_table, write_table


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_speech(tmp_path / "data", {"a1": 0.5, "a2": 1.0, "b1": 0.25})


def replace_row(path: Path, utterance: str, value: str | None) -> None:
    """Give a row of a table another value, or remove it if None."""
    rows = dict(read_table(path)) | ({utterance: value} if value is not None else {})
    write_table(path, sorted((key, text) for key, text in rows.items() if (key, value) != (utterance, None)))


def bad_audio(tmp_path: Path, kind: str) -> str:
    """Write a recording that is not as it should be."""
    path = tmp_path / "bad.wav"
    if kind == "stereo":
        return write_tone(path, 1.0, channels=2)
    if kind == "wrong_rate":
        return write_tone(path, 1.0, rate=44_100)
    if kind == "too_short":
        return write_tone(path, 0.01)
    if kind == "too_long":
        soundfile.write(path, np.zeros(600 * RATE, dtype=np.int16), RATE)
    if kind == "wrong_duration":
        return write_tone(path, 0.8)
    if kind == "unreadable":
        path.write_text("This is a letter, no sound.\n")
    if kind == "zero_length":
        soundfile.write(path, np.zeros(0), RATE)
    if kind == "not_finite":
        soundfile.write(path, np.full(RATE, np.nan), RATE, subtype="FLOAT")
    return str(path)


BAD = [
    "missing",
    "unreadable",
    "zero_length",
    "stereo",
    "wrong_rate",
    "not_finite",
    "too_short",
    "too_long",
    "wrong_duration",
]


def test_a_directory_is_speech_by_its_recordings(tmp_path: Path, data: Path) -> None:
    assert is_speech(data) and not is_speech(tmp_path)


def test_read_utterances_without_segments(data: Path) -> None:
    (data / "utt2dur").unlink()
    wav = f"{data}/audio/a1.wav"
    assert next(read_utterances(data)) == Utterance("a1", "a1", wav, None, None, "spk_a", None)
    assert [utterance.id for utterance in read_utterances(data)] == ["a1", "a2", "b1"]


def test_read_utterances_with_segments(tmp_path: Path) -> None:
    segments = {"u1": "r2 0.5 1.25", "u2": "r1 0 -1"}
    data = write_segments(tmp_path / "data", segments, {"r1": "one.wav", "r2": "two.wav", "r3": "3.wav"})
    assert list(read_utterances(data)) == [
        Utterance("u1", "r2", "two.wav", 0.5, 1.25, "spk_u", None),
        Utterance("u2", "r1", "one.wav", 0.0, None, "spk_u", None),
    ]


@pytest.mark.parametrize("table", ["utt2spk", "utt2dur", "wav.scp"])
def test_tables_out_of_step_are_refused_with_the_first_id(tmp_path: Path, data: Path, table: str) -> None:
    replace_row(data / table, "a2", None)
    for check in (lambda: list(read_utterances(data)), lambda: check_speech(data)):
        with pytest.raises(DataError, match=rf"{table} lacks 1 of 3 ids, the first is a2"):
            check()
    with pytest.raises(DataError, match=rf"{table} lacks 1 of 3 ids"):
        check_speech(data, on_bad="drop", out=tmp_path / "out")


def test_an_utterance_without_text_row_is_out_of_step(data: Path) -> None:
    replace_row(data / "text.en", "b1", None)
    with pytest.raises(DataError, match=r"text\.en lacks 1 of 3 ids, the first is b1"):
        check_speech(data)


@pytest.mark.parametrize(
    ("table", "value", "message"),
    [
        ("utt2dur", "long", "a2 has 'long', wanted are seconds"),
        ("utt2dur", "nan", "a2 has 'nan', wanted are seconds"),
        ("utt2dur", "-1", "a2 has '-1', wanted are seconds"),
        ("utt2dur", "0.000", "a2 lasts 0.000 seconds"),
        ("utt2spk", "Ada Lovelace", "a2 has the speaker 'Ada Lovelace'"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(data: Path, table: str, value: str, message: str) -> None:
    replace_row(data / table, "a2", value)
    with pytest.raises(DataError, match=message):
        list(read_utterances(data))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("r1 0", "write <utterance> <recording> <start s> <end s>"),
        ("r1 0 1 A", "write <utterance> <recording> <start s> <end s>"),
        ("r1 2 1", r"u1 starts at 2\.0 s, after its end 1\.0 s"),
        ("r1 -3 1", "u1 has '-3', wanted are seconds"),
        ("r9 0 1", "lacks the recordings of 1 of 2 segments, the first is r9"),
    ],
)
def test_a_segment_that_makes_no_sense_is_refused(tmp_path: Path, value: str, message: str) -> None:
    data = write_segments(tmp_path / "data", {"u1": value, "u2": "r1 0 1"}, {"r1": "one.wav"})
    with pytest.raises(DataError, match=message):
        list(read_utterances(data))


def test_segments_need_recordings(tmp_path: Path) -> None:
    data = write_segments(tmp_path / "data", {"u1": "r1 0 1"}, {"r1": "one.wav"})
    (data / "wav.scp").unlink()
    with pytest.raises(DataError, match=r"has no wav\.scp"):
        check_datadir(data)


def test_good_speech_is_counted_and_measured(data: Path) -> None:
    summary = check_speech(data, rate=RATE)
    assert (summary.good, summary.seconds, summary.bad.total()) == (3, 1.75, 0)
    assert str(summary) == "3 utterances, 0.00 h"


@pytest.mark.parametrize("kind", BAD)
def test_bad_audio_is_refused_with_count_reason_and_name(tmp_path: Path, data: Path, kind: str) -> None:
    replace_row(data / "wav.scp", "a2", bad_audio(tmp_path, kind))
    with pytest.raises(
        DataError, match=rf"1 of 3 utterances are bad \({kind} 1\); the first is a2: .*bad\.wav"
    ):
        check_speech(data, rate=RATE)


@pytest.mark.parametrize("kind", BAD)
def test_bad_audio_is_dropped_from_every_table_when_asked(tmp_path: Path, data: Path, kind: str) -> None:
    replace_row(data / "wav.scp", "a2", bad_audio(tmp_path, kind))
    summary = check_speech(data, rate=RATE, on_bad="drop", out=tmp_path / "out")
    assert (summary.good, dict(summary.bad)) == (2, {kind: 1})
    assert read(tmp_path / "out" / "dropped.tsv") == f"a2\t{kind}\n"
    assert read_info(tmp_path / "out")["counts"] == {"kept": 2, f"dropped_{kind}": 1}
    assert [table.rows for table in check_datadir(tmp_path / "out")] == [2] * 4
    assert check_speech(tmp_path / "out", rate=RATE).good == 2


def test_stereo_is_good_when_a_channel_is_chosen(tmp_path: Path, data: Path) -> None:
    replace_row(data / "wav.scp", "a2", bad_audio(tmp_path, "stereo"))
    assert check_speech(data, channel=-1).good == 3


def test_an_empty_transcript_is_refused_or_dropped(tmp_path: Path, data: Path) -> None:
    (data / "text.en").write_text("a1 say\na2\nb1 say\n")
    with pytest.raises(
        DataError, match=r"\(empty_text 1\); the first is a2: .*text\.en: a2 has an empty value"
    ):
        check_speech(data)
    check_speech(data, on_bad="drop", out=tmp_path / "out")
    assert read(tmp_path / "out" / "text.en") == "a1 say\nb1 say\n"
    assert read(tmp_path / "out" / "dropped.tsv") == "a2\tempty_text\n"


def test_segments_beyond_the_end_are_refused_or_dropped_with_their_recordings(tmp_path: Path) -> None:
    wavs = {name: write_tone(tmp_path / f"{name}.wav", 2.0) for name in ("r1", "r2")}
    segments = {"u1": "r1 0.5 1.5", "u2": "r1 1.5 2.5", "u3": "r2 3 4", "u4": "r1 1 -1"}
    data = write_segments(tmp_path / "data", segments, wavs)
    with pytest.raises(
        DataError, match=r"2 of 4 .* \(beyond_end 2\); the first is u2: .*r1\.wav.* beyond its end"
    ):
        check_speech(data)
    check_speech(data, on_bad="drop", out=tmp_path / "out")
    assert read(tmp_path / "out" / "segments") == "u1 r1 0.5 1.5\nu4 r1 1 -1\n"
    assert read(tmp_path / "out" / "utt2dur") == "u1 1.000\nu4 1.000\n"
    assert read(tmp_path / "out" / "wav.scp") == f"r1 {wavs['r1']}\n"


def test_a_command_for_a_recording_runs_once_for_neighbouring_segments(tmp_path: Path) -> None:
    wav = write_tone(tmp_path / "a.wav", 2.0)
    command = f"echo x >> '{tmp_path}/runs'; cat '{wav}' |"
    data = write_segments(tmp_path / "data", {"u1": "r 0 1", "u2": "r 1 2"}, {"r": command})
    assert check_speech(data).good == 2
    assert read(tmp_path / "runs") == "x\n"


def test_a_second_check_reads_what_the_first_found(tmp_path: Path, data: Path) -> None:
    replace_row(data / "wav.scp", "a2", "nowhere.wav")
    found = [check_speech(data, on_bad="drop", out=tmp_path / "out") for _ in range(2)]
    assert str(found[0]) == str(found[1]) == "2 utterances, 0.00 h; 1 bad (missing 1)"
    with pytest.raises(DataError, match="rate: null then, 8000 now"):
        check_speech(data, on_bad="drop", out=tmp_path / "out", rate=RATE)


def test_nothing_is_left_of_a_check_that_fails(tmp_path: Path, data: Path) -> None:
    (data / "wav.scp").write_text("a1 no1.wav\na2 no2.wav\nb1 no3.wav\n")
    with pytest.raises(DataError, match="has no good utterance: missing 3"):
        check_speech(data, on_bad="drop", out=tmp_path / "out")
    with pytest.raises(DataError, match="3 of 3 utterances are bad"):
        check_speech(data, out=tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_options_that_make_no_sense_are_refused(tmp_path: Path, data: Path) -> None:
    with pytest.raises(ConfigError, match="give out, a new directory"):
        check_speech(data, on_bad="drop")
    with pytest.raises(ConfigError, match="give error or drop"):
        check_speech(data, on_bad="skip")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="allow nothing"):
        check_speech(data, min_seconds=2, max_seconds=1)
