"""What is read from a help page, and what is not."""

from pathlib import Path

import pytest
from debs import PAGE, make_deb, make_help

from synthst.corpora.libreoffice_html import Paragraph, normalise_text, parse_page, read_pages
from synthst.errors import DataError

SWITCH = '<span id="swln_1" class="switchinline">{}</span>'
MAC = '<span hidden="true" id="MAC_1" class="MAC"><span class="emph">Preferences</span></span>'
DEFAULT = '<span hidden="true" id="default_1"><span class="emph">Tools - Options</span></span>'


def texts(inner: str) -> list[str]:
    return [paragraph.text for paragraph in parse_page(PAGE.format(inner))]


def test_parse_page_reads_paragraphs_and_headings_with_an_id_in_order() -> None:
    inner = '<h2 id="hd_1">Title</h2><td><p id="par_2">One <b>two</b><br>three<p></td><p>no id</p>'
    assert parse_page(PAGE.format(inner.replace("<p></td>", "</p></td>"))) == [
        Paragraph("hd_1", "Title"),
        Paragraph("par_2", "One two three"),
    ]


def test_parse_page_resolves_references_and_normalises_blanks() -> None:
    assert texts('<p id="a">\n  A &lt;b&gt;\u00a0&amp;&nbsp;&#x63;\t </p>') == ["A <b> & c"]


@pytest.mark.parametrize(
    ("branches", "expected"),
    [
        (MAC + DEFAULT, "Choose Tools - Options - Save."),
        (DEFAULT + MAC, "Choose Tools - Options - Save."),
        (MAC + "\n" + DEFAULT + "\n", "Choose Tools - Options - Save."),
        (MAC, "Choose Preferences - Save."),  # without a default the first, or the sentence has a hole
        (
            SWITCH.format(MAC + DEFAULT).join(['<span id="default_0">', "</span>"]),
            "Choose Tools - Options - Save.",
        ),
        ("", "Choose - Save."),
    ],
)
def test_parse_page_keeps_one_branch_of_an_inline_switch(branches: str, expected: str) -> None:
    assert texts(f'<p id="a">Choose {SWITCH.format(branches)} - Save.</p><p id="b">After</p>') == [
        expected,
        "After",
    ]


def test_parse_page_drops_blanks_between_the_branches_of_a_switch() -> None:
    assert texts(f'<p id="a">(<br>{SWITCH.format(MAC)})</p>') == ["( Preferences)"]
    assert texts(f'<p id="a">({SWITCH.format(chr(10) + MAC + chr(10) + DEFAULT + chr(10))})</p>') == [
        "(Tools - Options)"
    ]


@pytest.mark.parametrize("block", ["bascode", "pycode", "sqlcode"])
def test_parse_page_skips_code_blocks(block: str) -> None:
    inner = (
        f'<p id="a">Before</p><div class="{block}"><pre><p id="b">Dim x</p></pre></div><p id="c">After</p>'
    )
    assert texts(inner) == ["Before", "After"]


def test_parse_page_marks_paragraphs_of_code_but_not_code_words() -> None:
    inner = '<p id="a" class="code">x = 1</p><p id="b" class="paragraph">See <span class="code">x</span></p>'
    assert parse_page(PAGE.format(inner)) == [Paragraph("a", "x = 1", True), Paragraph("b", "See x")]


def test_parse_page_survives_elements_that_are_not_closed() -> None:
    assert texts('</i><div><p id="a">One <b>two</p></div><p id="b">Three</p>') == ["One two", "Three"]


def test_normalise_text_composes_and_removes_what_is_not_seen() -> None:
    assert normalise_text("u\u0308ber\u00adset\u200bzen") == "übersetzen"
    assert normalise_text("Klicken Sie auf Ja , dann auf Ende .") == "Klicken Sie auf Ja, dann auf Ende."
    assert normalise_text("a .NET and  .5 : b") == "a .NET and .5 : b"


@pytest.mark.parametrize("workers", [1, 2])
def test_read_pages_finds_every_page_below_text(tmp_path: Path, workers: int) -> None:
    pages = {f"sub/{number:03d}.html": f'<p id="p">Page {number}</p>' for number in range(150)}
    (deb,) = make_help(tmp_path, {"en": pages}).iterdir()
    expected = {page: [Paragraph("p", f"Page {int(page[4:7])}")] for page in pages}
    assert read_pages(deb, "en-US", workers=workers) == expected


def test_read_pages_refuses_a_package_of_another_language(tmp_path: Path) -> None:
    (deb,) = make_help(tmp_path, {"de": {"a.html": ""}}).iterdir()
    with pytest.raises(DataError, match=r"holds no page usr/share/libreoffice/help/fr/text/"):
        read_pages(deb, "fr", workers=1)


def test_read_pages_shows_no_progress_bar_off_a_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (deb,) = make_help(tmp_path, {"de": {"a.html": '<p id="a">x</p>'}}).iterdir()
    read_pages(deb, "de", workers=1)
    assert capfd.readouterr() == ("", "")


def test_read_pages_names_a_page_that_is_not_utf8(tmp_path: Path) -> None:
    name = "usr/share/libreoffice/help/de/text/sub/a.html"
    deb = make_deb(tmp_path / "x_1_all.deb", {name: "?"}, pack="")
    content = deb.read_bytes()
    deb.write_bytes(content.replace(b"?", b"\xff"))
    with pytest.raises(DataError, match=r"sub/a\.html, byte 0: not UTF-8"):
        read_pages(deb, "de", workers=1)
