"""The commands of speech translation that join parts of the package."""

import logging
from pathlib import Path

import pytest
from speech_data import write_speech

from synthst.commands import check
from synthst.datadir import read_info
from synthst.errors import DataError
from synthst.speech_commands import expand_with_speech, translate_speech
from synthst.tables import read_table
from synthst.targets.asr_only import TranscriptFilter


def write_teacher(path: Path, sources: list[str]) -> str:
    """Write a file of translations: every sentence in capitals; return it as a recipe names it."""
    lines = ["source\thypothesis", *(f"{source}\t{source.upper()}" for source in sources)]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return f"file:{path}"


def test_check_tells_hours_of_speech_and_refuses_bad_audio(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    data = write_speech(tmp_path / "data", {"a1": 1.0, "b1": 2.0})
    with caplog.at_level(logging.INFO, "synthst"):
        check(data)
    assert "text.en: 2 rows" in capsys.readouterr().out
    assert "2 utterances" in caplog.text
    (data / "audio/b1.wav").write_text("no audio", encoding="utf-8")
    with pytest.raises(DataError, match="b1"):
        check(data)


def test_transcripts_become_st_data_in_one_command(tmp_path: Path) -> None:
    base = write_speech(tmp_path / "base", {"a1": 1.0, "a2": 1.0}, tgt=True)
    texts = {"c1": "good day", "c2": "[noise] good", "c3": "good night"}
    extra = write_speech(tmp_path / "extra", {"c1": 1.0, "c2": 1.0, "c3": 0.2}, texts=texts)
    teacher = write_teacher(tmp_path / "teacher.tsv", ["good day"])
    expand_with_speech(
        base,
        extra,
        tmp_path / "expanded",
        teacher=teacher,
        store=tmp_path / "store",
        src="en",
        tgt="de",
        prefix="x_",
        filters=TranscriptFilter(min_seconds=0.5),
    )
    assert dict(read_table(tmp_path / "expanded/text.de")) == {
        "a1": "sag a1",
        "a2": "sag a2",
        "x_c1": "GOOD DAY",
    }
    assert [key for key, _ in read_table(tmp_path / "expanded/wav.scp")] == ["a1", "a2", "x_c1"]
    dropped = (tmp_path / "expanded_transcripts/dropped.tsv").read_text(encoding="utf-8")
    assert [line.split("\t")[0] for line in dropped.splitlines()] == ["c2", "c3"]
    teacher_info = read_info(tmp_path / "expanded")["teacher"]
    assert isinstance(teacher_info, dict) and teacher_info["kind"] == "file"


def test_a_directory_without_a_model_of_ours_is_passed_over_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "synthst"):
        translate_speech([tmp_path / "taken"], tmp_path / "dump", ["test"])
    assert f"{tmp_path}/taken holds no model that was trained here" in caplog.text
