from pathlib import Path

import pyarrow.parquet
import pytest
from fake_teacher import write_data

from synthst.errors import DataError
from synthst.nbest import read_nbest
from synthst.store import StoreRow, open_store, write_part
from synthst.tables import write_table


def nbest_rows(source: str, *hypotheses: str) -> list[StoreRow]:
    return [StoreRow(source, rank, text, -float(rank), 3, True) for rank, text in enumerate(hypotheses)]


def make_store(store: Path, *parts: list[StoreRow]) -> Path:
    open_store(store, {"name": "fake"}, {"nbest": 4})
    for part in parts:
        write_part(store, part)
    return store


def read(store: Path, data: Path, **options: int) -> dict[str, tuple[str, list[str]]]:
    with read_nbest(store, data / "text.en", **options) as nbest:  # type: ignore[arg-type]
        once, again = (
            {one.id: (one.source, [h.text for h in one.hypotheses]) for one in nbest.lists()} for _ in "12"
        )
    assert once == again
    return once


def test_each_utterance_gets_the_hypotheses_of_its_source_by_rank(tmp_path: Path) -> None:
    rows = nbest_rows("b", "B0", "B1", "B2") + nbest_rows("a", "A0")
    store = make_store(tmp_path / "store", rows[::-1], nbest_rows("unasked", "x"))
    data = write_data(tmp_path / "data", ["b", "a", "b"])
    assert read(store, data) == {
        "u000000": ("b", ["B0", "B1", "B2"]),
        "u000001": ("a", ["A0"]),
        "u000002": ("b", ["B0", "B1", "B2"]),
    }
    assert read(store, data, max_hypotheses=2)["u000002"] == ("b", ["B0", "B1"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "store"]


def test_a_hypothesis_keeps_what_the_teacher_said_of_it(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store", [StoreRow("a", 0, " A\t", -1.5, 7, False)])
    with read_nbest(store, write_data(tmp_path / "data", ["a"]) / "text.en") as nbest:
        (one,) = nbest.lists()
    assert one.hypotheses == [(0, " A\t", -1.5, 7, False)]


def test_utterances_come_in_byte_order_of_id_whatever_the_number_of_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synthst.nbest.ROWS_PER_BATCH", 3)
    ids = sorted(["Z", "a", "a!", "\U0001f600", "\uffff", "ä", *map(str, range(20))])
    write_table(tmp_path / "text.en", [(name, f"say {name}") for name in ids])
    store = make_store(tmp_path / "store", [r for n in ids for r in nbest_rows(f"say {n}", n, "other")])
    assert list(read(store, tmp_path)) == ids
    assert all(texts[0] == name for name, (_, texts) in read(store, tmp_path).items())


def test_of_two_lists_for_a_source_that_of_the_smaller_checksum_counts(tmp_path: Path) -> None:
    first = nbest_rows("a", "A1") + nbest_rows("b", "B1", "B1'")
    second = nbest_rows("b", "B2") + nbest_rows("a", "A2", "A2'", "A2''")
    store = make_store(tmp_path / "store", first, second)
    data = write_data(tmp_path / "data", ["a", "b"])
    part = min(store.glob("part-*.parquet"))
    best = [row["hypothesis"] for row in pyarrow.parquet.read_table(part).to_pylist() if row["rank"] == 0]
    found = read(store, data)
    assert [texts[0] for _, texts in found.values()] == sorted(best)
    assert [len(texts) for _, texts in found.values()] == ([1, 2] if "A1" in best else [3, 1])


def test_a_source_that_the_store_lacks_is_named_and_counted(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store", nbest_rows("a", "A"))
    data = write_data(tmp_path / "data", ["a", "b", "c", "b"])
    told = r'lacks 3 of 4 sources of .*data, the first is u000001 \("b"\); run stage 3 again'
    with pytest.raises(DataError, match=told):
        read(store, data)
    with pytest.raises(DataError, match="lacks 4 of 4"):
        read(make_store(tmp_path / "empty"), data)


def test_a_damaged_part_is_named(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store", nbest_rows("a", "A"))
    (part,) = store.glob("part-*")
    part.write_bytes(part.read_bytes()[:-1])
    with pytest.raises(DataError, match=f"{part.name} is damaged"):
        read(store, write_data(tmp_path / "data", ["a"]))


def test_sources_that_share_a_hash_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synthst.store.source_hash", lambda _: "0" * 32)
    monkeypatch.setattr("synthst.lookup.source_hash", lambda _: "0" * 32)
    store = make_store(tmp_path / "store", nbest_rows("a", "A") + nbest_rows("b", "B"))
    data = write_data(tmp_path / "data", ["b", "a"])
    assert read(store, data) == {"u000000": ("b", ["B"]), "u000001": ("a", ["A"])}
