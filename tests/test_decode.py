import logging
import math
import multiprocessing
import random
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import pyarrow.parquet
import pytest
from fake_teacher import FakeTeacher, decode_slowly, reverse, write_data

from synthst.errors import ConfigError, DataError
from synthst.lookup import check_store, look_up
from synthst.teacher.decode import Progress, decode_corpus
from synthst.teacher.kinds import load_teacher
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
    with look_up(store, data / "text.en") as lookup:
        return {utterance: (source, hypothesis) for utterance, source, hypothesis, _ in lookup.translations()}


def test_decode_corpus_hands_over_every_source_exactly_once_as_it_is(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data", [*ODD, *ODD[::-1], "same", "same"])
    teacher = FakeTeacher()
    store = decode_corpus(teacher, data, tmp_path / "exp" / "store", src="en", part_sentences=3)
    assert sorted(teacher.asked) == sorted([*ODD, "same"])
    found = translations(store, data)
    assert len(found) == 2 * len(ODD) + 2
    assert all(hypothesis == reverse(source) for source, hypothesis in found.values())
    assert len(list(store.glob("part-*.parquet"))) == 3


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


def test_decode_corpus_refuses_to_mix(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data", ["one"])
    decode_corpus(FakeTeacher(), data, tmp_path / "store", src="en")
    with pytest.raises(DataError, match="teacher.name is 'fake' there, 'other' here"):
        decode_corpus(FakeTeacher(name="other"), data, tmp_path / "store", src="en")


def test_decode_corpus_decodes_a_damaged_part_again(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data", ["one", "three"])
    store = decode_corpus(FakeTeacher(), data, tmp_path / "store", src="en", part_sentences=1)
    part = sorted(store.glob("part-*.parquet"))[0]
    part.write_bytes(part.read_bytes()[:100])
    teacher = FakeTeacher()
    decode_corpus(teacher, data, store, src="en")
    assert len(teacher.asked) == 1
    assert check_store(store, data / "text.en").missing == 0
    assert len(list(store.glob("*.broken"))) == 1


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


def start_decoding(data: Path, store: Path, seconds: float) -> BaseProcess:
    context = multiprocessing.get_context("forkserver")  # imports once (pandas: pyarrow asks for it)
    context.set_forkserver_preload(["synthst.teacher.decode", "pandas"])
    process = context.Process(target=decode_slowly, args=(data, store, seconds))
    process.start()
    return process


def count_parts(store: Path) -> int:
    return len(list(store.glob("part-*.parquet")))


def test_decode_corpus_killed_at_any_moment_loses_at_most_a_part_each_time(tmp_path: Path) -> None:
    sources = [f"sentence number {number}" for number in range(100)]
    data, store = write_data(tmp_path / "data", sources), tmp_path / "store"
    moments = random.Random(1)
    for _ in range(5):
        before = count_parts(store)
        process = start_decoding(data, store, seconds=0.02)
        while process.is_alive() and count_parts(store) < before + 2:
            time.sleep(0.005)
        time.sleep(moments.uniform(0, 0.04))
        process.kill()
        process.join()
        assert count_parts(store) >= min(before + 2, 20)
    teacher = FakeTeacher()
    left = len(sources) - 5 * count_parts(store)
    decode_corpus(teacher, data, store, src="en", part_sentences=5)
    assert len(teacher.asked) == left
    unbroken = decode_corpus(FakeTeacher(), data, tmp_path / "unbroken", src="en", part_sentences=5)
    assert sorted(path.name for path in store.glob("part-*.parquet")) == sorted(
        path.name for path in unbroken.glob("part-*.parquet")
    )


def test_two_processes_may_decode_into_one_store(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data", [f"sentence number {number}" for number in range(40)])
    racing = [start_decoding(data, tmp_path / "store", seconds) for seconds in (0.01, 0.015)]
    for process in racing:
        process.join(60)
        assert process.exitcode == 0
    found = translations(tmp_path / "store", data)
    assert len(found) == 40
    assert all(hypothesis == reverse(source) for source, hypothesis in found.values())


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


@pytest.mark.parametrize("spec", ["hf:Helsinki-NLP/opus-mt-en-de", "espnet", "file:", ""])
def test_an_unknown_kind_of_teacher_is_refused_with_the_known_ones(spec: str) -> None:
    with pytest.raises(ConfigError, match="espnet:DIR, file:TSV"):
        load_teacher(spec, SearchSettings())
