"""Debian's package descriptions: lists that the test writes, cut into segments, paired, divided."""

import bz2
from collections import Counter
from hashlib import blake2b
from pathlib import Path

import pytest

from synthst.corpora import debian_lists
from synthst.corpora.debian_lists import fetch_descriptions, find_lists, read_list
from synthst.corpora.descriptions import (
    align_descriptions,
    family_of,
    parse_list,
    prepare_descriptions,
    split_description,
)
from synthst.datadir import read_info, text_path
from synthst.errors import ConfigError, DataError
from synthst.tables import read_table

SETS = ("train", "dev", "test")
LIST = """Package: {package}
Description-md5: {md5}
Description-{lang}: {text}
"""


def key_of(number: int) -> str:
    return blake2b(str(number).encode(), digest_size=16).hexdigest()


def make_lists(folder: Path, *, packages: int = 120) -> Path:
    """Write lists of packages aaa, aab, ... with a short description and a paragraph of two sentences."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"a{chr(97 + n // 26)}{chr(97 + n % 26)}-tool" for n in range(packages)]
    texts = {
        "en": "good tool for number {0}\n This tool counts to {0} and more. It never stops before {0}.",
        "de": "gutes Werkzeug Nummer {0}\n Dieses Werkzeug zählt bis {0} und mehr. Es hört nie vor {0} auf.",
    }
    for lang, text in texts.items():
        entries = [
            LIST.format(package=name, md5=key_of(number), lang=lang, text=text.format(number))
            for number, name in enumerate(names)
        ]
        (folder / f"mirror_main_i18n_Translation-{lang}").write_text("\n".join(entries), encoding="utf-8")
    return folder


def rows(directory: Path, lang: str) -> dict[str, str]:
    return dict(read_table(text_path(directory, lang)))


def test_split_description_cuts_paragraphs_list_entries_and_lines_that_stand_alone() -> None:
    text = (
        "short one\n A paragraph\n of two lines.\n .\n Features:\n  * first entry\n    goes on\n  - second\n"
        " .\n  a line of its own\n  another\n and text again"
    )
    assert split_description(text) == [
        "short one",
        "A paragraph of two lines.",
        "Features:",
        "first entry goes on",
        "second",
        "a line of its own",
        "another",
        "and text again",
    ]


def test_parse_list_reads_entries_and_passes_over_others() -> None:
    entry = LIST.format(package="words", md5="0" * 32, lang="pt_BR", text="palavras\n longas")
    assert dict(parse_list(f"Package: odd\n\n{entry}\n")) == {"0" * 32: ("words", ["palavras", "longas"])}


def test_align_descriptions_pairs_by_md5_and_keeps_the_short_one_of_other_forms() -> None:
    english = dict(
        parse_list(
            LIST.format(package="x", md5="a" * 32, lang="en", text="one thing\n A part.\n .\n B part.")
        )
    )
    german = dict(parse_list(LIST.format(package="x", md5="a" * 32, lang="de", text="ein Ding\n Ein Teil.")))
    counts = Counter[str]()
    pairs = list(align_descriptions(english, german, "de", counts, from_english=False))
    assert pairs == [("ddtp_aaaaaaaaaaaaaaaa_00_00", "x", "ein Ding", "one thing")]
    assert counts == {"descriptions": 1, "descriptions_of_other_form": 1}


@pytest.mark.parametrize(
    ("package", "family"),
    [("libmono-corlib4.5-cil", "mono"), ("mono-mcs", "mono"), ("python3-numpy", "numpy"), ("0ad", "0ad")],
)
def test_family_of_a_package_is_how_its_name_begins(package: str, family: str) -> None:
    assert family_of(package) == family


def test_prepare_descriptions_divides_by_family_and_shares_no_text(tmp_path: Path) -> None:
    lists = make_lists(tmp_path / "lists")
    prepare_descriptions(tmp_path / "out", src="en", tgt="de", downloads=tmp_path, deb_dir=lists)
    english = {name: rows(tmp_path / "out" / name, "en") for name in SETS}
    german = {name: rows(tmp_path / "out" / name, "de") for name in SETS}
    assert sum(len(table) for table in english.values()) == 120 * 3
    assert all(english[name].keys() == german[name].keys() for name in SETS)
    packages = {name: {key.split("_")[1] for key in english[name]} for name in SETS}
    assert not packages["train"] & packages["test"] and not packages["train"] & packages["dev"]
    numbers = {key_of(number)[:16]: str(number) for number in range(120)}
    for name in SETS:
        for key, text in english[name].items():
            number = numbers[key.split("_")[1]]
            assert number in text.rstrip(".").split() and number in german[name][key].rstrip(".").split()


def test_prepare_descriptions_gives_both_directions_the_same_sets(tmp_path: Path) -> None:
    lists = make_lists(tmp_path / "lists")
    for src, tgt in (("en", "de"), ("de", "en")):
        prepare_descriptions(tmp_path / src, src=src, tgt=tgt, downloads=tmp_path, deb_dir=lists, min_words=3)
    for name in SETS:
        assert rows(tmp_path / "en" / name, "en") == rows(tmp_path / "de" / name, "en")


def test_prepare_descriptions_leaves_what_is_there_and_caps_test(tmp_path: Path) -> None:
    lists = make_lists(tmp_path / "lists")
    for _ in range(2):
        prepare_descriptions(
            tmp_path / "out", src="en", tgt="de", downloads=tmp_path, deb_dir=lists, max_test=3
        )
    assert len(rows(tmp_path / "out/test", "en")) == 3
    counts = read_info(tmp_path / "out")["counts"]
    assert isinstance(counts, dict) and counts["kept_test"] == 3 and counts["dropped_test_over_limit"] > 0
    with pytest.raises(ConfigError, match="no package descriptions for en-it; one side must be en"):
        prepare_descriptions(tmp_path / "it", src="en", tgt="it", downloads=tmp_path)


def test_lists_may_be_compressed_and_the_first_kind_counts(tmp_path: Path) -> None:
    (tmp_path / "Translation-de.bz2").write_bytes(bz2.compress("Package: ä\n".encode()))
    (found,) = find_lists("de", tmp_path)
    assert read_list(found) == "Package: ä\n"
    (tmp_path / "Translation-de").write_text("plain", encoding="utf-8")
    assert [path.name for path in find_lists("de", tmp_path)] == ["Translation-de"]
    found.write_bytes(b"BZh9 no more")
    with pytest.raises(DataError, match=r"Translation-de.bz2 cannot be read .*fetch it again"):
        read_list(found)


def test_fetch_descriptions_names_the_list_that_lacks(tmp_path: Path) -> None:
    make_lists(tmp_path)
    with pytest.raises(DataError, match=r"has no list \*Translation-fr; put that of a Debian mirror there"):
        fetch_descriptions(["en", "fr"], tmp_path / "none", deb_dir=tmp_path)


def test_fetch_descriptions_asks_apt_for_these_languages_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def run_apt(command: list[str], work: Path) -> str:
        asked.append(command)
        make_lists(work / "lists", packages=1)
        return ""

    monkeypatch.setattr(debian_lists, "run_apt", run_apt)
    monkeypatch.setattr(debian_lists.shutil, "which", lambda name: f"/usr/bin/{name}")
    for _ in range(2):
        found = fetch_descriptions(["en", "de"], tmp_path / "downloads")
        assert [path.name[-2:] for path in found] == ["en", "de"]
    assert len(asked) == 1
    assert "Acquire::Languages=en,de" in asked[0] and asked[0][-1] == "update"
    assert list((tmp_path / "downloads").glob(".fetch-*")) == []


def test_fetch_descriptions_tells_what_to_do_without_apt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(debian_lists.shutil, "which", lambda name: None)
    with pytest.raises(DataError, match="no apt-get to fetch descriptions in en, de.*--deb_dir"):
        fetch_descriptions(["en", "de"], tmp_path)
