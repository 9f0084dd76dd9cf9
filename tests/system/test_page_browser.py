"""The page over all experiments in a browser, from a file and offline, on a phone and on a desktop."""

import re
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Page
from test_audit_page import CONTRASTS
from toy_page import EVIL, write_experiments

from synthst.page.command import report

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    exp = write_experiments(tmp_path_factory.mktemp("experiments"), speech=True)
    report(exp)
    return exp / "index.html"


def ids(page: Page) -> list[str]:
    return page.locator("#cards .head code").all_text_contents()


def test_only_tables_that_scroll_are_wider_than_the_screen(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    wide = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert wide[0] == wide[1]
    overflowing = """[...document.querySelectorAll('main *')].filter(one => !one.closest('.scroll table') &&
        one.getBoundingClientRect().right > innerWidth + 1).map(one => one.outerHTML)"""
    assert page.evaluate(overflowing) == []


def test_tables_and_figures_are_shown(page: Page) -> None:
    assert page.locator("#tables h3").all_inner_texts() == ["Table 1: a toy, preset mini"]
    cell = page.locator("#tables td").first
    assert cell.locator(".ours").inner_text() == "10.0 / 12.5 +2.5*"
    assert cell.locator(".count").inner_text() == "paper 17.6 / 20.9 (+3.3)"
    assert page.locator("#figures img").evaluate("one => one.complete && one.naturalWidth") == 1
    page.locator("#figures summary").click()
    assert page.locator("#figures td").first.inner_text() == "<i>real</i>"


def test_models_are_sorted_by_any_column(page: Page) -> None:
    bleu = page.get_by_role("button", name="BLEU")
    bleu.click()
    cells = page.locator("#lines tbody td:nth-child(6)").all_inner_texts()
    assert len(cells) == 3
    assert sorted(cells, key=float, reverse=True) == cells
    bleu.click()
    assert page.locator("#lines tbody td:nth-child(6)").all_inner_texts() == cells[::-1]
    assert page.locator("#lines [aria-sort]").get_attribute("aria-sort") == "ascending"
    page.get_by_role("button", name="Model", exact=True).click()
    assert "teacher" in page.locator("#lines tbody tr").last.inner_text()
    assert "4.7 M" in page.locator("#lines tbody tr").first.inner_text()


def test_sentences_are_sorted_by_the_difference_of_two_systems(page: Page) -> None:
    assert page.locator("#status").inner_text() == "43 sentences"
    assert (len(ids(page)), ids(page)[0]) == (20, "u2")  # nothing against nearly the reference
    assert page.locator("#cards .gain").count() == 2
    page.locator("#order").select_option("loss")
    assert ids(page)[0] == "u1"
    card = page.locator("#cards .card").first
    assert EVIL in card.inner_text()
    assert card.locator("dt").all_inner_texts()[:2] == ["Source (en)", "Reference (de)"]
    titles = [title.split(" ")[0] for title in card.locator("dt").all_inner_texts()]
    assert titles == ["Source", "Reference", "real", "synthetic", "teacher"]
    page.locator("#second").select_option("2")
    page.locator("#third").select_option("")
    page.locator("#order").select_option("gain")
    assert page.locator("#cards .card").first.locator("dt").count() == 4


def test_the_teacher_follows_the_student_unless_another_third_was_chosen(page: Page) -> None:
    second, third = page.locator("#second"), page.locator("#third")
    assert third.locator("option:checked").inner_text().endswith("BLEU, teacher")
    second.select_option("0")
    assert third.locator("option:checked").inner_text() == "none"
    assert page.locator("#cards .card").first.locator("dt").count() == 3
    second.select_option("1")
    assert third.input_value() == "2"
    third.select_option("0")
    second.select_option("2")
    assert third.input_value() == "0"


def test_no_column_of_the_models_is_cut_off_on_a_desktop_and_elsewhere_a_shadow_tells(page: Page) -> None:
    panel = page.locator("#models .scroll")
    page.evaluate("""() => {
        const texts = { 1: "synthetic then real", 4: "descriptions_test", 7: "12.1 M", 8: "29,093" };
        const cells = document.querySelector("#lines tbody tr").cells;
        for (const [number, text] of Object.entries(texts)) cells[number].textContent = text; }""")
    wide = panel.evaluate("one => one.scrollWidth - one.clientWidth")
    size = page.viewport_size
    assert size is not None and (wide > 0) == (size["width"] < 1000)
    assert panel.evaluate("one => getComputedStyle(one).backgroundAttachment").startswith(
        "local, local, scroll"
    )


def test_sentences_are_searched_and_turned(page: Page) -> None:
    page.locator("#order").select_option("id")
    page.locator("#after").click()
    assert (ids(page)[0], page.locator("#position").inner_text()) == ("v17", "21–40 of 43")
    page.locator("#query").fill("SYMBOL klicken")
    assert ids(page) == ["u0"]
    assert page.locator("#cards mark").first.inner_text() == "Klicken"
    page.locator("#query").fill("nowhere")
    assert (ids(page), page.locator("#position").inner_text()) == ([], "nothing found")


def test_speech_plays_from_the_page_itself(page: Page) -> None:
    page.locator("#audible").check()
    assert sorted(ids(page)) == ["u0", "u1", "u2"]
    load = """audio => new Promise((resolve, reject) => {
        audio.onloadedmetadata = () => resolve(audio.duration);
        audio.onerror = () => reject(audio.error.message);
        audio.preload = "auto"; audio.load(); })"""
    assert page.locator("#cards audio").first.evaluate(load) == pytest.approx(0.5, abs=0.15)


NAMES = "p .real .synthetic .count .score .gain .loss mark a .why code input button #status"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_contrasts_with_its_background(page: Page, scheme: Literal["light", "dark"]) -> None:
    page.emulate_media(color_scheme=scheme)
    page.locator("#query").fill("u")
    assert ids(page) == ["u2", "u0", "u1"]
    checked = page.evaluate(re.sub('names = ".*"', f'names = "{NAMES}"', CONTRASTS))
    assert [name for name, *_ in checked] == NAMES.split()
    for name, *contrasts in checked:
        assert min(contrasts) >= 4.5, name  # WCAG 2.2, level AA
