"""The audit's page in a browser, from a file and offline, on a phone and on a desktop."""

from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Page
from toy_audit import write_corpus, write_side

from synthst.audit.command import audit

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Audit the toy corpus, with 60 more pairs and a word too long for any screen."""
    folder = tmp_path_factory.mktemp("corpus")
    synth = write_corpus(folder)
    for side in ("real", "synth"):
        rows = {f"v{n:02d}": (f"Sentence {n}.", f"Satz {n}.") for n in range(60)}
        rows["v60"] = ("".join(map(str, range(150))), "".join(map(str, range(1, 151))))
        extra = write_side(folder / "extra" / side, rows)
        for table in ("text.en", "text.de"):
            content = (folder / side / table).read_bytes() + (extra / table).read_bytes()
            (folder / side / table).write_bytes(content)
    audit(synth, workers=1)
    return folder / "synth_audit" / "index.html"


def ids(page: Page) -> list[str]:
    return page.locator("#table tbody tr code").all_text_contents()


def test_nothing_is_wider_than_the_screen(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.name = ''; one.open = true; })")
    wide = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert wide[0] == wide[1]
    overflowing = """[...document.querySelectorAll('main *')].filter(one =>
        one.getBoundingClientRect().right > innerWidth + 1).map(one => one.outerHTML)"""
    assert page.evaluate(overflowing) == []


def test_what_stands_out_is_in_sight_at_once(page: Page) -> None:
    assert page.locator("h1").inner_text() == "synth"
    first = page.locator(".findings li").first
    box, height = first.bounding_box(), page.viewport_size
    assert box and height and box["y"] + box["height"] < height["height"]
    assert page.locator(".findings .warning").count() >= 1


def test_histograms_are_drawn_in_bars_of_their_counts(page: Page) -> None:
    figures = page.locator("figure svg")
    assert figures.count() == 5
    heights = figures.first.locator("rect.bar").evaluate_all(
        "bars => bars.map(bar => bar.getBoundingClientRect().height)"
    )
    assert len(heights) == 20
    assert max(heights) == heights[-1] > 50  # most pairs agree with the reference
    assert "100: 62 synthetic" in (figures.first.locator("title").last.text_content() or "")


def test_worst_pairs_open_one_list_at_a_time(page: Page) -> None:
    assert page.locator("details[open]").count() == 1
    page.locator("summary", has_text="Most repetitive").click()
    assert page.locator("details[open] summary .title").all_inner_texts() == ["Most repetitive"]
    card = page.locator("details[open] .card").first
    assert "u1" in card.locator("code").inner_text()
    assert card.locator(".label").all_inner_texts() == ["cut off", "loop", "length"]
    assert "Inhalt der Inhalt" in card.locator("mark").first.inner_text()


def test_the_table_is_searched_filtered_ordered_and_turned(page: Page) -> None:
    assert page.locator("#status").inner_text() == "67 pairs"
    assert (len(ids(page)), ids(page)[0]) == (25, "u0")
    page.locator("#after").click()
    assert ids(page)[0] == "v19"
    page.locator("#query").fill("INHALT neu")
    assert ids(page) == ["u1"]
    assert page.locator("#table mark").all_inner_texts()[:1] == ["Inhalt"]
    page.locator("#query").fill("<script>")
    assert ids(page) == ["u3"]
    assert "</script><script>alert(1)" in page.locator("#table td").last.inner_text()
    page.locator("#query").fill("nowhere")
    assert (ids(page), page.locator("#position").inner_text()) == ([], "nothing found")
    page.locator("#query").fill("")
    page.locator("#fault").select_option("loop")
    assert ids(page) == ["u1"]
    page.locator("#fault").select_option("")
    page.locator("#order").select_option("chrf")
    assert ids(page)[0] == "u5"


CONTRASTS = r"""() => {
    const linear = one => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4;
    const light = color => { const [r, g, b] = color.match(/[\d.]+/g).map(one => linear(one / 255));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
    const paper = one => { const color = getComputedStyle(one).backgroundColor;
        return one.tagName === "HTML" || !/, 0\)$/.test(color) ? color : paper(one.parentElement); };
    const contrast = one => { const [a, b] = [getComputedStyle(one).color, paper(one)].map(light);
        return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05); };
    const names = "p .beside .real .synthetic .label .why a mark .mark #status .advice .figure input button";
    const find = name => [...document.querySelectorAll(`${name}:enabled, ${name}:not(button)`)].slice(0, 4);
    return names.split(" ").map(name => [name, ...find(name).map(contrast)]);
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_contrasts_with_its_background(page: Page, scheme: Literal["light", "dark"]) -> None:
    page.emulate_media(color_scheme=scheme)
    for name, *contrasts in page.evaluate(CONTRASTS):
        assert min(contrasts) >= 4.5, name  # WCAG 2.2, level AA
