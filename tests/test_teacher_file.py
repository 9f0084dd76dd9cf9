import logging
from pathlib import Path

import pytest
from fake_teacher import write_data

from synthst.errors import ConfigError, DataError
from synthst.lookup import check_store
from synthst.teacher.decode import decode_corpus
from synthst.teacher.file import FileTeacher
from synthst.teacher.kinds import load_teacher
from synthst.teacher.protocol import Hypothesis, SearchSettings, Teacher


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_data(tmp_path / "data", ["a cat", 'say "hi"', "a cat"])


def load(tmp_path: Path, content: str, data: Path | None, *, nbest: int = 1) -> Teacher:
    (tmp_path / "t.tsv").write_text(content, encoding="utf-8", newline="")
    return load_teacher(f"file:{tmp_path / 't.tsv'}", SearchSettings(nbest=nbest), data=data, src="en")


def test_by_source_translates_exactly_what_stands_in_the_file(tmp_path: Path, data: Path) -> None:
    content = 'source\thypothesis\nsay "hi"\tsag "hallo", 3\u2028\na cat\teine Katze\nunasked\tx\n'
    teacher = load(tmp_path, content, data)
    assert teacher.translate(["a cat", 'say "hi"']) == [
        [Hypothesis("eine Katze", 0.0, 2, True)],
        [Hypothesis('sag "hallo", 3\u2028', 0.0, 3, True)],
    ]


def test_by_id_translates_the_sources_of_the_data(tmp_path: Path, data: Path) -> None:
    teacher = load(tmp_path, "id\thypothesis\tscore\nu000001\tsag hi\t-0.5\nu000000\tKatze\t-2\n", data)
    assert [hypotheses[0] for hypotheses in teacher.translate(["a cat", 'say "hi"'])] == [
        Hypothesis("Katze", -2.0, 1, True),
        Hypothesis("sag hi", -0.5, 2, True),
    ]
    store = decode_corpus(teacher, data, tmp_path / "store", src="en")
    assert check_store(store, data / "text.en").found == 3


def test_rows_of_one_source_are_its_nbest_list(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = write_data(tmp_path / "data", ["a"])
    content = "source\thypothesis\tscore\na\tA3\t-3\na\tA1\t-1\na\tA2\t-2\na\tA1\t-4\n"
    with caplog.at_level(logging.WARNING):
        assert [h.text for h in load(tmp_path, content, data, nbest=3).translate(["a"])[0]] == [
            "A1",
            "A2",
            "A3",
        ]
        assert not caplog.messages
        assert [h.text for h in load(tmp_path, content, data, nbest=2).translate(["a"])[0]] == ["A1", "A2"]
        assert "more than 2 translations for 1 sources" in caplog.messages[0]


def test_without_scores_the_first_row_of_a_source_is_taken(tmp_path: Path, data: Path) -> None:
    content = "id\thypothesis\nu000002\tdie Katze\nu000000\teine Katze\nu000001\tx\n"
    assert load(tmp_path, content, data).translate(["a cat"])[0][0].text == "die Katze"


def test_the_identity_is_the_content(tmp_path: Path, data: Path) -> None:
    content = 'source\thypothesis\na cat\tK\nsay "hi"\tH\n'
    first = load(tmp_path, content, data).identity
    assert first == load(tmp_path, content, None).identity
    assert first["kind"], first["name"] == ("file", "t.tsv")
    assert first != load(tmp_path, content.replace("K", "k"), data).identity


def test_a_lacking_sentence_stops_before_anything_is_decoded(tmp_path: Path, data: Path) -> None:
    with pytest.raises(DataError, match=r'lacks 2 of 3 sentences of .*, the first is u000000 \("a cat"\)'):
        load(tmp_path, 'source\thypothesis\nsay "hi"\tH\nA cat\tK\n', data)


def test_a_lacking_source_stops_translate(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="lacks 1 of 2 sources, the first is 'b'"):
        load(tmp_path, "source\thypothesis\na\tA\n", None).translate(["a", "b"])


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "t.tsv:1 is ''"),
        ("a cat\teine Katze\n", "t.tsv:1 is 'a cat<TAB>eine Katze'; make it a header"),
        ("source\thypothesis\na\n", "t.tsv:2 has 1 fields, the header has 2"),
        ("source\thypothesis\na\tA\tB\n", "t.tsv:2 has 3 fields"),
        ("source\thypothesis\r\na\tA\r\n", "t.tsv:1 does not end in one"),
        ("source\thypothesis\na\tA", "t.tsv:2 does not end in one"),
        ("source\thypothesis\tscore\na\tA\tgood\n", "t.tsv:2 has the score 'good'"),
        ("source\thypothesis\tscore\na\tA\tnan\n", "t.tsv:2 has the score 'nan'"),
    ],
)
def test_a_malformed_file_is_refused_by_line(tmp_path: Path, content: str, told: str) -> None:
    with pytest.raises(DataError, match=told):
        load(tmp_path, content, None)


def test_bytes_that_are_not_utf8_are_refused_by_line(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_bytes(b"source\thypothesis\na\tcaf\xe9\n")
    with pytest.raises(DataError, match="t.tsv:2 is not UTF-8"):
        FileTeacher(tmp_path / "t.tsv", SearchSettings())


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no file"):
        FileTeacher(tmp_path / "none.tsv", SearchSettings())


def test_by_id_needs_data(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is by id; give the data directory"):
        load(tmp_path, "id\thypothesis\nu1\tA\n", None)
