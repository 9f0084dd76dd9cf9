import logging
import math
from pathlib import Path

import pyarrow.parquet
import pytest
from fake_teacher import FakeTeacher, reverse, write_data

from synthst.errors import ConfigError, DataError
from synthst.lookup import check_store
from synthst.nbest import read_nbest
from synthst.teacher.decode import Progress, decode_corpus
from synthst.teacher.protocol import Hypothesis, SearchSettings, decode_name

ODD = [
    "a\u2028b",
    "x\x85y",
    "\U0001f600 \U0001f468\u200d\U0001f469",
    "é e\u0301",
    'say "hi", it\'s \\N',
    "NULL",
    "x" * 5000,
]


def translations(store: Path, data: Path) -> dict[str, tuple[str, str]]:
    with read_nbest(store, data / "text.en") as nbest:
        return {utterance: (source, found[0].text) for utterance, source, found in nbest.lists()}


def test_decode_corpus_hands_over_every_source_exactly_once_as_it_is(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data", [*ODD, *ODD[::-1], "same", "same"])
    teacher = FakeTeacher()
    store = decode_corpus(teacher, data, tmp_path / "exp" / "store", src="en", part_sentences=3)
    assert sorted(teacher.asked) == sorted([*ODD, "same"])
    found = translations(store, data)
    assert len(found) == 2 * len(ODD) + 2
    assert all(hypothesis == reverse(source) for source, hypothesis in found.values())
    assert len(list(store.glob("part-*.parquet"))) == 3


def test_decode_corpus_cuts_parts_by_tokens_too(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data", ["12345678", "1234", "123", "12"])  # 2, 1, 1 and 1 tokens of 4 bytes
    store = decode_corpus(FakeTeacher(), data, tmp_path / "store", src="en", part_tokens=2)
    assert sorted(pyarrow.parquet.read_metadata(part).num_rows for part in store.glob("part-*")) == [1, 1, 2]


def test_shards_together_make_the_store_of_one_process(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data", [f"sentence {number}" for number in range(20)])
    whole = decode_corpus(FakeTeacher(), data, tmp_path / "whole", src="en", part_sentences=3)
    teachers = [FakeTeacher() for _ in range(3)]
    for number, teacher in enumerate(teachers, 1):
        decode_corpus(teacher, data, tmp_path / "store", src="en", part_sentences=3, shard=f"{number}/3")
    assert [len(teacher.asked) for teacher in teachers] == [8, 6, 6]  # 7 parts, the last of 2 sentences
    assert parts_of(tmp_path / "store") == parts_of(whole)


def parts_of(store: Path) -> list[str]:
    return sorted(path.name for path in store.glob("part-*"))


def test_decode_corpus_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data", ["four", "three", "two", "one more"])

    class Stopping(FakeTeacher):
        def translate(self, sources):
            if "two" in sources:
                raise KeyboardInterrupt
            return super().translate(sources)

    with pytest.raises(KeyboardInterrupt):
        decode_corpus(Stopping(), data, tmp_path / "store", src="en", part_sentences=1)
    teacher = FakeTeacher()
    decode_corpus(teacher, data, tmp_path / "store", src="en", part_sentences=1)
    assert teacher.asked == ["two"]
    decode_corpus(teacher, data, tmp_path / "store", src="en")
    assert teacher.asked == ["two"]


def test_decode_corpus_translates_only_what_a_larger_set_adds(tmp_path: Path) -> None:
    small = write_data(tmp_path / "small", ["one", "two"])
    large = write_data(tmp_path / "large", ["three", "one", "two"])
    teacher = FakeTeacher()
    decode_corpus(teacher, small, tmp_path / "store", src="en")
    decode_corpus(teacher, large, tmp_path / "store", src="en")
    assert sorted(teacher.asked) == ["one", "three", "two"]


def test_decode_corpus_stores_and_counts_empty_and_cut_off_hypotheses(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data", ["one", "two"])
    teacher = FakeTeacher(lambda source: "" if source == "one" else source, finished=False)
    store = decode_corpus(teacher, data, tmp_path / "store", src="en")
    found = check_store(store, data / "text.en")
    assert (found.found, found.empty, found.cut_off) == (2, 1, 2)


def test_decode_corpus_keeps_the_nbest_list(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data", ["one"])
    store = decode_corpus(FakeTeacher(nbest=3), data, tmp_path / "store", src="en")
    (part,) = store.glob("part-*.parquet")
    rows = pyarrow.parquet.read_table(part).to_pylist()
    assert [(row["rank"], row["hypothesis"], row["score"]) for row in rows] == [
        (0, "<eno>", -0.5),
        (1, "<eno> 1", -1.5),
        (2, "<eno> 2", -2.5),
    ]


def good(text: str = "t", score: float = -1.0) -> Hypothesis:
    return Hypothesis(text, score, 1, True)


@pytest.mark.parametrize(
    ("results", "told"),
    [
        ([], "0 results for 1 sentences"),
        ([[]], "0 hypotheses instead of 1 to 2"),
        ([[good()] * 3], "3 hypotheses instead of 1 to 2"),
        ([[good(score=-2.0), good(score=-1.0)]], "not the best first"),
        ([[good(score=math.nan)]], "not all numbers"),
        ([[good("\ud800")]], "not Unicode text"),
    ],
)
def test_decode_corpus_stores_nothing_from_a_teacher_that_breaks_its_contract(
    tmp_path: Path, results: list[list[Hypothesis]], told: str
) -> None:
    class Broken(FakeTeacher):
        def translate(self, sources):
            return results

    data = write_data(tmp_path / "data", ["one"])
    with pytest.raises(DataError, match=told):
        decode_corpus(Broken(nbest=2), data, tmp_path / "store", src="en")
    assert not list((tmp_path / "store").glob("part-*"))


def test_progress_off_a_terminal_logs_numbers_and_reckons_by_characters(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    moments = iter([100.0, 110.0])
    monkeypatch.setattr("synthst.teacher.decode.time.monotonic", lambda: next(moments))
    with (
        caplog.at_level(logging.INFO),
        Progress(Path("exp/s"), sentences=1000, characters=10_000) as progress,
    ):
        progress.advance(["x" * 50] * 50)  # a quarter of the characters in 10 seconds
    assert caplog.messages == ["exp/s: 50 of 1,000 sentences, 5.0 sentences/s, 0:00:30 to go"]


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        (SearchSettings(), "beam4"),
        (SearchSettings(nbest=4), "beam4_nbest4"),
        (SearchSettings(beam=1), "beam1"),
        (SearchSettings(top_k=10, seed=1), "topk10_seed1"),
        (SearchSettings(top_k=10, seed=1, temperature=0.7), "topk10_seed1_temperature0.7"),
        (SearchSettings(dtype="bfloat16", max_ratio=3.0), "beam4_max_ratio3.0_dtypebfloat16"),
    ],
)
def test_decode_name_tells_all_settings_apart(settings: SearchSettings, name: str) -> None:
    assert decode_name(settings) == name


@pytest.mark.parametrize(
    "wrong",
    [
        {"beam": 0},
        {"nbest": 5},
        {"nbest": 0},
        {"top_k": -1},
        {"temperature": 0.0},
        {"max_ratio": 0.0, "max_extra": 0},
        {"length_normalisation": "avg"},
        {"dtype": "int8"},
    ],
)
def test_settings_that_cannot_be_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="the search settings say"):
        SearchSettings(**wrong)  # type: ignore[arg-type]
