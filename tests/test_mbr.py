import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from synthst.errors import ConfigError
from synthst.targets import mbr
from synthst.targets.mbr import count_matches, expected_utility, pairwise_scores, signature

WORDS = st.sampled_from(
    ["a", "ab", "aba", "Haus", "haus,", "(x)", "3.5", "é", "e\u0301", "北京", "\u2028", "😀😀"]
)
TEXTS = st.lists(WORDS, max_size=9).map(" ".join) | st.text(max_size=12)


def symbols(text: str) -> np.ndarray:
    return np.array([ord(character) for character in text], dtype=np.int64)


@settings(max_examples=60, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=4), st.lists(TEXTS, min_size=1, max_size=4))
def test_chrf_is_sacrebleus_sentence_chrf(hyps: list[str], refs: list[str]) -> None:
    expected = [[CHRF().sentence_score(hyp, [ref]).score for ref in refs] for hyp in hyps]
    assert pairwise_scores(hyps, refs, "chrf", "de") == pytest.approx(np.array(expected), abs=1e-9)


@pytest.mark.parametrize("tgt", ["de", "zh_TW"])
@settings(max_examples=40, deadline=None)
@given(hyps=st.lists(TEXTS, min_size=1, max_size=4), refs=st.lists(TEXTS, min_size=1, max_size=4))
def test_bleu_is_sacrebleus_sentence_bleu(hyps: list[str], refs: list[str], tgt: str) -> None:
    scorer = BLEU(effective_order=True, trg_lang=tgt[:2])
    expected = [[scorer.sentence_score(hyp, [ref]).score for ref in refs] for hyp in hyps]
    assert pairwise_scores(hyps, refs, "bleu", tgt) == pytest.approx(np.array(expected), abs=1e-9)


def test_the_signatures_are_sacrebleus() -> None:
    assert signature("chrf", "de").startswith("nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:")
    assert signature("bleu", "de").startswith("nrefs:1|case:mixed|eff:yes|tok:13a|smooth:exp|version:")
    assert "|tok:zh|" in signature("bleu", "zh")


def test_matches_are_counted_as_often_as_in_the_text_that_has_fewer() -> None:
    unigrams, bigrams, trigrams = count_matches([symbols("aaab"), symbols("aab"), symbols("b")], 3)
    assert unigrams.tolist() == [[4, 3, 1], [3, 3, 1], [1, 1, 1]]
    assert bigrams.tolist() == [[3, 2, 0], [2, 2, 0], [0, 0, 0]]
    assert trigrams.tolist() == [[2, 1, 0], [1, 1, 0], [0, 0, 0]]


def test_long_texts_are_counted_in_another_way_with_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [symbols(text) for text in ("abcabcabd", "abdabd", "", "cccc")]
    expected = count_matches(texts, 4)
    monkeypatch.setattr(mbr._renumber, "__defaults__", (0,))
    monkeypatch.setattr(mbr._sum_of_least, "__defaults__", (0,))
    assert np.array_equal(count_matches(texts, 4), expected)


def test_the_expected_utility_is_the_mean_over_the_list_so_what_is_there_twice_counts_double() -> None:
    # One unigram each: chrF is 100 for equal texts and 0 for others.
    assert expected_utility(["a", "b", "b"], "chrf", "de").tolist() == pytest.approx(
        [100 / 3, 200 / 3, 200 / 3]
    )


def test_a_text_alone_or_empty_has_a_utility() -> None:
    assert expected_utility(["a b c d"], "bleu", "de").tolist() == pytest.approx([100])
    assert expected_utility(["", ""], "chrf", "de").tolist() == [0, 0]


def test_a_tokenizer_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mbr, "BLEU", _fail)
    with pytest.raises(ConfigError, match=r"cannot load its tokenizer for 'ja': install mecab"):
        pairwise_scores(["a"], ["a"], "bleu", "ja")


def _fail(**_: object) -> None:
    raise RuntimeError("install\n  mecab")
