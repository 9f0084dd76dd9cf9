"""The restorer of case and punctuation: what it sees, learns, changes and leaves alone."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from synthst.errors import ConfigError, DataError
from synthst.targets.restorer import Restorer, RestorerOptions, fit, has_case, has_marks, load_restorer
from synthst.targets.restorer_words import (
    CASES,
    MARKS,
    Sentences,
    Word,
    case_features,
    mark_features,
    split_words,
)

SMALL = RestorerOptions(buckets=4096, epochs=8, learning_rate=0.5)
THINGS = ["icon", "menu", "table", "chart", "page", "field"]
TEXTS = [
    *(f"Open the {thing} in LibreOffice, then press Enter." for thing in THINGS),
    *(f"Is the {thing} a PDF file?" for thing in THINGS),
    *(f"The {thing} is open. Close it!" for thing in THINGS),
]


@pytest.fixture(scope="module")
def restorer() -> Restorer:
    return fit(TEXTS, SMALL)


@pytest.mark.parametrize(
    ("token", "before", "core", "behind", "mark", "case"),
    [
        ("word", "", "word", "", "", "lower"),
        ("Word.", "", "Word", ".", ".", "title"),
        ('("NATO",', '("', "NATO", '",', ",", "upper"),
        ("LibreOffice…", "", "LibreOffice", "…", ".", "mixed"),
        ("I'm", "", "I'm", "", "", "title"),
        ("3.5?!", "", "3.5", "?!", "?", "lower"),
        ("(e.g.)", "(", "e.g", ".)", ".", "lower"),
        ("C++:", "", "C++", ":", ":", "title"),
        ("Straße;", "", "Straße", ";", ";", "title"),
    ],
)
def test_a_word_is_taken_apart(token: str, before: str, core: str, behind: str, mark: str, case: str) -> None:
    (word,) = split_words(token)
    assert word == Word(before, core, behind)
    assert (MARKS[word.mark], CASES[word.case]) == (mark, case)


def test_what_has_no_letter_or_digit_is_no_word() -> None:
    assert [word.core for word in split_words("a – 😀 ... b")] == ["a", "", "", "", "b"]


def test_what_a_text_has_is_noticed() -> None:
    def found(text: str) -> tuple[bool, bool]:
        words = [word for word in split_words(text) if word.core]
        return has_case(words), has_marks(words)

    assert found("open the menu") == (False, False)
    assert found("OPEN THE MENU") == (False, False)
    assert found("so I said I'm here") == (False, False)
    assert found("Open the menu") == (True, False)
    assert found("open the menu.") == (False, True)
    assert found("open 3.5 times") == (False, False)


def test_features_are_of_the_word_and_its_neighbours_only() -> None:
    sentences = Sentences([["a", "b", "c", "d"], ["b"], ["a", "b", "c", "d"]])
    marks = mark_features(sentences, 2**40)
    assert marks.shape[0] == 9 and (marks[:4] == marks[5:]).all()
    alone = mark_features(Sentences([["b"]]), 2**40)
    assert (alone == marks[4]).all() and not (marks[1] == marks[4]).all()
    assert marks[1, 1] == marks[4, 1]  # the word itself
    chosen = np.array([0, 1, 0, 2, 0, 0, 1, 0, 2])
    cases = case_features(sentences, chosen, 2**40)
    assert (cases[:4] == cases[5:]).all()
    assert cases[0, 0] == cases[4, 0] != cases[1, 0]  # the start of a sentence, though a mark came before it
    other = case_features(sentences, np.zeros(9, dtype=np.int64), 2**40)
    assert other[2, 0] != cases[2, 0] and other[3, 0] == cases[3, 0]


def test_it_restores_what_it_has_learnt(restorer: Restorer) -> None:
    assert restorer.restore(
        [
            "open the icon in libreoffice then press enter",
            "IS THE MENU A PDF FILE",
            "the page is open close it",
        ]
    ) == [
        "Open the icon in LibreOffice, then press Enter.",
        "Is the menu a PDF file?",
        "The page is open. Close it!",
    ]


def test_it_leaves_alone_what_a_text_has(restorer: Restorer) -> None:
    assert restorer.restore(
        [
            "oPen the icon in libreoffice then press enter",
            "is the menu, a pdf file",
            "Is the menu a pdf File!",
            "– 😀",
            "",
            "“is the menu” a (pdf) file",
        ]
    ) == [
        "oPen the icon in libreoffice, then press enter.",
        "Is the menu, a PDF file",
        "Is the menu a pdf File!",
        "– 😀",
        "",
        "“Is the menu” a (PDF) file?",
    ]


def test_neighbours_change_nothing(restorer: Restorer) -> None:
    texts = [text.lower().replace(",", "") for text in TEXTS]
    assert restorer.restore(texts) == [restorer.restore([text])[0] for text in texts]


@settings(max_examples=60, deadline=None)
@example(texts=["ı", "İSTANBUL", "ŉ ß"])
@given(texts=st.lists(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"])), max_size=4))
def test_no_letter_is_added_or_lost(restorer: Restorer, texts: list[str]) -> None:
    def letters(text: str) -> str:
        return "".join(filter(str.isalnum, text.casefold()))

    restored = restorer.restore(texts)
    assert [letters(text) for text in restored] == [letters(text) for text in texts]
    assert [len(text.split()) for text in restored] == [len(text.split()) for text in texts]


def test_training_is_the_same_each_time_and_survives_saving(restorer: Restorer, tmp_path: Path) -> None:
    again = fit(TEXTS, SMALL)
    assert (again.marks == restorer.marks).all() and (again.cases == restorer.cases).all()
    restorer.save(tmp_path)
    loaded = load_restorer(tmp_path)
    assert loaded.spellings == {"libreoffice": "LibreOffice"}
    assert np.abs(loaded.marks - restorer.marks).max() < 0.01
    assert loaded.restore(["is the menu a pdf file"]) == ["Is the menu a PDF file?"]


def test_the_commonest_mixed_spelling_wins() -> None:
    texts = ["The iPhone rings.", "An IPhone is here.", "My iPhone is new.", "The iphone rings."]
    assert fit(texts, SMALL).spellings == {"iphone": "iPhone"}


def test_what_is_no_restorer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read: No such file"):
        load_restorer(tmp_path)
    (tmp_path / "restorer.npz").write_bytes(b"no zip")
    with pytest.raises(DataError, match="is no restorer"):
        load_restorer(tmp_path)
    empty = np.zeros((4, 2), dtype=np.float16)
    np.savez(tmp_path / "restorer.npz", marks=empty, cases=empty, spellings=np.frombuffer(b"{}", np.uint8))
    with pytest.raises(DataError, match="of another synthst"):
        load_restorer(tmp_path)
    np.savez(tmp_path / "restorer.npz", marks=empty)
    with pytest.raises(DataError, match="is no restorer"):
        load_restorer(tmp_path)


def test_options_that_train_nothing_are_refused() -> None:
    with pytest.raises(ConfigError, match="cannot train; give numbers above 0"):
        RestorerOptions(epochs=0)
