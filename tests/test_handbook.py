"""Manuals: pages that the test writes, cut into blocks, paired block by block, divided by section."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest
from debs import make_deb

from synthst.corpora.handbook import MANUALS, choose_manuals, package_names, prepare_handbook
from synthst.corpora.libreoffice_pairs import Pair
from synthst.corpora.manual_html import parse_manual
from synthst.corpora.untranslated import drop_untranslated, shared_words
from synthst.datadir import read_info, text_path
from synthst.errors import ConfigError, DataError
from synthst.tables import read_table

SETS = ("train", "dev", "test")
FOLDER = "usr/share/doc/installation-guide-amd64/{}/{}.html"


def make_guide(folder: Path, pages: Mapping[str, Mapping[str, str]]) -> Path:
    """Write the installation guide: language to (page to the inside of its body)."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        FOLDER.format(lang, page): f"<html><head><title>no</title></head><body>{inner}</body></html>"
        for lang, inners in pages.items()
        for page, inner in inners.items()
    }
    return make_deb(folder / "installation-guide-amd64_2023_all.deb", files)


def make_pages(count: int = 100) -> dict[str, dict[str, str]]:
    pages: dict[str, dict[str, str]] = {"en": {}, "de": {}}
    for n in range(count):
        pages["en"][f"ch{n:02d}"] = (
            f"<h2>{n}.1. What is thing {n} for?</h2><p>Press key {n} here. Then wait {n} days.</p>"
        )
        pages["de"][f"ch{n:02d}"] = (
            f"<h2>{n}.1. Wofür ist Sache {n}?</h2><p>Taste {n} hier drücken. Dann {n} Tage warten.</p>"
        )
    return pages


def prepare(
    folder: Path, pages: Mapping[str, Mapping[str, str]], **options: str | int
) -> dict[str, dict[str, str]]:
    """Prepare a guide; return English to German by set."""
    make_guide(folder / "debs", pages)
    chosen = {"src": "en", "tgt": "de", **options}
    prepare_handbook(
        folder / "out",
        downloads=folder,
        deb_dir=folder / "debs",
        manuals=["installation"],
        **chosen,  # type: ignore[arg-type]
    )
    tables = {
        name: [dict(read_table(text_path(folder / "out" / name, lang))) for lang in ("en", "de")]
        for name in SETS
    }
    return {
        name: {english[key]: german[key] for key in english} for name, (english, german) in tables.items()
    }


def test_parse_manual_cuts_at_blocks_and_leaves_navigation_and_code_out() -> None:
    html = """<html><head><title>Head</title></head><body><div class="navheader"><p>Next</p></div>
    <div class="toc"><p>Contents</p></div><h2 class="title"><a id="x"/>1.2. The title</h2>
    <div class="para">Text with <code>code</code> in it:<pre>ls -l</pre> and more.<br/>So</div>
    <ul><li><p>An <em>entry</em></p></li><li>another"""
    assert [tuple(block) for block in parse_manual(html)] == [
        ("h2.title", "1.2. The title"),
        ("div.para", "Text with code in it:"),
        ("div.para", "and more. So"),
        ("p", "An entry"),
        ("li", "another"),
    ]


def test_prepare_handbook_pairs_blocks_and_their_sentences(tmp_path: Path) -> None:
    found = prepare(tmp_path, make_pages())
    together = {english: german for name in SETS for english, german in found[name].items()}
    assert len(together) == 300
    assert together["What is thing 7 for?"] == "Wofür ist Sache 7?"
    assert together["Then wait 7 days."] == "Dann 7 Tage warten."
    assert all(found[name] for name in SETS)
    assert read_info(tmp_path / "out")["packages"] == {"installation-guide-amd64": "2023"}


def test_prepare_handbook_gives_both_directions_the_same_sets(tmp_path: Path) -> None:
    one, two = (
        prepare(tmp_path / "a", make_pages()),
        prepare(tmp_path / "b", make_pages(), src="de", tgt="en"),
    )
    assert one == two


def test_prepare_handbook_leaves_out_pages_of_another_form_and_text_that_is_still_english(
    tmp_path: Path,
) -> None:
    pages = make_pages()
    pages["en"] |= {
        "x1": "<p>An odd page is this one.</p>",
        "x2": "<p>Please see the section 1.2 about that.</p>",
    }
    pages["de"] |= {"x1": "<h2>Seltsam</h2><p>Eine seltsame Seite.</p>"}
    pages["de"] |= {"x2": "<p>Please see the Abschnitt 1.2 about that.</p>"}
    prepare(tmp_path, pages)
    counts = read_info(tmp_path / "out")["counts"]
    assert isinstance(counts, dict)
    assert counts["pages"] == 102 and counts["pages_of_other_form"] == 1
    assert counts["dropped_mostly_untranslated"] == 1


def test_shared_words_counts_english_words_in_small_letters() -> None:
    assert shared_words(
        "Please see the section about it", "Please see the Abschnitt about it"
    ) == pytest.approx(4 / 5)
    assert shared_words("Debugger frontend for GDB", "Debugger-Frontend für GDB") == 0.5
    assert shared_words("GNOME", "GNOME") == 0.0


def test_drop_untranslated_looks_at_the_english_side() -> None:
    pairs = [
        Pair("a", "p", "please see the part", "please see the Teil"),
        Pair("b", "p", "good tool", "gutes Werkzeug"),
    ]
    turned = [pair._replace(src=pair.tgt, tgt=pair.src) for pair in pairs]
    for these, from_english in ((pairs, True), (turned, False)):
        counts = Counter[str]()
        kept = drop_untranslated(these, counts, from_english=from_english)
        assert [pair.id for pair in kept] == ["b"] and counts == {"dropped_mostly_untranslated": 1}


def test_choose_manuals_leaves_out_those_without_the_language() -> None:
    assert choose_manuals(list(MANUALS), "ru") == ["handbook", "installation", "gnome"]
    assert package_names(MANUALS["reference"], "fr") == ["debian-reference-en", "debian-reference-fr"]
    assert package_names(MANUALS["handbook"], "fr") == ["debian-handbook"]
    with pytest.raises(ConfigError, match="none of the manuals reference is translated into ru"):
        choose_manuals(["reference"], "ru")
    with pytest.raises(ConfigError, match="there is no manual 'hanbook'; known are handbook, reference"):
        choose_manuals(["hanbook"], "de")


def test_prepare_handbook_names_a_package_without_pages(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no page of installation in de; leave that manual out"):
        prepare(tmp_path, {"en": {"ch01": "<p>Only this.</p>"}})
    assert not (tmp_path / "out").exists()
