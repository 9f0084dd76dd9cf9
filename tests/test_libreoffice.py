"""Preparing the help texts: the sets, their limits, and that nothing leaks from one into another."""

from collections import Counter
from pathlib import Path

import pytest
from debs import make_help

from synthst.corpora.libreoffice import cap_pairs, choose_set, prepare_libreoffice
from synthst.corpora.libreoffice_pairs import Pair
from synthst.datadir import check_datadir, read_info, text_path
from synthst.errors import ConfigError, DataError
from synthst.tables import read_table

PAGES = [f"shared/{number:03d}.html" for number in range(200)]
SETS = ("train", "dev", "test")


def page_texts(page: str) -> dict[str, list[str]]:
    """A page's own sentences and one that every page has."""
    number = int(page[7:10])
    return {
        "en": [f"This is sentence {n} of page {number}." for n in range(5)] + ["It is on every page."],
        "de": [f"Das hier ist Satz {n} von Seite {number}." for n in range(5)]
        + ["Er steht auf jeder Seite."],
        "fr": [f"Voici la phrase {n} de la page {number}." for n in range(5)] + ["Elle est sur chaque page."],
    }


@pytest.fixture(scope="module")
def debs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pages: dict[str, dict[str, str]] = {"en": {}, "de": {}, "fr": {}}
    for page in PAGES:
        for language, texts in page_texts(page).items():
            pages[language][page] = "".join(f'<p id="par_{n}">{text}</p>' for n, text in enumerate(texts))
    # What German lacks on a test page is still no training sentence of a train page.
    test_page = next(page for page in PAGES if choose_set(page, 0) == "test")
    train_page = next(page for page in PAGES if choose_set(page, 0) == "train")
    pages["en"][test_page] += '<p id="par_x">Only French has this here.</p>'
    pages["fr"][test_page] += '<p id="par_x">Seul le français a cela.</p>'
    for language, text in {
        "en": "only french has this here",
        "de": "Nur auf Französisch da",
        "fr": "Oui",
    }.items():
        pages[language][train_page] += f'<p id="par_y">{text}</p>'
    return make_help(tmp_path_factory.mktemp("debs"), pages)


def prepare(debs: Path, out: Path, src: str = "en", tgt: str = "de", **options: int | None) -> Path:
    prepare_libreoffice(
        out, src=src, tgt=tgt, downloads=out.parent / "none", deb_dir=debs, workers=1, **options
    )
    return out


def rows(out: Path, name: str, language: str) -> dict[str, str]:
    return dict(read_table(text_path(out / name, language)))


def test_prepare_libreoffice_divides_pages_among_the_sets(debs: Path, tmp_path: Path) -> None:
    out = prepare(debs, tmp_path / "data")
    sets = dict(read_table(out / "page_sets"))
    assert sets == {page: choose_set(page, 0) for page in PAGES}
    for name in SETS:
        wanted = {text for page in PAGES if sets[page] == name for text in page_texts(page)["en"][:5]}
        found = set(rows(out, name, "en").values())
        assert found - {"It is on every page."} == wanted
        assert [summary.name for summary in check_datadir(out / name)] == ["text.de", "text.en"]


def test_prepare_libreoffice_pairs_a_sentence_with_its_translation(debs: Path, tmp_path: Path) -> None:
    out = prepare(debs, tmp_path / "data", "de", "en")
    english = {
        de: en
        for page in PAGES
        for de, en in zip(page_texts(page)["de"], page_texts(page)["en"], strict=True)
    }
    source, target = rows(out, "train", "de"), rows(out, "train", "en")
    assert all(english[source[utterance]] == target[utterance] for utterance in source)


def test_prepare_libreoffice_holds_texts_of_test_pages_out_of_dev_and_train(
    debs: Path, tmp_path: Path
) -> None:
    out = prepare(debs, tmp_path / "data")
    common = "It is on every page."
    assert [common in rows(out, name, "en").values() for name in SETS] == [False, False, True]
    assert "only french has this here" not in rows(out, "train", "en").values()
    counts = read_info(out)["counts"]
    sets = Counter(choose_set(page, 0) for page in PAGES)
    assert isinstance(counts, dict)
    assert (
        counts["dropped_train_held_out"] == sets["train"] + 1
    )  # the common one per page, the one that French has
    assert counts["dropped_dev_held_out"] == sets["dev"]
    assert counts["dropped_test_repeated"] == sets["test"] - 1


def test_prepare_libreoffice_counts_add_up(debs: Path, tmp_path: Path) -> None:
    counts = read_info(prepare(debs, tmp_path / "data", max_test=7, min_words=5))["counts"]
    assert isinstance(counts, dict)
    read = counts.pop("paragraphs")
    assert counts.pop("pages") == len(PAGES)
    assert read == 6 * len(PAGES) + 2 == sum(counts.values())
    assert counts["kept_test"] == 7


def test_prepare_libreoffice_gives_the_same_test_set_whatever_the_other_limits(
    debs: Path, tmp_path: Path
) -> None:
    one = prepare(debs, tmp_path / "one", max_dev=5, max_test=20)
    two = prepare(debs, tmp_path / "two", max_dev=None, max_test=20)
    assert (one / "test/text.en").read_bytes() == (two / "test/text.en").read_bytes()
    assert (one / "train/text.en").read_bytes() == (two / "train/text.en").read_bytes()
    smaller = prepare(debs, tmp_path / "smaller", max_test=10)
    assert rows(smaller, "test", "en").items() < rows(one, "test", "en").items()
    assert len(rows(one, "dev", "en")) == 5


def test_prepare_libreoffice_does_not_leak_between_language_pairs(debs: Path, tmp_path: Path) -> None:
    german = prepare(debs, tmp_path / "en-de")
    french = prepare(debs, tmp_path / "en-fr", "en", "fr")
    assert (german / "page_sets").read_bytes() == (french / "page_sets").read_bytes()
    for name in SETS:
        one, two = rows(german, name, "en"), rows(french, name, "en")
        assert all(one[utterance] == two[utterance] for utterance in one.keys() & two.keys())
    held_out = {*rows(french, "test", "en").values(), *rows(french, "dev", "en").values()}
    assert "Only French has this here." in held_out
    assert not held_out & set(rows(german, "train", "en").values())


def test_prepare_libreoffice_divides_otherwise_with_another_seed(debs: Path, tmp_path: Path) -> None:
    one, two = prepare(debs, tmp_path / "one"), prepare(debs, tmp_path / "two", seed=1)
    assert (one / "page_sets").read_bytes() != (two / "page_sets").read_bytes()


def test_prepare_libreoffice_leaves_what_is_there_and_refuses_other_options(
    debs: Path, tmp_path: Path
) -> None:
    out = prepare(debs, tmp_path / "data")
    before = (out / "info.json").stat().st_mtime_ns
    prepare(tmp_path / "no such folder", out)
    assert (out / "info.json").stat().st_mtime_ns == before
    with pytest.raises(DataError, match="max_words"):
        prepare(debs, out, max_words=9)


def test_prepare_libreoffice_records_the_packages_it_read(debs: Path, tmp_path: Path) -> None:
    info = read_info(prepare(debs, tmp_path / "data"))
    assert info["packages"] == {"libreoffice-help-en-us": "1:7.4-1", "libreoffice-help-de": "1:7.4-1"}


@pytest.mark.parametrize(("src", "tgt"), [("de", "fr"), ("en", "en"), ("en", "it"), ("xx", "en")])
def test_prepare_libreoffice_refuses_languages_it_does_not_have(tmp_path: Path, src: str, tgt: str) -> None:
    with pytest.raises(ConfigError, match=f"{src}-{tgt}.*one of de, es, fr, ru"):
        prepare_libreoffice(tmp_path / "out", src=src, tgt=tgt, downloads=tmp_path)


def test_prepare_libreoffice_writes_nothing_when_a_set_stays_empty(debs: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no sentence is left for test"):
        prepare(debs, tmp_path / "data", min_words=99)
    assert not list(tmp_path.iterdir())


def test_cap_pairs_keeps_the_order_and_does_not_depend_on_the_others() -> None:
    pairs = [Pair(f"lo_{number:03d}", "p", "a", "b") for number in range(100)]
    counts: Counter[str] = Counter()
    kept = cap_pairs(pairs, "test", 10, 0, counts)
    assert kept == sorted(kept)
    assert kept == cap_pairs(list(reversed(pairs)), "test", 10, 0, Counter())
    assert counts == {"dropped_test_over_limit": 90}
    assert cap_pairs(pairs, "test", None, 0, counts) == cap_pairs(pairs, "test", 100, 0, counts) == pairs
