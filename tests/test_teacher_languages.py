"""Languages become a model's tags; what cannot is refused with the tags there are."""

import pytest

from synthst.errors import ConfigError
from synthst.teacher.batches import plan_batches
from synthst.teacher.languages import NLLB_TAGS, Tags, find_tags

NLLB = ["<s>", "▁a", "eng_Latn", "deu_Latn", "zho_Hans", "zho_Hant", "fra_Latn"]
M2M = ["<s>", "▁a", "__en__", "__de__"]
MBART = ["<s>", "▁a", "en_XX", "de_DE"]
MADLAD = ["<s>", "▁a", "<2en>", "<2de>"]
OPUS = ["</s>", "▁a", ">>deu<<", ">>fra<<"]


@pytest.mark.parametrize(
    ("vocabulary", "wanted"),
    [
        (NLLB, Tags(source="eng_Latn", target="deu_Latn")),
        (M2M, Tags(source="__en__", target="__de__")),
        (MBART, Tags(source="en_XX", target="de_DE")),
        (MADLAD, Tags(text="<2de> ")),
        (OPUS, Tags(text=">>deu<< ")),
        (["<s>", "▁a", "__", "<2>"], Tags()),
    ],
)
def test_a_language_code_becomes_the_tag_of_the_family(vocabulary: list[str], wanted: Tags) -> None:
    assert find_tags(vocabulary, src="en", tgt="de") == wanted


def test_a_tag_that_is_given_goes_before_the_language_code() -> None:
    tags = find_tags(NLLB, src="en", tgt="zh", tgt_lang="zho_Hant")
    assert tags == Tags(source="eng_Latn", target="zho_Hant")


def test_a_three_letter_code_is_taken_where_it_has_one_script() -> None:
    assert find_tags(NLLB, src="eng", tgt="fra").target == "fra_Latn"
    with pytest.raises(ConfigError, match="'zho'; give tgt_lang as one of its 5 tags, such as deu_Latn"):
        find_tags(NLLB, src="eng", tgt="zho")


def test_a_language_that_is_unknown_or_not_given_is_refused() -> None:
    with pytest.raises(ConfigError, match="M2M-100 model has no tag for the language 'fr'.*__de__, __en__"):
        find_tags(M2M, src="en", tgt="fr")
    with pytest.raises(ConfigError, match=r"no tag for a language \(src is not given\)"):
        find_tags(MBART, src=None, tgt="de")


def test_tags_for_a_model_without_tags_are_refused() -> None:
    with pytest.raises(ConfigError, match="no tags of languages; leave them out"):
        find_tags(["</s>", "▁a"], src="en", tgt="de", tgt_lang="deu_Latn")


def test_every_nllb_tag_is_a_language_and_a_script() -> None:
    import re

    assert len(NLLB_TAGS) > 120
    assert all(re.fullmatch("[a-z]{2}", code) for code in NLLB_TAGS)
    assert all(re.fullmatch("[a-z]{3}_[A-Z][a-z]{3}", tag) for tag in NLLB_TAGS.values())


def test_batches_hold_the_longest_first_within_tokens_and_sentences() -> None:
    assert plan_batches([3, 9, 5, 3], max_tokens=10, max_sentences=9) == [[1], [2, 0], [3]]
    assert plan_batches([1, 1, 1], max_tokens=10, max_sentences=2) == [[0, 1], [2]]
    assert plan_batches([99], max_tokens=10, max_sentences=1) == [[0]]
    assert plan_batches([], max_tokens=10, max_sentences=1) == []
