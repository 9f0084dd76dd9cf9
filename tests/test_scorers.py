import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from synthst.errors import ConfigError, DataError
from synthst.targets.candidates import Candidate, Choice
from synthst.targets.scorers import read_scores, run_scorer


def choice(utterance: str, *texts: str) -> Choice:
    candidates = [Candidate(rank, text, False, 0.0, 1, True) for rank, text in enumerate(texts)]
    return Choice(utterance, f"source of {utterance}", candidates)


CHOICES = [choice("a", "A0", "A1"), choice("b", "B0"), choice("c", "C0", "C1", "C0")]


def choices() -> Iterator[Choice]:
    return iter(CHOICES)


def read(tmp_path: Path, content: str) -> list[list[float]]:
    (tmp_path / "scores.tsv").write_bytes(content.encode())
    return [scores for _, scores in read_scores(tmp_path / "scores.tsv", choices(), tmp_path)]


def scorer(tmp_path: Path, code: str) -> str:
    (tmp_path / "scorer.py").write_text(code, encoding="utf-8")
    return f"'{sys.executable}' '{tmp_path}/scorer.py'"


def run(tmp_path: Path, code: str) -> list[list[float]]:
    return [scores for _, scores in run_scorer(scorer(tmp_path, code), choices, tmp_path)]


GOOD = "rank\tid\tx\tscore\n0\tc\t\t5\n1\ta\t\t-2e1\n1\tc\t\t6\n0\tb\t\t1\n2\tc\t\t7\n0\ta\t\t0\n"


def test_scores_are_taken_by_id_and_rank_in_any_order(tmp_path: Path) -> None:
    assert read(tmp_path, GOOD) == [[0.0, -20.0], [1.0], [5.0, 6.0, 7.0]]
    assert read(tmp_path, GOOD.replace("\n", "\r\n")) == [[0.0, -20.0], [1.0], [5.0, 6.0, 7.0]]


def test_scores_of_others_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "synthst")
    others = "0\tA\t\t5\n3\ta\t\t5\n0\taa\t\t5\n7\tc\t\t5\n0\tx\t\t5\n0\ty\t\t5\n"
    assert read(tmp_path, GOOD + others) == [[0.0, -20.0], [1.0], [5.0, 6.0, 7.0]]
    assert "6 scores are of no hypothesis" in caplog.text


def test_hypotheses_without_a_score_are_counted_and_the_first_named(tmp_path: Path) -> None:
    lacking = "id\trank\tscore\na\t0\t1\nc\t0\t1\nc\t2\t1\n"
    with pytest.raises(DataError, match=r'lacks the scores of 3 hyp.* rank 1 of a \("source of a"\)'):
        read(tmp_path, lacking)
    with pytest.raises(DataError, match="lacks the scores of 6 hypotheses"):
        read(tmp_path, "id\trank\tscore\n")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", r"scores.tsv:1: wanted is a line with the columns id, rank and score"),
        ("id\trank\tquality\n", r"scores.tsv:1: wanted .*found 'id rank quality'"),
        ("id\trank\tscore\na\t0\t1\t2\n", r"scores.tsv:2: 4 columns instead of 3"),
        (
            "id\trank\tscore\na\t0\t1\na\t1\tnan\n",
            r"scores.tsv:3: rank '1' and score 'nan'; write two numbers",
        ),
        ("id\trank\tscore\na\t-1\t1\n", r"scores.tsv:2: rank '-1'"),
        ("id\trank\tscore\na\t0\t1\nb\t0\t1\na\t0\t1\n", r"scores.tsv:4: a has two scores of rank 0"),
    ],
)
def test_a_row_that_is_no_score_is_named(tmp_path: Path, content: str, told: str) -> None:
    with pytest.raises(DataError, match=told):
        read(tmp_path, content)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing.tsv is no file"):
        list(read_scores(tmp_path / "nothing.tsv", choices(), tmp_path))


LENGTHS = "import sys\nfor line in sys.stdin.buffer: print(len(line) + line.index(b'\\t') / 100)\n"


def test_a_command_gets_each_text_of_a_source_once_and_its_numbers_go_to_all_that_have_it(
    tmp_path: Path,
) -> None:
    assert run(tmp_path, LENGTHS) == [[15.11, 15.11], [15.11], [15.11, 15.11, 15.11]]
    sent = (tmp_path / "scorer.in").read_text(encoding="utf-8").split("\n")
    pairs = [
        "source of a\tA0",
        "source of a\tA1",
        "source of b\tB0",
        "source of c\tC0",
        "source of c\tC1",
        "",
    ]
    assert sent == pairs


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("raise SystemExit(3)", "failed with status 3; run it by hand"),
        ("print(1)", "wrote 1 lines for 5; it must write one for each"),
        ("print('1\\n' * 5)", "wrote 6 lines for 5"),
        ("print('1\\n2\\nx\\n4\\n5')", r"wrote b'x\\n' for b \(\"source of b\"\); it must write a number"),
        ("print('1\\n2\\n3\\n4\\nnan')", r"wrote b'nan\\n' for c"),
    ],
)
def test_a_command_that_breaks_the_contract_is_named(tmp_path: Path, code: str, told: str) -> None:
    with pytest.raises(DataError, match=told):
        run(tmp_path, code)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("", "is empty"),
        ("'x", "No closing quotation"),
        ("/no/such/program -x", "cannot be run: No such file"),
    ],
)
def test_what_is_no_command_is_refused(tmp_path: Path, command: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        list(run_scorer(command, choices, tmp_path))
