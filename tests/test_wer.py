"""Word error rates are counted on normalised words, joined by id."""

import hashlib
import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthst.errors import DataError
from synthst.score import is_stale, read_metrics
from synthst.wer import WordErrors, count_errors, split_words, word_error_rate


def write(path: Path, rows: dict[str, str]) -> Path:
    path.write_text("".join(f"{id_} {text}\n" for id_, text in rows.items()), encoding="utf-8", newline="\n")
    return path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't re-enter 3.5%!", ["don't", "re", "enter", "3", "5"]),
        ("It\u2019s  \u201cO\u2019Brien\u2019s\u201d\u2026", ["it's", "o'brien's"]),
        ("the dogs' 'quoted' ''tis --", ["the", "dogs", "quoted", "tis"]),
        ("\u00bfQu\u00e9 tal? ca\u0301fe", ["qu\u00e9", "tal", "c\u00e1fe"]),
        ("STRASSE Stra\u00dfe", ["strasse", "stra\u00dfe"]),
        ("a + b = $5 \u2014 \u266a", ["a", "b", "5"]),
        ("...", []),
        ("", []),
    ],
)
def test_case_and_punctuation_do_not_count_and_inner_apostrophes_do(text: str, words: list[str]) -> None:
    assert split_words(text) == words


@pytest.mark.parametrize(
    ("hyp", "ref", "wanted"),
    [
        ("a b c", "a b c", (0, 0, 0)),
        ("a x c", "a b c", (1, 0, 0)),
        ("a b c d", "a b c", (0, 1, 0)),
        ("b c", "a b c", (0, 0, 1)),
        ("", "a b c", (0, 0, 3)),
        ("a b", "", (0, 2, 0)),
        ("", "", (0, 0, 0)),
        # Two errors either way, "b" deleted and "x" inserted or two substitutions: these count.
        ("c x", "b c", (2, 0, 0)),
        ("a c d x", "a b c d", (0, 1, 1)),
        ("x b c y", "a b c", (1, 1, 0)),
    ],
)
def test_errors_are_counted_as_by_hand(hyp: str, ref: str, wanted: tuple[int, int, int]) -> None:
    assert count_errors(hyp.split(), ref.split()) == WordErrors(*wanted, len(ref.split()))


def cheapest(hyp: str, ref: str) -> tuple[int, int, int]:
    """Return (errors, insertions + deletions, insertions) of the best way, by trying all."""
    if not hyp or not ref:
        return len(hyp) + len(ref), len(hyp) + len(ref), len(hyp)
    pair, insert, delete = cheapest(hyp[1:], ref[1:]), cheapest(hyp[1:], ref), cheapest(hyp, ref[1:])
    return min(
        (pair[0] + (hyp[0] != ref[0]), *pair[1:]),
        (insert[0] + 1, insert[1] + 1, insert[2] + 1),
        (delete[0] + 1, delete[1] + 1, delete[2]),
    )


@given(st.text("abc", max_size=5), st.text("abc", max_size=5))
def test_errors_are_the_fewest_with_the_most_substitutions(hyp: str, ref: str) -> None:
    found = count_errors(hyp, ref)
    total, unpaired, insertions = cheapest(hyp, ref)
    assert (found.errors, found.insertions + found.deletions, found.insertions) == (
        total,
        unpaired,
        insertions,
    )


def test_the_rate_is_of_all_words_and_every_utterance_is_kept(tmp_path: Path) -> None:
    ref = write(tmp_path / "ref", {"u1": "One two, three.", "u2": "four five six seven", "u3": "Eight"})
    hyp = write(tmp_path / "hyp", {"u1": "one two three", "u2": "for five seven seven eight", "u3": ""})
    found = word_error_rate(hyp, ref, tmp_path / "new" / "wer.json")
    # u2: four/for, six/seven, and eight too many; u3: one missing; of 3 + 4 + 1 words.
    assert found.total == WordErrors(2, 1, 1, 8) and found.rate == 50.0
    assert found.by_utterance["u2"] == WordErrors(2, 1, 0, 4)
    assert (found.utterances, found.empty_hypotheses, found.empty_references) == (3, 1, 0)
    lines = (tmp_path / "new" / "wer.tsv").read_text(encoding="utf-8").split("\n")
    assert lines[0] == "id\tsubstitutions\tinsertions\tdeletions\twords"
    assert lines[1:] == ["u1\t0\t0\t0\t3", "u2\t2\t1\t0\t4", "u3\t0\t0\t1\t1", ""]
    assert all(a < b for a, b in pairwise(lines[1:-1]))


def test_the_file_reads_like_that_of_scores(tmp_path: Path) -> None:
    hyp, ref = write(tmp_path / "hyp", {"u1": "a x"}), write(tmp_path / "ref", {"u1": "a b"})
    word_error_rate(hyp, ref, tmp_path / "wer.json")
    [metric] = read_metrics(tmp_path / "wer.json")
    assert (metric.name, metric.score) == ("WER", 50.0)
    assert metric.verbose == f"WER|{metric.signature} = 50.00 (1 sub, 0 ins, 0 del of 2 words)"
    content = json.loads((tmp_path / "wer.json").read_text(encoding="utf-8"))
    assert content["total"] == {"substitutions": 1, "insertions": 0, "deletions": 0, "words": 2}
    assert content["references"][0]["sha256"] == hashlib.sha256(b"u1 a b\n").hexdigest()
    assert not is_stale(tmp_path / "wer.json", hyp, ref)
    write(hyp, {"u1": "a b"})
    assert is_stale(tmp_path / "wer.json", hyp, ref)


def test_rows_are_joined_by_id_and_a_missing_one_is_refused(tmp_path: Path) -> None:
    ref = write(tmp_path / "ref", {"u1": "a", "u2": "b"})
    for rows in ({"u1": "a"}, {"u1": "a", "u3": "b"}, {}):
        with pytest.raises(DataError, match=r"hyp lacks .* u\d"):
            word_error_rate(write(tmp_path / "hyp", rows), ref, tmp_path / "wer.json")
    with pytest.raises(DataError, match="ref lacks 1 of 3 ids, the first is u3"):
        hyp = write(tmp_path / "hyp", {"u1": "a", "u2": "b", "u3": "c"})
        word_error_rate(hyp, ref, tmp_path / "wer.json")
    assert not (tmp_path / "wer.json").exists()


@pytest.mark.parametrize("rows", [{}, {"u1": "..."}])
def test_references_without_a_word_are_refused(tmp_path: Path, rows: dict[str, str]) -> None:
    hyp, ref = write(tmp_path / "hyp", rows), write(tmp_path / "ref", rows)
    with pytest.raises(DataError, match=rf"ref: no word in {len(rows)} references"):
        word_error_rate(hyp, ref, tmp_path / "wer.json")
