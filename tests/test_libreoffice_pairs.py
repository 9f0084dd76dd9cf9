"""Which texts of two languages become a pair, and which are dropped for what reason."""

from collections import Counter

import pytest

from synthst.corpora.libreoffice_html import Paragraph
from synthst.corpora.libreoffice_pairs import Pair, align_pages, find_flaw, keep_clean, page_keys, text_key


def align(
    english: list[Paragraph], german: list[Paragraph], src: str = "en"
) -> tuple[list[Pair], Counter[str]]:
    counts: Counter[str] = Counter()
    tgt = "de" if src == "en" else "en"
    return list(align_pages({"en": {"p": english}, "de": {"p": german}}, src, tgt, counts)), counts


def test_align_pages_pairs_by_element_id_not_by_position() -> None:
    english = [Paragraph("a", "one"), Paragraph("b", "two"), Paragraph("c", "three")]
    german = [Paragraph("x", "neu"), Paragraph("b", "zwei"), Paragraph("a", "eins")]
    pairs, counts = align(english, german)
    assert [(pair.src, pair.tgt) for pair in pairs] == [("one", "eins"), ("two", "zwei")]
    assert counts == {"pages": 1, "paragraphs": 3, "dropped_without_counterpart": 1}


def test_align_pages_pairs_the_nth_paragraph_of_an_id_with_the_nth() -> None:
    english = [Paragraph("a", "one"), Paragraph("a", "two"), Paragraph("a", "three")]
    german = [Paragraph("a", "eins"), Paragraph("a", "zwei")]
    pairs, _ = align(english, german)
    assert [(pair.src, pair.tgt) for pair in pairs] == [("one", "eins"), ("two", "zwei")]


def test_align_pages_survives_a_page_that_the_other_language_lacks() -> None:
    counts: Counter[str] = Counter()
    assert not list(align_pages({"en": {"p": [Paragraph("a", "one")]}, "de": {}}, "en", "de", counts))
    assert counts["dropped_without_counterpart"] == 1


def test_align_pages_splits_where_both_sides_have_as_many_sentences() -> None:
    pairs, counts = align([Paragraph("a", "Open it. Close it.")], [Paragraph("a", "Öffnen. Schließen.")])
    assert [(pair.id[-8:], pair.src, pair.tgt) for pair in pairs] == [
        ("_0000_01", "Open it.", "Öffnen."),
        ("_0000_02", "Close it.", "Schließen."),
    ]
    assert "paragraphs_kept_whole" not in counts


@pytest.mark.parametrize(
    "german",
    [
        "Öffnen und Schließen.",
        "Öffnen. Dann warten. Schließen.",
        "Öffnen. Schließen Sie danach das Fenster mit der Schaltfläche rechts oben.",  # of unlike lengths
    ],
)
def test_align_pages_keeps_a_paragraph_whole_when_the_sentences_do_not_match(german: str) -> None:
    (pair,), counts = align([Paragraph("a", "Open it. Close it.")], [Paragraph("a", german)])
    assert (pair.id[-8:], pair.src, pair.tgt) == ("_0000_00", "Open it. Close it.", german)
    assert counts["paragraphs_kept_whole"] == 1


def test_align_pages_gives_the_same_ids_in_both_directions_and_in_their_order() -> None:
    english = [Paragraph(str(n), f"Text {n}.") for n in range(12)]
    german = [Paragraph(str(n), f"Absatz {n}.") for n in range(12)]
    pages = {"en": {"one": english, "two": english, "three": english}}
    pages["de"] = {"one": german, "two": german[:3], "three": german}
    there = list(align_pages(pages, "en", "de", Counter()))
    back = list(align_pages(pages, "de", "en", Counter()))
    assert [(pair.id, pair.src, pair.tgt) for pair in there] == [
        (pair.id, pair.tgt, pair.src) for pair in back
    ]
    ids = [pair.id.encode() for pair in there]
    assert ids == sorted(set(ids))


def test_align_pages_leaves_out_code() -> None:
    pairs, counts = align([Paragraph("a", "Print x", True)], [Paragraph("a", "Drucke x", True)])
    assert not pairs
    assert counts["dropped_code"] == 1


@pytest.mark.parametrize(
    ("src", "tgt", "flaw"),
    [
        ("Open the file", "Öffnen der Datei", None),
        ("", "Öffnen", "empty"),
        ("Open", "", "empty"),
        ("Open\x07", "Öffnen", "control_character"),
        ("Open", "Öffnen\x85", "control_character"),
        ("100 - 200", "Öffnen", "without_letters"),
        ("Open the _ file", "12_3 !", "without_letters"),
        ("Open the file", "Open the file", "untranslated"),
        ("Shift+F11 (Mac)", "SHIFT + F11 Mac", "untranslated"),
        ("See WEEKNUM", "[text/scalc/01/func.xhp#weeknum not found].", "broken_link"),
        ("Click here.", "Klicken Sie hier mit der linken Maustaste.", "length_ratio"),  # 57 / 26 > 2
        ("Click here now.", "Klicken Sie hier mit der linken Maustaste.", None),  # 57 / 30 < 2
    ],
)
def test_find_flaw(src: str, tgt: str, flaw: str | None) -> None:
    assert find_flaw(src, tgt, ("en", "de")) == flaw
    assert find_flaw(tgt, src, ("de", "en")) == flaw


def test_find_flaw_takes_russian_without_cyrillic_for_untranslated() -> None:
    assert find_flaw("Press the key", "Press that key", ("en", "ru")) == "untranslated"
    assert find_flaw("Press that key", "Press the key", ("ru", "en")) == "untranslated"
    assert find_flaw("Press the key", "Нажмите на Key", ("en", "ru")) is None


def test_keep_clean_counts_every_drop_by_reason() -> None:
    rows = [("a b", "A c"), ("a b c", "A B d"), ("a b c d e", "A B C D f"), ("x y z", "x y z"), ("", "")]
    counts: Counter[str] = Counter()
    pairs = [Pair(str(number), "p", *row) for number, row in enumerate(rows)]
    kept = list(keep_clean(pairs, counts, languages=("en", "de"), min_words=3, max_words=4))
    assert [pair.id for pair in kept] == ["1"]
    names = ("too_few_words", "too_many_words", "untranslated", "empty")
    assert counts == {f"dropped_{name}": 1 for name in names}


def test_keep_clean_has_no_upper_limit_when_none_is_given() -> None:
    pair = Pair("1", "p", "a " * 999 + "b", "c " * 999 + "d")
    assert list(keep_clean([pair], Counter(), languages=("en", "de"), min_words=1, max_words=None)) == [pair]


def test_text_key_forgets_case_blanks_and_punctuation() -> None:
    assert text_key("Click  “OK”, or press_F1!") == text_key("click OK or Press F1") == "clickokorpressf1"


def test_page_keys_are_those_of_paragraphs_and_sentences() -> None:
    keys = set(page_keys([Paragraph("a", "Open it. Close it."), Paragraph("b", "Wait")], "en"))
    assert keys == {"openitcloseit", "openit", "closeit", "wait"}
