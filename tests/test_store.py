import hashlib
import json
import os
import time
from pathlib import Path

import pytest
from fake_teacher import write_data

from synthst.errors import DataError
from synthst.lookup import Completeness, check_store
from synthst.nbest import read_nbest
from synthst.store import StoreRow, open_store, read_manifest, source_hash, write_part

TEACHER = {"kind": "fake", "name": "a"}
SETTINGS = {"beam": 4, "nbest": 1}


def row(source: str, hypothesis: str, *, rank: int = 0, finished: bool = True) -> StoreRow:
    return StoreRow(source, rank, hypothesis, -1.0, 2, finished)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    open_store(tmp_path / "store", TEACHER, SETTINGS)
    return tmp_path / "store"


def translations(store: Path, data: Path) -> dict[str, str]:
    with read_nbest(store, data / "text.en") as nbest:
        return {utterance: hypotheses[0].text for utterance, _, hypotheses in nbest.lists()}


def test_source_hash_is_blake2b_of_the_exact_bytes() -> None:
    # $ printf 'a' | b2sum -l 128
    assert source_hash("a") == "27c35e6e9373877f29e562464e46497e"
    assert source_hash("é") != source_hash("e\u0301")
    assert source_hash("a ") != source_hash("a")


def test_open_store_writes_who_made_it(store: Path) -> None:
    manifest = read_manifest(store)
    assert manifest["teacher"] == TEACHER
    assert manifest["settings"] == SETTINGS
    assert [path.name for path in store.iterdir()] == ["manifest.json"]
    open_store(store, TEACHER, SETTINGS)


@pytest.mark.parametrize(
    ("teacher", "settings", "told"),
    [
        ({"kind": "fake", "name": "b"}, SETTINGS, "teacher.name is 'a' there, 'b' here"),
        (TEACHER, {"beam": 5, "nbest": 1}, "settings.beam is 4 there, 5 here"),
        (TEACHER, {"beam": 4}, "settings.nbest is 1 there, None here"),
        ({"kind": "other", "name": "c"}, SETTINGS, "was made by fake:a and this is other:c, another teacher"),
    ],
)
def test_open_store_refuses_another_teacher_or_settings(
    store: Path, teacher: dict[str, object], settings: dict[str, object], told: str
) -> None:
    with pytest.raises(DataError, match=told):
        open_store(store, teacher, settings)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 99}'])
def test_open_store_refuses_a_manifest_it_cannot_read(store: Path, content: str) -> None:
    (store / "manifest.json").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match="manifest.json"):
        open_store(store, TEACHER, SETTINGS)


def test_open_store_refuses_parts_of_nobody(store: Path) -> None:
    write_part(store, [row("a", "A")])
    (store / "manifest.json").unlink()
    with pytest.raises(DataError, match="holds parts but no manifest"):
        open_store(store, TEACHER, SETTINGS)


def test_a_directory_without_manifest_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no translation store"):
        check_store(tmp_path, write_data(tmp_path / "data", ["a"]) / "text.en")


def test_a_part_is_named_after_its_checksum(store: Path) -> None:
    part = write_part(store, [row("a", "A")])
    assert part.name == f"part-{hashlib.blake2b(part.read_bytes(), digest_size=16).hexdigest()}.parquet"
    assert write_part(store, [row("a", "A")]) == part
    assert write_part(store, [row("b", "B")]) != part
    assert len(list(store.glob("part-*"))) == 2


@pytest.mark.parametrize(
    "damage", [lambda content: content[:-10], lambda content: b"x" + content[1:], lambda _: b""]
)
def test_a_damaged_part_is_named_and_then_set_aside(store: Path, tmp_path: Path, damage) -> None:
    data = write_data(tmp_path / "data", ["a", "b"])
    part = write_part(store, [row("a", "A")])
    write_part(store, [row("b", "B")])
    part.write_bytes(damage(part.read_bytes()))
    with pytest.raises(DataError, match=f"{part.name} is damaged; run stage 3 again"):
        check_store(store, data / "text.en")
    assert open_store(store, TEACHER, SETTINGS) == 1
    assert part.with_name(f"{part.name}.broken").exists()
    assert check_store(store, data / "text.en") == Completeness(2, 1, 0, 0, ("u000000", "a"))


def test_what_a_killed_writer_left_is_ignored_and_removed_when_old(store: Path, tmp_path: Path) -> None:
    data = write_data(tmp_path / "data", ["a"])
    young, old = store / "part-00.parquet.tmp-1", store / "part-11.parquet.tmp-2"
    young.write_bytes(b"half")
    old.write_bytes(b"half")
    os.utime(old, (time.time() - 3600,) * 2)
    open_store(store, TEACHER, SETTINGS)
    assert young.exists()
    assert not old.exists()
    assert check_store(store, data / "text.en").found == 0


def test_completeness_counts_utterances_and_reads_as_a_sentence(store: Path, tmp_path: Path) -> None:
    data = write_data(tmp_path / "data", ["a", "b", "a", "c", "d"])
    write_part(store, [row("a", "A"), row("b", "B", finished=False), row("c", ""), row("unasked", "x")])
    found = check_store(store, data / "text.en")
    assert found == Completeness(wanted=5, found=4, cut_off=1, empty=1, first_missing=("u000004", "d"))
    assert str(found) == (
        '4 of 5 sentences, 1 cut off at the length limit, 1 empty; the first missing is u000004 ("d")'
    )
    assert (
        str(Completeness(29703, 29703, 0, 0)) == "29,703 of 29,703 sentences, 0 cut off at the length limit"
    )


def test_of_two_nbest_lists_for_a_source_one_counts_whatever_the_order(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data", ["a", "b", "c"])
    first = [row("a", "A1"), row("b", "B1"), row("a", "A1'", rank=1)]
    second = [row("b", "B2"), row("a", "A2"), row("c", "C2")]
    found = []
    for name, parts in (("one", (first, second)), ("other", (second, first))):
        open_store(tmp_path / name, TEACHER, SETTINGS)
        names = [write_part(tmp_path / name, rows).name for rows in parts]
        found.append(translations(tmp_path / name, data))
    expected = "1" if min(names) == names[1] else "2"  # names are those of (second, first)
    assert found[0] == found[1] == {"u000000": f"A{expected}", "u000001": f"B{expected}", "u000002": "C2"}


def test_sources_that_share_a_hash_are_told_apart(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synthst.store.source_hash", lambda _: "0" * 32)
    monkeypatch.setattr("synthst.lookup.source_hash", lambda _: "0" * 32)
    write_part(store, [row("a", "A")])
    data = write_data(tmp_path / "data", ["a", "b"])
    assert check_store(store, data / "text.en") == Completeness(2, 1, 0, 0, ("u000001", "b"))


def test_of_two_processes_the_same_list_counts_for_completeness_too(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data", ["a"])
    open_store(tmp_path / "store", TEACHER, SETTINGS)
    parts = [write_part(tmp_path / "store", [row("a", "A", finished=finished)]) for finished in (True, False)]
    cut_off = parts[1].name < parts[0].name
    assert check_store(tmp_path / "store", data / "text.en") == Completeness(1, 1, int(cut_off), 0)


def test_lookup_leaves_nothing_beside_the_store_and_takes_odd_names(tmp_path: Path) -> None:
    store = tmp_path / "it's [a] *store*, 100 %?"
    open_store(store, TEACHER, SETTINGS)
    write_part(store, [row("a", "A")])
    data = write_data(tmp_path / "data", ["a"])
    assert translations(store, data) == {"u000000": "A"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", store.name]
    assert json.loads((store / "manifest.json").read_text(encoding="utf-8"))["teacher"] == TEACHER


def test_lookup_passes_on_the_error_of_a_bad_table(store: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.en"
    text.write_bytes(b"u1 fine\nu2 caf\xe9\n")
    with pytest.raises(DataError, match=r"text\.en:2"):
        check_store(store, text)
