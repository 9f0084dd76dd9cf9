from collections import Counter
from pathlib import Path

import pytest
from fake_teacher import write_data
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from toy_store import write_store

from synthst.errors import ConfigError, DataError
from synthst.nbest import read_nbest
from synthst.tables import write_table
from synthst.targets.candidates import write_candidates
from synthst.targets.select import SelectOptions, check_choice, describe_selection, select_targets

FIRST = SelectOptions()
HOUSE = ["ein Haus", "ein rotes Haus", "ein rotes Haus.", "ein rotes Haus!", "das rote Haus."]


def select(
    tmp_path: Path,
    lists: dict[str, list[str]],
    options: SelectOptions = FIRST,
    *,
    number: int = 1,
    references: list[str] | None = None,
) -> tuple[list[list[str]], Counter[str]]:
    """Choose for each source of the lists; return the texts and the counts."""
    store = write_store(tmp_path / "store", lists)
    data = write_data(tmp_path / "data", lists)
    if references is not None:
        write_table(data / "text.de", [(f"u{n:06d}", text) for n, text in enumerate(references)])
    counts: Counter[str] = Counter()
    with read_nbest(store, data / "text.en") as nbest:
        chosen = select_targets(
            nbest, options, nbest_targets=number, data=data, tgt="de", scratch=tmp_path, counts=counts
        )
        return [[one.text for one in choice.candidates] for choice in chosen], counts


def test_the_first_is_the_teachers_best_and_nothing_is_counted(tmp_path: Path) -> None:
    assert select(tmp_path, {"house": HOUSE, "b": ["B"]}) == ([["ein Haus"], ["B"]], {})


def test_several_are_the_teachers_best_that_differ_and_are_not_empty(tmp_path: Path) -> None:
    lists = {"a": ["", "A", " A\t", "A\x00a", "b"], "c": ["C", "C"]}
    found = select(tmp_path, lists, number=3)
    assert found == ([["A", "A a", "b"], ["C"]], {"reranked": 1, "fewer_targets": 1})


@pytest.mark.parametrize("by", ["bleu", "chrf"])
def test_the_best_against_the_reference(tmp_path: Path, by: str) -> None:
    found = select(
        tmp_path,
        {"house": HOUSE, "same": ["gleich", "anders"]},
        SelectOptions(by=by),  # type: ignore[arg-type]
        references=["ein rotes Haus", "gleich"],
    )
    assert found == ([["ein rotes Haus"], ["gleich"]], {"reranked": 1, "fewer_targets": 0})


@pytest.mark.parametrize("by", ["mbr_bleu", "mbr_chrf"])
def test_the_best_by_minimum_bayes_risk_needs_no_reference(tmp_path: Path, by: str) -> None:
    scorer = BLEU(effective_order=True) if by == "mbr_bleu" else CHRF()
    risk = {hyp: -sum(scorer.sentence_score(hyp, [other]).score for other in HOUSE) for hyp in HOUSE}
    lists = {"house": HOUSE, "two": ["x y", "a b", "a b"]}
    found, counts = select(tmp_path, lists, SelectOptions(by=by), number=3)  # type: ignore[arg-type]
    assert found == [sorted(HOUSE, key=lambda hyp: risk[hyp])[:3], ["a b", "x y"]]
    assert found[0][0] != HOUSE[0]
    assert counts == {"reranked": 2, "fewer_targets": 1}


def test_equals_stay_in_the_teachers_order(tmp_path: Path) -> None:
    lists = {"a": ["xxx", "yyy", "zzz"]}
    for by in ("mbr_chrf", "mbr_bleu", "bleu", "chrf"):
        options = SelectOptions(by=by)  # type: ignore[arg-type]
        assert select(tmp_path / by, lists, options, number=2, references=["q"])[0] == [["xxx", "yyy"]]


def test_an_empty_hypothesis_is_chosen_only_where_there_is_no_other(tmp_path: Path) -> None:
    lists = {"a": ["", " ", "A"], "b": ["", "\n"]}
    assert select(tmp_path, lists, SelectOptions(by="mbr_chrf"))[0] == [["A"], [""]]


def test_the_best_by_a_file_of_scores(tmp_path: Path) -> None:
    lists = {"a": ["A0", "A1"], "b": ["B0", "B1"]}
    (tmp_path / "qe.tsv").write_bytes(
        b"id\trank\tscore\nu000000\t0\t.1\nu000000\t1\t.9\nu000001\t0\t.3\nu000001\t1\t.3\n"
    )
    found = select(tmp_path, lists, SelectOptions(by="scores", scores=tmp_path / "qe.tsv"))
    assert found == ([["A1"], ["B0"]], {"reranked": 1, "fewer_targets": 0})


def test_the_best_by_a_command(tmp_path: Path) -> None:
    found = select(tmp_path, {"a": ["7", "9", "8"]}, SelectOptions(by="scorer", scorer="cut -f 2"), number=2)
    assert found == ([["9", "8"]], {"reranked": 1, "fewer_targets": 0})


def test_references_of_other_ids_are_refused_before_anything_is_chosen(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"text\.de lacks 1 of 2 ids, the first is u000001"):
        select(tmp_path, {"a": ["A"], "b": ["B"]}, SelectOptions(by="chrf"), references=["A"])


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"by": "scores"}, "select.by is scores and select.scores is None; give select.scores"),
        ({"by": "scorer", "scores": Path("x")}, "select.by is scorer and select.scores is x"),
        ({"scorer": "comet"}, "select.by is first and select.scorer is comet"),
        ({"by": "best"}, "select.by is 'best'; give one of first, bleu,"),
    ],
)
def test_options_that_do_not_fit_together_are_refused(options: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        SelectOptions(**options)  # type: ignore[arg-type]


def test_lists_that_are_too_short_to_choose_from_are_refused(tmp_path: Path) -> None:
    one = write_store(tmp_path / "one", {"a": ["A"]}, nbest=1)
    four = write_store(tmp_path / "four", {"a": ["A"]}, nbest=4)
    check_choice(one, SelectOptions(), 1)
    check_choice(four, SelectOptions(by="mbr_chrf"), 4)
    with pytest.raises(
        DataError, match=r"one has lists of 1 .* too short to choose 1 by mbr_bleu; .*nbest 4"
    ):
        check_choice(one, SelectOptions(by="mbr_bleu"), 1)
    with pytest.raises(DataError, match=r"four has lists of 4 .* to choose 5 by first; .*--search.nbest 5"):
        check_choice(four, SelectOptions(), 5)
    with pytest.raises(ConfigError, match="nbest_targets is 0; give 1 or more"):
        check_choice(four, SelectOptions(), 0)


def test_info_tells_by_what_was_chosen_with_the_signature() -> None:
    assert describe_selection(SelectOptions(), "de") == {}
    assert describe_selection(SelectOptions(by="scorer", scorer="x"), "de") == {"by": "scorer"}
    found = describe_selection(SelectOptions(by="mbr_bleu"), "zh")
    assert (found["by"], "tok:zh" in found["signature"]) == ("mbr_bleu", True)


def test_candidates_can_be_written_to_read_and_to_judge(tmp_path: Path) -> None:
    store = write_store(tmp_path / "store", {"a": ["A\tB\n", "", "A\u2028B"], "b": ["", " "]})
    data = write_data(tmp_path / "data", ["b", "a"])
    write_candidates(data, store, tmp_path / "nbest.tsv", src="en")
    assert (tmp_path / "nbest.tsv").read_bytes().decode() == (
        "id\trank\tteacher_score\tsource\thypothesis\n"
        "u000000\t0\t0.0\tb\t\nu000001\t0\t0.0\ta\tA B\nu000001\t2\t-2.0\ta\tA\u2028B\n"
    )
