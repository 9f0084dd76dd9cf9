"""From speech with transcripts only to training data: filter, choose, restore, translate, mix."""

from pathlib import Path

import pytest
from fake_teacher import FakeTeacher
from speech_data import read, write_segments, write_speech

from synthst.datadir import read_info
from synthst.errors import ConfigError, DataError
from synthst.speechdir import check_speech
from synthst.store import read_manifest
from synthst.tables import read_table
from synthst.targets.asr_only import TranscriptFilter, select_transcripts
from synthst.targets.expand import expand_targets
from synthst.teacher.decode import decode_corpus

SECONDS = {f"u{number:02d}": 0.5 for number in range(12)}


def select(data: Path, out: Path, **options: object) -> list[str]:
    """Choose from English and return the ids."""
    select_transcripts(data, out, src="en", **options)  # type: ignore[arg-type]
    return [utterance for utterance, _ in read_table(out / "text.en")]


@pytest.mark.parametrize(
    ("text", "seconds", "reason"),
    [
        ("stop", 0.3, None),
        ("stop", 0.299, "too_short"),
        ("stop", 30.1, "too_long"),
        ("", 1.0, "empty_text"),
        (" ".join(["no"] * 101), 20.0, "many_words"),
        ("42!", 1.0, "no_letter"),
        ("so [laughs] stop", 1.0, "unwanted"),
        ("so <unk> stop", 1.0, "unwanted"),
        ("so (applause)", 1.0, "unwanted"),
        ("x" * 40, 1.0, None),
        ("x" * 41, 1.0, "fast"),
    ],
)
def test_the_filter_says_why_it_drops(text: str, seconds: float, reason: str | None) -> None:
    assert TranscriptFilter().reason(text, seconds) == reason


def test_limits_of_the_filter_are_options() -> None:
    filters = TranscriptFilter(min_words=3, unwanted="")
    assert filters.reason("so stop", 1.0) == "few_words"
    assert filters.reason("so [laughs] stop", 1.0) is None


def test_unfit_transcripts_are_dropped_listed_and_counted(tmp_path: Path) -> None:
    texts = {"a": "say it", "b": "[noise]", "c": "say it", "d": "what"}
    seconds = {"a": 0.5, "b": 0.5, "c": 0.2, "d": 0.5}
    data = write_speech(tmp_path / "data", seconds, texts=texts)
    (data / "text.en").write_text("a say it\nb [noise]\nc say it\nd\n")
    (data / "text.de").write_bytes(b"poison: no \xff table")
    assert select(data, tmp_path / "out") == ["a"]
    assert read(tmp_path / "out" / "dropped.tsv") == "b\tunwanted\nc\ttoo_short\nd\tempty_text\n"
    counts = {"fit": 1, "dropped_unwanted": 1, "dropped_too_short": 1, "dropped_empty_text": 1}
    assert read_info(tmp_path / "out")["counts"] == counts | {"kept": 1, "left_out": 0}
    assert read(tmp_path / "out" / "utt2spk") == "a spk_a\n"
    assert check_speech(tmp_path / "out").good == 1


def test_segments_are_carried_along(tmp_path: Path) -> None:
    segments = {"a": "r1 0 1", "b": "r2 0 0.1"}
    data = write_segments(tmp_path / "data", segments, {"r1": "1.wav", "r2": "2.wav"})
    (data / "utt2dur").write_text("a 1.000\nb 0.100\n")
    assert select(data, tmp_path / "out") == ["a"]
    assert read(tmp_path / "out" / "wav.scp") == "r1 1.wav\n"


def test_the_ratio_to_the_training_set_is_met_and_smaller_choices_are_inside_larger(tmp_path: Path) -> None:
    data = write_speech(tmp_path / "data", SECONDS)
    base = write_speech(tmp_path / "base", {"b1": 0.5, "b2": 0.5, "b3": 0.5})
    half = select(data, tmp_path / "half", base=base, ratio=0.5)
    double = select(data, tmp_path / "double", base=base, ratio=2.0)
    assert (len(half), len(double)) == (2, 6)  # 1.5 is rounded to even, as Python does
    assert set(half) < set(double)
    assert set(select(data, tmp_path / "other", base=base, ratio=2.0, seed=1)) != set(double)
    info = read_info(tmp_path / "double")
    assert info["counts"] == {"fit": 12, "kept": 6, "left_out": 6}
    assert info["parents"] == [str(data), str(base)]


def test_a_ratio_that_cannot_be_met_is_refused(tmp_path: Path) -> None:
    data = write_speech(tmp_path / "data", {"a": 0.5, "b": 0.1})
    with pytest.raises(
        DataError, match=r"1 utterances of .* are fit, 2 were wanted .*'dropped_too_short': 1"
    ):
        select(data, tmp_path / "out", base=data, ratio=1.0)
    with pytest.raises(DataError, match="0 utterances of .* are fit, 1 were wanted"):
        select(data, tmp_path / "out", filters=TranscriptFilter(min_seconds=1))
    assert not (tmp_path / "out").exists()


def test_options_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    data = write_speech(tmp_path / "data", {"a": 0.5})
    for options in ({"ratio": 1.0}, {"base": data}, {"base": data, "ratio": 0.0}):
        with pytest.raises(ConfigError, match="give a directory and a number above 0"):
            select(data, tmp_path / "out", **options)
    with pytest.raises(ConfigError, match="no regular expression"):
        select(data, tmp_path / "out", filters=TranscriptFilter(unwanted="("))
    with pytest.raises(ConfigError, match="allows nothing"):
        select(data, tmp_path / "out", filters=TranscriptFilter(min_words=5, max_words=4))


def test_durations_are_needed(tmp_path: Path) -> None:
    data = write_speech(tmp_path / "data", {"a": 0.5}, durations=False)
    with pytest.raises(DataError, match="has no utt2dur; make it with check_speech"):
        select(data, tmp_path / "out")


def test_the_restorer_gets_the_chosen_texts_and_gives_theirs(tmp_path: Path) -> None:
    texts = {"a": "say it", "b": "[noise]", "c": "Stop."}
    data = write_speech(tmp_path / "data", {"a": 0.5, "b": 0.5, "c": 0.5}, texts=texts)
    select(data, tmp_path / "out", source_case="restore", restorer=r"sed -e 's/^say it$/Say it!/'")
    assert read(tmp_path / "out" / "text.en") == "a Say it!\nc Stop.\n"
    info = read_info(tmp_path / "out")
    assert info["counts"]["restored"] == 1 and info["counts"]["restored_reworded"] == 0  # type: ignore[index]
    assert info["made_by"]["restorer"] == r"sed -e 's/^say it$/Say it!/'"  # type: ignore[index]


def test_a_restorer_that_changes_words_is_counted(tmp_path: Path) -> None:
    data = write_speech(tmp_path / "data", {"a": 0.5})
    select(data, tmp_path / "out", source_case="restore", restorer="sed s/say/sing/")
    assert read_info(tmp_path / "out")["counts"]["restored_reworded"] == 1  # type: ignore[index]


def test_a_restorer_may_be_a_long_command(tmp_path: Path) -> None:
    data = write_speech(tmp_path / "data", {"a": 0.5})
    select(data, tmp_path / "out", source_case="restore", restorer="sed s/say/" + "sing" * 100 + "/")
    assert read(tmp_path / "out" / "text.en") == f"a {'sing' * 100} a\n"


@pytest.mark.parametrize(
    ("restorer", "error", "message"),
    [
        ("head -n 1", DataError, "wrote 1 lines for 2"),
        ("sed p", DataError, "wrote 4 lines for 2"),
        ("sed s/.*//", DataError, "wrote an empty line for a"),
        (r"sed 's/say/\xff/'", DataError, "wrote no UTF-8 for a"),
        ("false", DataError, "failed with status 1"),
        ("nonexistent-program", ConfigError, "cannot be run: No such file"),
        ("sed 'x", ConfigError, "No closing quotation"),
        ("  ", ConfigError, "restorer is empty"),
    ],
)
def test_a_restorer_that_fails_is_named(
    tmp_path: Path, restorer: str, error: type[Exception], message: str
) -> None:
    data = write_speech(tmp_path / "data", {"a": 0.5, "b": 0.5})
    with pytest.raises(error, match=message):
        select(data, tmp_path / "out", source_case="restore", restorer=restorer)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_restorer_is_no_line_of_shell(tmp_path: Path) -> None:
    data = write_speech(tmp_path / "data", {"a": 0.5})
    with pytest.raises(DataError, match="failed with status"):
        select(data, tmp_path / "out", source_case="restore", restorer=f"cat ; touch {tmp_path}/evil")
    assert not (tmp_path / "evil").exists()


def test_a_second_run_does_nothing_and_another_one_is_refused(tmp_path: Path) -> None:
    data = write_speech(tmp_path / "data", {"a": 0.5})
    assert select(data, tmp_path / "out") == select(data, tmp_path / "out")
    with pytest.raises(DataError, match='restorer: null then, "cat" now'):
        select(data, tmp_path / "out", source_case="restore", restorer="cat")


def test_transcripts_become_training_data_and_sentences_are_shared_through_the_store(tmp_path: Path) -> None:
    base = write_speech(tmp_path / "base", {"m1": 0.5, "m2": 0.5}, tgt=True)
    texts = {"a": "say m1", "b": "say b", "c": "say b"}
    data = write_speech(tmp_path / "data", {"a": 0.5, "b": 0.5, "c": 0.5}, texts=texts)
    teacher = FakeTeacher(str.upper)
    decode_corpus(teacher, base, tmp_path / "store", src="en")
    select_transcripts(data, tmp_path / "chosen", src="en")
    decode_corpus(teacher, tmp_path / "chosen", tmp_path / "store", src="en")
    assert sorted(teacher.asked) == ["say b", "say m1", "say m2"]
    out = tmp_path / "out"
    expand_targets(base, tmp_path / "chosen", tmp_path / "store", out, src="en", tgt="de", prefix="game_")
    assert read(out / "text.de") == "game_a SAY M1\ngame_b SAY B\ngame_c SAY B\nm1 sag m1\nm2 sag m2\n"
    assert check_speech(out).good == 5
    info = read_info(out)
    assert info["parents"] == [str(base), str(tmp_path / "chosen"), str(tmp_path / "store")]
    assert info["teacher"] == read_manifest(tmp_path / "store")["teacher"]
