"""Wesnoth's messages: catalogues that the test makes, cleaned, divided, and what is dropped."""

import struct
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest
from bytes_deb import make_bytes_deb

from synthst.corpora.libreoffice_pairs import Pair
from synthst.corpora.sets import divide_by_group
from synthst.corpora.wesnoth import clean_message, prepare_wesnoth, read_catalogue
from synthst.datadir import read_info, text_path
from synthst.errors import ConfigError, DataError
from synthst.tables import read_table

HEADER = "Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=2; plural=n != 1;\n"
SETS = ("train", "dev", "test")
MESSAGES = {
    f"The orc number {n} attacks us again!": f"Ork Nummer {n} greift uns wieder an!" for n in range(200)
}


def make_mo(messages: Mapping[str, str]) -> bytes:
    """Write a gettext catalogue: seven numbers, two tables of (length, offset), the texts."""
    pairs = sorted({"": HEADER, **messages}.items())
    keys = [key.encode() for key, _ in pairs]
    values = [value.encode() for _, value in pairs]
    offset, tables = 28 + 16 * len(pairs), b""
    for text in (*keys, *values):
        tables += struct.pack("<II", len(text), offset)
        offset += len(text) + 1
    header = struct.pack("<7I", 0x950412DE, 0, len(pairs), 28, 28 + 8 * len(pairs), 0, 0)
    return header + tables + b"".join(text + b"\0" for text in (*keys, *values))


def make_campaign(folder: Path, campaign: str, messages: Mapping[str, str]) -> None:
    path = f"usr/share/games/wesnoth/1.16/locale/{{}}/LC_MESSAGES/wesnoth-{campaign}.mo"
    files = {path.format("de"): make_mo(messages), path.format("fr"): make_mo({"No.": "Non."})}
    make_bytes_deb(folder / f"wesnoth-1.16-{campaign}_1%3a1.16.9-1_all.deb", files)


def prepare(folder: Path, messages: Mapping[str, str], **options: str | int) -> Path:
    folder.mkdir(exist_ok=True)
    make_campaign(folder, "tsg", messages)
    prepare_wesnoth(folder / "out", downloads=folder / "none", deb_dir=folder, campaigns=["tsg"], **options)  # type: ignore[arg-type]
    return folder / "out"


def rows(out: Path, lang: str) -> dict[str, str]:
    return {key: text for name in SETS for key, text in read_table(text_path(out / name, lang))}


def test_prepare_wesnoth_pairs_messages_with_their_translations(tmp_path: Path) -> None:
    out = prepare(tmp_path, MESSAGES)
    english, german = rows(out, "en"), rows(out, "de")
    assert {english[key]: german[key] for key in english} == MESSAGES
    assert all(key.startswith("wesnoth_tsg_") for key in english)
    sizes = [sum(1 for _ in read_table(out / name / "text.en")) for name in SETS]
    assert sum(sizes) == 200
    assert sizes[0] > 160  # 92.5 % of them, and three standard deviations of 3.7
    assert read_info(out)["packages"] == {"wesnoth-1.16-tsg": "1:1.16.9-1"}


def test_prepare_wesnoth_gives_both_directions_the_same_sets(tmp_path: Path) -> None:
    one, two = prepare(tmp_path / "a", MESSAGES), prepare(tmp_path / "b", MESSAGES, src="de", tgt="en")
    for name in SETS:
        assert (one / name / "text.en").read_bytes() == (two / name / "text.en").read_bytes()


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("female^Divine Avatar", "Divine Avatar"),
        ("race+female^Quenoth Elf", "Quenoth Elf"),
        ("holy amulet^Take it", "Take it"),
        ("menu\x04Take it", "Take it"),
        ("(<i>Gurgle</i>) No... <span color='cyan'>it</span><br/> is", "(Gurgle) No... it is"),
        ("Dark water,\nUnmasked\u00a0by a  flame.\n\n", "Dark water, Unmasked by a flame."),
        ("^ alone stays, and so does 2^3", "^ alone stays, and so does 2^3"),
    ],
)
def test_clean_message_removes_context_and_markup(message: str, expected: str) -> None:
    assert clean_message(message) == expected


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("Farewell, brave $unit.name|, we mourn you.", "placeholder"),
        ("You have %d turns left to win.", "placeholder"),
        ("See <ref>dst='elf' text='the elves'</ref> for more.", "placeholder"),
        ("Too short", "too_few_words"),
    ],
)
def test_prepare_wesnoth_counts_what_it_drops(tmp_path: Path, message: str, reason: str) -> None:
    out = prepare(tmp_path, {**MESSAGES, message: "Das ist keine gute Nachricht."})
    counts = read_info(out)["counts"]
    assert isinstance(counts, dict)
    assert counts[f"dropped_{reason}"] == 1
    assert counts.pop("messages") == sum(counts.values()) == 201


def test_prepare_wesnoth_makes_larger_test_sets_if_asked_to(tmp_path: Path) -> None:
    out = prepare(tmp_path, MESSAGES, test_share=0.5, dev_share=0.25)  # type: ignore[arg-type]
    sizes = {name: sum(1 for _ in read_table(out / name / "text.en")) for name in SETS}
    assert sum(sizes.values()) == 200
    assert (
        72 <= sizes["test"] <= 128 and 26 <= sizes["dev"] <= 74
    )  # four standard deviations about 100 and 50


def test_divide_by_group_holds_texts_of_test_and_dev_out_of_train() -> None:
    pairs = [Pair(f"w_{n:03d}", f"key{n}", f"message {n}", f"text {n // 2}") for n in range(400)]
    sets = divide_by_group([*pairs, pairs[0]._replace(id="w_999")], counts := Counter[str](), seed=0)
    targets = {name: {pair.tgt for pair in members} for name, members in sets.items()}
    assert not targets["train"] & (targets["dev"] | targets["test"])
    assert not targets["dev"] & targets["test"]
    assert counts["dropped_repeated"] == 1
    assert counts["dropped_train_held_out"] > 0
    kept = sum(len(members) for members in sets.values())
    assert kept + sum(counts[f"dropped_{name}_held_out"] for name in SETS) == 400


def test_read_catalogue_leaves_header_and_plural_forms_out() -> None:
    content = make_mo({"An orc.": "Ein Ork.", "%d orc\0%d orcs": "%d Ork\0%d Orks"})
    assert read_catalogue(content, "x.mo") == {"An orc.": "Ein Ork."}


@pytest.mark.parametrize(
    "content", [b"", b"not a catalogue at all, but long enough", make_mo(MESSAGES)[:500]]
)
def test_read_catalogue_names_a_file_that_is_none(content: bytes) -> None:
    with pytest.raises(DataError, match="x.mo is no gettext catalogue"):
        read_catalogue(content, "x.mo")


def test_prepare_wesnoth_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no translation into ru"):
        prepare(tmp_path, MESSAGES, tgt="ru")
    with pytest.raises(DataError, match="no sentence is left for test of .*/out; take more packages"):
        prepare(tmp_path, {"A message of five words.": "Eine Nachricht."})
    with pytest.raises(ConfigError, match="no Wesnoth text for de-fr"):
        prepare(tmp_path, MESSAGES, src="de", tgt="fr")
    assert not (tmp_path / "out").exists()


def test_prepare_wesnoth_leaves_what_is_there_and_refuses_other_options(tmp_path: Path) -> None:
    out = prepare(tmp_path, MESSAGES)
    prepare(tmp_path, {})
    assert len(rows(out, "en")) == 200
    with pytest.raises(DataError, match="seed: 0 then, 1 now"):
        prepare(tmp_path, MESSAGES, seed=1)
