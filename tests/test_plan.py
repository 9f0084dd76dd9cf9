from pathlib import Path

import pytest
from fake_teacher import write_data
from hypothesis import given
from hypothesis import strategies as st

from synthst.errors import ConfigError, DataError
from synthst.store import StoreRow, open_store, part_plan, write_part
from synthst.teacher.plan import PartSize, Shard, cut_parts, plan_parts, reckon_tokens

SIZE = PartSize(tokens=100, sentences=2)
SOURCES = ["ffffff", "eeeee", "dddd", "ccc", "bb", "a", "bb"]
PARTS = [["ffffff", "eeeee"], ["dddd", "ccc"], ["bb", "a"]]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    open_store(tmp_path / "store", {"name": "fake"}, {})
    return tmp_path / "store"


@pytest.fixture
def text(tmp_path: Path) -> Path:
    return write_data(tmp_path / "data", SOURCES) / "text.en"


def add(store: Path, sources: list[str], plan: str = "") -> Path:
    return write_part(
        store, [StoreRow(source, 0, source.upper(), 0.0, 1, True) for source in sources], plan=plan
    )


def plan(store: Path, text: Path, shard: str = "1/1", size: PartSize = SIZE) -> tuple[str, list[list[str]]]:
    with plan_parts(store, text, size, Shard.parse(shard)) as planned:
        parts = list(planned)
        assert planned.parts == len(parts)
        assert planned.sentences == sum(map(len, parts))
        assert planned.characters == sum(len(source) for part in parts for source in part)
        return planned.id, parts


def test_a_plan_lists_each_source_once_the_longest_first_in_parts(store: Path, text: Path) -> None:
    with plan_parts(store, text, SIZE) as planned:
        assert (planned.sources, planned.stored, planned.parts) == (6, 0, 3)
        assert list(planned) == PARTS


def test_length_is_in_bytes_for_a_letter_may_have_several(store: Path, tmp_path: Path) -> None:
    text = write_data(tmp_path / "data", ["aaaaa", "да!", "ééé"]) / "text.en"  # 5, 5 and 6 bytes
    _, ((longest, *others),) = plan(store, text, size=PartSize())
    assert longest == "ééé"
    assert sorted(others) == ["aaaaa", "да!"]


def test_a_part_of_the_plan_that_is_stored_moves_no_cut(store: Path, text: Path) -> None:
    plan_id, _ = plan(store, text)
    add(store, PARTS[1], plan_id)
    assert plan(store, text) == (plan_id, [PARTS[0], PARTS[2]])
    add(store, PARTS[0][1:], plan_id)  # part of a part: what an LLM's budget left
    assert plan(store, text) == (plan_id, [PARTS[0][:1], PARTS[2]])


def test_what_was_stored_for_other_data_is_left_out_before_the_list_is_cut(store: Path, text: Path) -> None:
    add(store, ["ffffff", "dddd", "other"], "of another plan")
    add(store, ["ccc"])
    assert plan(store, text)[1] == [["eeeee", "bb"], ["a"]]


def test_plans_are_told_apart_by_sources_and_size_but_not_by_ids(
    store: Path, text: Path, tmp_path: Path
) -> None:
    same = write_data(tmp_path / "same", [*SOURCES[::-1], "a"]) / "text.en"
    larger = write_data(tmp_path / "larger", [*SOURCES, "g"]) / "text.en"
    plan_id, _ = plan(store, text)
    assert plan(store, same)[0] == plan_id
    assert len({plan_id, plan(store, larger)[0], plan(store, text, size=PartSize(100, 3))[0]}) == 3


def test_a_part_knows_its_plan(store: Path) -> None:
    assert part_plan(add(store, ["a"], "abc")) == "abc"
    assert part_plan(add(store, ["a"])) == ""


def test_shards_share_the_parts_whatever_is_stored_when_they_begin(store: Path, text: Path) -> None:
    plan_id, first = plan(store, text, "1/2")
    assert first == [PARTS[0], PARTS[2]]
    add(store, PARTS[0], plan_id)  # the first shard has begun
    assert plan(store, text, "2/2")[1] == [PARTS[1]]
    assert plan(store, text, "4/4")[1] == []


@pytest.mark.parametrize("wrong", ["0/2", "3/2", "1", "1/0", "a/b", "1/2/3", "-1/2", ""])
def test_a_shard_that_cannot_be_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigError, match="the shard is"):
        Shard.parse(wrong)


@pytest.mark.parametrize("wrong", [(0, 1), (1, 0)])
def test_a_part_without_room_is_refused(wrong: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match="give 1 or more"):
        PartSize(*wrong)


def test_a_part_is_full_at_its_tokens_or_its_sentences() -> None:
    rows = [(source, False) for source in ("x" * 16, "x" * 12, "x" * 9, "x" * 4, "x", "y", "z")]
    assert [reckon_tokens(source) for source, _ in rows] == [4, 3, 3, 1, 1, 1, 1]
    lengths = [len(part) for part in cut_parts(rows, PartSize(tokens=7, sentences=3))]
    assert lengths == [2, 3, 2]  # 4 + 3 tokens; 3 + 1 + 1, three sentences; the rest


def test_a_source_longer_than_a_part_has_one_of_its_own() -> None:
    rows = [("x" * 5000, False), ("short", False), ("a", False)]
    assert [len(part) for part in cut_parts(rows, PartSize(tokens=3))] == [1, 2]


@given(st.lists(st.text(min_size=1, max_size=30)), st.integers(1, 20), st.integers(1, 5))
def test_cutting_loses_nothing_and_keeps_the_limits(sources: list[str], tokens: int, sentences: int) -> None:
    parts = list(cut_parts(((source, True) for source in sources), PartSize(tokens, sentences)))
    assert [source for part in parts for source, _ in part] == sources
    for part in parts:
        assert len(part) == 1 or sum(reckon_tokens(source) for source, _ in part) <= tokens
        assert 1 <= len(part) <= sentences


def test_a_plan_leaves_nothing_beside_the_store(store: Path, text: Path, tmp_path: Path) -> None:
    plan(store, text)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "store"]


def test_a_damaged_part_stops_the_plan(store: Path, text: Path) -> None:
    add(store, ["a"]).write_bytes(b"PAR1")
    with pytest.raises(DataError, match="is damaged"):
        plan(store, text)
