"""No character, order or duplicate pairs a sentence with another's translation."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synthst.corpora.parallel import import_pairs
from synthst.datadir import combine_datadirs, exclude_datadir, read_datadir, subset_datadir
from synthst.errors import DataError
from synthst.tables import JoinedRow, join_tables, read_table, sort_rows, write_table, write_tables

few = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])

ODD = "\u0085\u2028\u2029\u00a0\u3000\ufeff\u200b\u200d\u0301\U0001f600\uffff é…|"
CONTROL = "".join(map(chr, [*range(32), 127]))

characters = st.characters(exclude_categories=["Cs"], exclude_characters=CONTROL) | st.sampled_from(ODD)
values = st.text(characters, min_size=1, max_size=20).map(str.strip).filter(bool)
names = st.text(characters, min_size=1, max_size=6).filter(
    lambda text: text.split() == [text] and not text.startswith("\ufeff")
)
pairs = st.dictionaries(names, st.tuples(values, values), min_size=1, max_size=12)


@contextmanager
def folder() -> Iterator[Path]:
    """Make a folder per example; pytest's tmp_path is one per test."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def in_order(rows: dict[str, tuple[str, str]]) -> list[JoinedRow]:
    return sorted(rows.items(), key=lambda row: row[0].encode("utf-8"))


def make(directory: Path, rows: dict[str, tuple[str, str]]) -> Path:
    """Make a data directory; its tables are read in the order of the pair."""
    directory.mkdir()
    write_tables([directory / "text.a", directory / "text.b"], in_order(rows))
    return directory


@few
@given(st.dictionaries(names, values, max_size=12))
def test_legal_rows_come_back_and_are_written_byte_by_byte_the_same(rows: dict[str, str]) -> None:
    with folder() as here:
        wanted = sorted(rows.items(), key=lambda row: row[0].encode("utf-8"))
        write_table(here / "one", sort_rows(rows.items()))
        assert list(read_table(here / "one")) == wanted
        write_table(here / "two", read_table(here / "one"))
        assert (here / "one").read_bytes() == (here / "two").read_bytes()


def with_control(value: str, control: str, position: int) -> str:
    return value[: position % len(value)] + control + value[position % len(value) :]


illegal_values = st.one_of(
    st.builds(with_control, values, st.sampled_from(CONTROL), st.integers(0, 20)),
    values.map(lambda value: value + " "),
    values.map(lambda value: "\u2028" + value),
    values.map(lambda value: value + "\ud800"),
    st.text(" \u00a0\u0085\u3000", max_size=3),
)


@few
@given(names, illegal_values)
def test_illegal_values_are_neither_written_nor_read(name: str, value: str) -> None:
    with folder() as here:
        with pytest.raises(DataError):
            write_table(here / "text.a", [(name, value)])
        assert list(here.iterdir()) == []
        (here / "text.a").write_bytes(f"{name} {value}\n".encode("utf-8", "surrogatepass"))
        with pytest.raises(DataError, match=r"text\.a:[12]: "):
            list(read_table(here / "text.a"))


@few
@given(st.binary(max_size=40))
def test_what_is_read_from_any_bytes_is_written_as_the_same_bytes(content: bytes) -> None:
    with folder() as here:
        (here / "one").write_bytes(content)
        try:
            rows = list(read_table(here / "one"))
        except DataError:
            return
        write_table(here / "two", rows)
        assert (here / "two").read_bytes() == content


@few
@given(st.dictionaries(names, values, max_size=8), st.dictionaries(names, values, max_size=8), st.data())
def test_join_pairs_equal_ids_only(left: dict[str, str], right: dict[str, str], data: st.DataObject) -> None:
    shared = data.draw(st.sets(st.sampled_from(sorted(left)))) if left else set()
    right = {**right, **{name: data.draw(values) for name in sorted(shared)}}
    joined: list[JoinedRow] = []
    with folder() as here:
        write_table(here / "1", sort_rows(left.items()))
        write_table(here / "2", sort_rows(right.items()))
        lacking = len(left.keys() ^ right.keys())
        try:
            for row in join_tables([here / "1", here / "2"]):
                joined.append(row)
            assert lacking == 0
        except DataError as error:
            counts = (len(right.keys() - left.keys()), len(left.keys() - right.keys()))
            assert all(f"lacks {count} of" in str(error) for count in counts if count)
            assert lacking > 0
    assert dict(joined) == {name: (left[name], right[name]) for name in left.keys() & right.keys()}


@few
@given(pairs, st.data())
def test_subsets_are_nested_and_do_not_depend_on_the_other_rows(
    rows: dict[str, tuple[str, str]], data: st.DataObject
) -> None:
    small = data.draw(st.integers(1, len(rows)))
    large = data.draw(st.integers(small, len(rows)))
    with folder() as here:
        whole = make(here / "whole", rows)
        subset_datadir(whole, here / "large", size=large, seed=3)
        subset_datadir(whole, here / "small", size=small, seed=3)
        subset_datadir(here / "large", here / "again", size=small, seed=3)
        kept = dict(read_datadir(here / "large"))
        assert len(kept) == large and kept.items() <= rows.items()
        assert list(read_datadir(here / "small")) == list(read_datadir(here / "again"))


distinct_pairs = pairs.map(lambda rows: {pair: name for name, pair in rows.items()}).map(
    lambda names_by_pair: {name: pair for pair, name in names_by_pair.items()}
)


@few
@given(distinct_pairs, st.data())
def test_import_of_a_tsv_in_any_order_gives_back_the_pairs(
    rows: dict[str, tuple[str, str]], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(list(rows.items())))
    lines = [f"{name}\t{source}\t{target}\n" for name, (source, target) in shuffled]
    with folder() as here:
        (here / "pairs.tsv").write_bytes("".join(lines).encode())
        import_pairs(here / "out", src="a", tgt="b", tsv=here / "pairs.tsv")
        assert list(read_datadir(here / "out")) == in_order(rows)


@few
@given(st.lists(st.tuples(values, values), min_size=1, max_size=12, unique=True))
def test_import_of_two_files_gives_back_the_pairs_by_line(rows: list[tuple[str, str]]) -> None:
    rows[0] = (rows[0][0].lstrip("\ufeff") or "x", rows[0][1].lstrip("\ufeff") or "y")
    with folder() as here:
        for name, column in (("a", 0), ("b", 1)):
            (here / name).write_bytes("".join(row[column] + "\n" for row in rows).encode())
        import_pairs(here / "out", src="a", tgt="b", src_file=here / "a", tgt_file=here / "b")
        found = dict(read_datadir(here / "out"))
    wanted = {f"utt_{number:09d}": row for number, row in enumerate(rows, 1)}
    assert found == {name: pair for name, pair in wanted.items() if pair not in rows[: int(name[4:]) - 1]}


@few
@given(pairs, st.data())
def test_combine_then_subset_never_mixes_utterances(
    rows: dict[str, tuple[str, str]], data: st.DataObject
) -> None:
    parts = {name: data.draw(st.integers(0, 2)) for name in rows}
    size = data.draw(st.integers(1, len(rows)))
    with folder() as here:
        parents = [
            make(here / f"{part}", {name: pair for name, pair in rows.items() if parts[name] == part})
            for part in data.draw(st.permutations(sorted(set(parts.values()))))
        ]
        assert combine_datadirs(parents, here / "all") == len(rows)
        subset_datadir(here / "all", here / "some", size=size)
        some = dict(read_datadir(here / "some"))
        assert dict(read_datadir(here / "all")) == rows
        assert len(some) == size and some.items() <= rows.items()
        if size < len(rows):
            exclude_datadir(here / "all", here / "some", here / "others")
            others = dict(read_datadir(here / "others"))
            assert others == {name: pair for name, pair in rows.items() if name not in some}
