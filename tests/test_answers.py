"""What is taken out of a language model's answer, and what is no translation."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthst.teacher.answers import clean_answer, find_fault, join_lines
from synthst.teacher.llm_options import REFUSALS


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("Klicken Sie.", "Klicken Sie."),
        ("  Klicken Sie.\n\n", "Klicken Sie."),
        ("<think>Click is\nklicken.</think>\nKlicken Sie.", "Klicken Sie."),
        ("the template began the reasoning</think>Klicken Sie.", "Klicken Sie."),
        ("<think>it never came to an end", ""),
        ("```\nKlicken Sie.\n```", "Klicken Sie."),
        ("```text\nKlicken Sie.```", "Klicken Sie."),
        ("Here is the translation:\n\nKlicken Sie.", "Klicken Sie."),
        ("**Translation:**\nKlicken Sie.", "Klicken Sie."),
        ("Translation: Klicken Sie.", "Translation: Klicken Sie."),
        ("Hinweis:", "Hinweis:"),
        ('"Klicken Sie."', "Klicken Sie."),
        ("„Klicken Sie.“", "Klicken Sie."),
        ('"Ja" oder "Nein"', '"Ja" oder "Nein"'),
        ('""', '""'),
        ("Klicken\u2028Sie.", "Klicken\u2028Sie."),
        ("Hier:\nKlicken Sie.\nHinweis", "Klicken Sie.\nHinweis"),
    ],
)
def test_what_models_put_around_a_translation_is_removed(answer: str, text: str) -> None:
    assert clean_answer(answer, "Click.") == text


def test_quotation_marks_stay_where_the_source_has_them() -> None:
    assert clean_answer("„Klicken Sie.“", '"Click."') == "„Klicken Sie.“"
    assert clean_answer('"Klicken Sie."', "“Click.”") == '"Klicken Sie."'


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("Klicken Sie.", ""),
        ("Klicken\u2028Sie.", ""),
        ("", "empty"),
        ("Klicken\nSie.", "of several lines"),
        ("Klicken\rSie.", "of several lines"),
        ("\ud83d", "no Unicode text"),
        ("I'm sorry, but I can't help with that.", "a refusal"),
        ("I’m so sorry, I cannot translate this.", "a refusal"),
        ("I cannot assist with this request.", "a refusal"),
        ("As an AI language model I have no opinion.", "a refusal"),
        ("Es tut mir leid.", ""),
        ("I'm sorry.", ""),
        ("I can't come.", ""),
    ],
)
def test_what_is_no_translation_is_named(text: str, fault: str) -> None:
    assert find_fault(text, REFUSALS) == fault


@settings(max_examples=50, deadline=None)
@given(st.text(), st.text())
def test_any_answer_can_be_cleaned_and_joined_to_a_line_of_unicode(answer: str, source: str) -> None:
    line = join_lines(clean_answer(answer, source))
    assert not set(line) & set("\n\r\t\x00") and line == line.strip()
    line.encode("utf-8")


def test_lines_are_joined_by_blanks_and_lone_surrogates_replaced() -> None:
    assert join_lines(" a\r\nb\tc\ud800 ") == "a b c?"
