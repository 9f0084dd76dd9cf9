"""Each filter by itself: what it drops, what it keeps, which options it refuses."""

import re
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthst.errors import ConfigError, DataError, install_command
from synthst.tables import write_table
from synthst.targets.filters.content import Broken, Copy, Repetition
from synthst.targets.filters.corpus import Duplicates, ScoreQuantile
from synthst.targets.filters.language import Language, load_detector
from synthst.targets.filters.overlap import Overlap
from synthst.targets.filters.script import Script, script_of
from synthst.targets.filters.shape import CutOff, Empty, Length, LengthRatio
from synthst.targets.filters.spec import Pair, PairFilter
from synthst.targets.filters.words import normalise, split_words, top_ngram_count


def drops(spec: PairFilter, source: str, target: str, *, src: str = "en", tgt: str = "de") -> bool:
    return spec.test(src, tgt)(Pair("u", source, target))


def test_words_are_cut_at_blanks_and_single_where_a_script_has_none() -> None:
    assert split_words("Click\u00a0the icon.") == ("Click", "the", "icon.")
    assert split_words("点击 OK键") == ("点", "击", "OK", "键")
    assert split_words("") == ()


def test_normalised_texts_are_equal_but_for_case_width_blanks_and_punctuation() -> None:
    assert normalise("Click »ＯＫ« …") == normalise("click ok") == "clickok"
    assert normalise("STRASSE") == normalise("Straße")
    assert normalise("हिन्दी!") == "हिन्दी"  # vowel signs and viramas stay
    assert normalise("? !") == "?!" != normalise("...")


@given(st.lists(st.sampled_from("abc"), max_size=12), st.integers(1, 5))
def test_the_most_frequent_ngram_is_counted(words: list[str], n: int) -> None:
    ngrams = [tuple(words[start : start + n]) for start in range(len(words) - n + 1)]
    assert top_ngram_count(tuple(words), n) == max(map(ngrams.count, ngrams), default=0)


@pytest.mark.parametrize(("source", "target"), [("", "ja"), ("yes", ""), ("yes", "\u2028 ")])
def test_empty_sides_are_dropped(source: str, target: str) -> None:
    assert drops(Empty(), source, target)
    assert not drops(Empty(), "yes", "ja")


def test_unfinished_targets_are_dropped() -> None:
    test = CutOff().test("en", "de")
    assert test(Pair("u", "yes", "ja", finished=False))
    assert not test(Pair("u", "yes", "ja", finished=True))


@pytest.mark.parametrize(
    ("words", "dropped"), [((1, 2), True), ((2, 2), False), ((4, 2), False), ((2, 5), True)]
)
def test_lengths_are_limited_on_both_sides(words: tuple[int, int], dropped: bool) -> None:
    source, target = (" ".join(["no"] * count) for count in words)
    assert drops(Length(min_length=2, max_length=4), source, target) is dropped
    assert drops(Length(unit="characters", min_length=5, max_length=11), source, target) is dropped


@pytest.mark.parametrize(
    ("lengths", "options", "dropped"),
    [
        ((10, 40), {}, False),  # 3 * 10 + 10
        ((10, 41), {}, True),
        ((41, 10), {}, True),
        ((2, 12), {"max_extra": 6}, False),
        ((2, 13), {"max_extra": 6}, True),
        ((10, 90), {"target_per_source": 3.0, "max_extra": 0}, False),
        ((10, 10), {"target_per_source": 3.0, "max_extra": 0}, False),
        ((10, 9), {"target_per_source": 3.0, "max_extra": 0}, True),
    ],
)
def test_the_longer_side_is_limited_by_the_shorter(
    lengths: tuple[int, int], options: dict[str, float], dropped: bool
) -> None:
    source, target = ("x" * length for length in lengths)
    assert drops(LengthRatio(**options), source, target) is dropped  # type: ignore[arg-type]


def test_a_ratio_of_tokens_counts_words() -> None:
    spec = LengthRatio(unit="tokens", max_ratio=2, max_extra=0)
    assert not drops(spec, "extraordinarily long words", "so so so so so so")
    assert drops(spec, "extraordinarily long words", "so so so so so so so")
    assert drops(spec, "one", "一二三", tgt="zh")


@pytest.mark.parametrize(
    ("source", "target", "dropped"),
    [
        ("Click the big red icon.", "click the BIG, red icon!", True),
        ("Click the big red icon.", "Klicken Sie the big red icon.", False),  # 4 of 6
        ("LibreOffice Calc 7.4", "LibreOffice Calc 7.4", False),  # two words with letters
        ("a b", "a a a b", False),  # the source has one of them only
        ("点击图标", "点击图标", True),
    ],
)
def test_copies_of_the_source_are_dropped(source: str, target: str, dropped: bool) -> None:
    assert drops(Copy(), source, target) is dropped


def test_the_overlap_of_a_copy_is_an_option() -> None:
    assert drops(Copy(max_overlap=0.6), "Click the big red icon.", "Klicken Sie the big red icon.")
    assert drops(Copy(min_words=1), "Calc", "Calc")


@pytest.mark.parametrize(
    ("source", "target", "dropped"),
    [
        (
            "a row",
            "mit der Zeile mit der Zeile mit der Zeile",
            True,
        ),  # "mit der Zeile mit" twice, 0 in source
        ("a b c d e", "x y z w x y z w", False),  # twice, once in the source
        ("a b c d e", "x y z w x y z w x y z w", True),
        ("a b c d a b c d", "x y z w x y z w x y z w", False),
        ("five words are in here", "a a a a a", False),  # "a a a a" twice
        ("five words are in here", "a a a a a a", True),
        ("number", "0,12345678999999999", True),  # nine 9s in a row
        ("number", "0,1234567899999999 ergibt 9999999", True),  # eight
        ("number", "0,123456789999999 ergibt 9999999", False),  # seven, twice
        ("number 100000000", "Zahl 100000000", False),
        ("the second", "die zweitetetetetetetetete", True),
        ("press shift", f"dr{'Umschalt+' * 8}", True),
        ("好", "好" * 20, True),
    ],
)
def test_loops_that_are_not_in_the_source_are_dropped(source: str, target: str, dropped: bool) -> None:
    assert drops(Repetition(), source, target) is dropped


def test_loops_inside_words_are_not_looked_for_if_zero() -> None:
    assert not drops(Repetition(max_loops=0), "number", "0,9999999999")
    assert drops(Repetition(max_loops=2, n=9), "number", "abab")


@pytest.mark.parametrize("text", ["a\ufffdb", "a\x96b", "a\ue000b", "\u00c3\u00a4hnlich", "20 \u00c2\u00b0C"])
def test_wrongly_decoded_text_is_dropped_from_either_side(text: str) -> None:
    assert drops(Broken(), text, "gut") and drops(Broken(), "good", text)


@pytest.mark.parametrize("text", ["ähnlich", "NÃO", "20 °C", "x\x85y", "👩\u200d💻", "ÂME", "ｱ", "x\u2028y"])
def test_unusual_text_is_not_broken(text: str) -> None:
    assert not drops(Broken(), text, text)


def test_scripts_are_told_by_letters() -> None:
    scripts = [script_of(char) for char in "aßжع漢かーハｱＡºक한5. "]
    wanted = (
        "LATIN LATIN CYRILLIC ARABIC CJK HIRAGANA KATAKANA KATAKANA KATAKANA LATIN LATIN DEVANAGARI HANGUL"
    )
    assert scripts == [*wanted.split(), "", "", ""]


@pytest.mark.parametrize(
    ("target", "tgt", "dropped"),
    [
        ("Щёлкните значок", "ru", False),
        ("Klick the icon", "ru", True),
        ("Работа в Microsoft Office и LibreOffice", "ru", False),  # 8 of 34 letters
        ("OpenOffice.org 1.1.5 или StarOffice 7", "ru", True),  # 3 of 26
        ("1.1.5", "ru", False),
        ("Щёлкните значок", "de_AT", True),
        ("ハーフ 半分 はんぶん", "ja", False),
        ("Приказ", "sr", False),
        ("Prikaz", "sr", False),
    ],
)
def test_text_in_other_scripts_is_dropped(target: str, tgt: str, dropped: bool) -> None:
    assert drops(Script(), "icon", target, tgt=tgt) is dropped
    assert drops(Script(), target, "icon", src=tgt, tgt="en") is dropped


def test_a_script_may_be_named_and_must_be_known() -> None:
    assert drops(Script(target="greek"), "icon", "icon", tgt="xx")
    assert not drops(Script(target="GREEK LATIN"), "icon", "icon", tgt="xx")
    with pytest.raises(ConfigError, match="no script is known of the language 'xx'; give one: target: LATIN"):
        Script().test("en", "xx")
    with pytest.raises(ConfigError, match="target is KLINGON; give one or more of LATIN, CYRILLIC"):
        Script(target="Klingon").test("en", "xx")


ENGLISH = "You can also view comments that are attached to a changed cell."
GERMAN = "Außerdem können Sie die Kommentare zu geänderten Zellen einsehen."


@pytest.mark.parametrize(
    ("source", "target", "dropped"),
    [
        (ENGLISH, GERMAN, False),
        (ENGLISH, ENGLISH, True),
        (GERMAN, GERMAN, True),
        (ENGLISH, "The changes list", False),  # 14 letters
        ("1) 2) 3)", "1) 2) 3)", False),
    ],
)
def test_sentences_in_another_language_are_dropped(source: str, target: str, dropped: bool) -> None:
    assert drops(Language(), source, target) is dropped


def test_one_side_only_and_other_codes_for_languages() -> None:
    assert not drops(Language(side="target"), GERMAN, GERMAN)
    assert drops(Language(side="source"), GERMAN, GERMAN)
    assert not drops(Language(source="en", target="de"), ENGLISH, GERMAN, src="eng_Latn", tgt="deu_Latn")
    with pytest.raises(ConfigError, match="no language 'deu'; give source or target: one of its codes .*de"):
        Language().test("en", "deu_Latn")


def test_a_missing_detector_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "py3langid.langid", None)
    load_detector.cache_clear()
    with pytest.raises(ConfigError, match=re.escape(install_command("langid"))):
        Language().test("en", "de")


def test_digests_of_duplicates_tell_texts_apart() -> None:
    one, other = Pair("a", "Yes", "Ja."), Pair("b", "yes!", "ja")
    assert Duplicates().value(one) != Duplicates().value(other)
    assert Duplicates(normalised=True).value(one) == Duplicates(normalised=True).value(other)
    assert Duplicates(by="source").value(one) == Duplicates(by="source").value(Pair("c", "Yes", "Doch"))
    assert Duplicates().value(Pair("a", "x", "yz")) != Duplicates().value(Pair("a", "xy", "z"))


def write_set(directory: Path, **texts: str) -> Path:
    directory.mkdir()
    for lang, text in texts.items():
        write_table(directory / f"text.{lang}", [("t1", text)])
    return directory


@pytest.mark.parametrize(
    ("by", "dropped"),
    [("source", "s.p"), ("target", ".tp"), ("either", "stp"), ("pair", "..p")],
)
def test_sentences_of_test_sets_are_dropped(tmp_path: Path, by: str, dropped: str) -> None:
    test_set = write_set(tmp_path / "test", en="Click OK.", de="Klicken Sie auf OK.")
    test = Overlap(sets=(test_set,), by=by).test("en", "de")  # type: ignore[arg-type]
    pairs = {
        "s": Pair("s", "click OK", "Auf OK klicken."),
        "t": Pair("t", "Press OK.", "Klicken Sie auf »OK«"),
        "p": Pair("p", "Click OK!", "Klicken Sie auf OK"),
    }
    assert "".join(name if test(pair) else "." for name, pair in pairs.items()) == dropped


def test_a_test_set_may_lack_a_side_unless_it_is_asked_for(tmp_path: Path) -> None:
    test_set = write_set(tmp_path / "test", en="Click OK.")
    assert drops(Overlap(sets=(test_set,)), "click ok", "x")
    assert not drops(Overlap(sets=(test_set,)), "x", "click ok")
    for spec in (Overlap(sets=(test_set,), by="target"), Overlap(sets=(tmp_path / "none",))):
        with pytest.raises(DataError, match=r"text\.(de|en) is not there"):
            spec.test("en", "de")


@pytest.mark.parametrize(
    ("cls", "options", "message"),
    [
        (Length, {"min_length": 5, "max_length": 4}, "from 5 to 4"),
        (LengthRatio, {"max_ratio": 0.5}, "max_ratio 0.5"),
        (LengthRatio, {"target_per_source": 0.0}, "target_per_source 0.0"),
        (Copy, {"max_overlap": 1.1}, "max_overlap 1.1"),
        (Repetition, {"n": 0}, "n 0"),
        (Repetition, {"max_loops": 1}, "max_loops 1"),
        (Script, {"min_share": 0.0}, "min_share 0.0"),
        (Language, {"min_probability": 0.0}, "min_probability 0.0"),
        (ScoreQuantile, {"quantile": 1.0}, "quantile 1.0"),
        (Duplicates, {"copies": 0}, "copies 0"),
        (Overlap, {}, "no sets"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    cls: type[PairFilter], options: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=f"filter {cls.name}: .*{message}.*; give "):
        cls(**options)
