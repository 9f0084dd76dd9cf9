"""Tables: what is read and written, and how each broken line is refused."""

import errno
import os
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from synthst.errors import DataError
from synthst.tables import Row, join_tables, merge_rows, read_table, write_table, write_tables

ODD = "a\u2028b\u0085c\u00a0d\u3000e \U0001f600  f\ufeff"


def make(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_read_table_splits_at_the_first_blank(tmp_path: Path) -> None:
    path = make(tmp_path / "text.en", b"a Click  the icon.\nb x\n")
    assert list(read_table(path)) == [("a", "Click  the icon."), ("b", "x")]


def test_read_table_of_an_empty_file_has_no_rows(tmp_path: Path) -> None:
    assert list(read_table(make(tmp_path / "text.en", b""))) == []


def test_odd_characters_are_legal_inside_a_value_and_come_out_byte_by_byte(tmp_path: Path) -> None:
    path = make(tmp_path / "text.en", f"a {ODD}\nb x\u2029y\n".encode())
    assert write_table(tmp_path / "copy", read_table(path)) == 2
    assert (tmp_path / "copy").read_bytes() == path.read_bytes()


def test_ids_are_ordered_by_their_utf_8_bytes(tmp_path: Path) -> None:
    ids = ["A", "B", "a", "a-", "a0", "é", "\uffee", "\U0001f600"]
    assert ids == sorted(ids, key=lambda text: text.encode("utf-8"))
    write_table(tmp_path / "text.en", [(text, "x") for text in ids])
    assert [text for text, _ in read_table(tmp_path / "text.en")] == ids


@pytest.mark.parametrize(
    ("content", "line", "found", "remedy"),
    [
        (b"a x\nb y\na z\n", 3, "the id a comes after b", "LC_ALL=C sort"),
        ("\U0001f600 x\n\uffee y\n".encode(), 2, "out of byte order", "LC_ALL=C sort"),
        (b"a x\na y\n", 2, "the id a came already", "remove one"),
        (b"a x\nb\n", 2, "b has an empty value", "remove its row"),
        (b"a x\nb \n", 2, "b has an empty value", "remove its row"),
        (b"a x\nb   \n", 2, "b has an empty value", "remove its row"),
        ("a x\nb \u3000\n".encode(), 2, "b has an empty value", "remove its row"),
        (b"a x\n\nc y\n", 2, "no id at the start", "<id>, one blank, <value>"),
        (b" a x\n", 1, "no id at the start", "<id>, one blank, <value>"),
        ("a\u00a0b x\n".encode(), 1, "holds a blank", "<id>, one blank, <value>"),
        (b"a x\nb\ty\n", 2, "a tab at character 2", "put a blank"),
        (b"a x\nb y\x00z\n", 2, "U+0000 at character 4", "remove it"),
        (b"a x\x7f\n", 1, "U+007F", "remove it"),
        (b"a x\nb y \n", 2, "a blank at an end", "remove it"),
        (b"a  x\n", 1, "a blank at an end", "remove it"),
        ("a x\u0085\n".encode(), 1, "a blank at an end", "remove it"),
        (b"a x\nb caf\xe9\n", 2, "byte 6 is not UTF-8", "iconv"),
        (b"a \xed\xa0\x80\n", 1, "byte 3 is not UTF-8", "iconv"),
        ("\ufeffa x\n".encode(), 1, "byte order mark", "remove the first three bytes"),
        (b"a x\r\nb y\r\n", 1, "CRLF", "tr -d '\\r'"),
        (b"a x\rb y\n", 1, "carriage return", "tr -d '\\r'"),
        (b"a x\nb y", 2, "no newline", "cut short"),
    ],
)
def test_read_table_names_file_line_and_remedy(
    tmp_path: Path, content: bytes, line: int, found: str, remedy: str
) -> None:
    path = make(tmp_path / "text.en", content)
    with pytest.raises(DataError) as caught:
        list(read_table(path))
    message = str(caught.value)
    assert message.startswith(f"{path}:{line}: ")
    assert found in message and remedy in message.split(";", 1)[1]


def test_read_table_names_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="text.en cannot be read"):
        list(read_table(tmp_path / "text.en"))


def test_empty_values_are_read_and_written_when_allowed(tmp_path: Path) -> None:
    path = make(tmp_path / "text.en", b"a\nb \nc x\n")
    assert list(read_table(path, allow_empty=True)) == [("a", ""), ("b", ""), ("c", "x")]
    write_table(tmp_path / "copy", read_table(path, allow_empty=True), allow_empty=True)
    assert (tmp_path / "copy").read_bytes() == b"a\nb\nc x\n"


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ([("b", "x"), ("a", "y")], ":2: the id a comes after b"),
        ([("a", "x"), ("a", "y")], ":2: the id a came already"),
        ([("a", "")], ":1: a has an empty value"),
        ([("a", "x\ny")], ":1: the control character U+000A"),
        ([("a", "x\r")], ":1: a carriage return"),
        ([("a", "x\ty")], ":1: a tab"),
        ([("a b", "x")], ":1: the id 'a b' holds a blank"),
        ([("", "x")], ":1: no id"),
        ([("a", "x ")], ":1: a blank at an end"),
        ([("a", "x\ud800")], ":1: a lone surrogate U+D800"),
        ([("\ufeffa", "x")], ":1: a byte order mark"),
    ],
)
def test_write_table_refuses_what_could_not_be_read(tmp_path: Path, rows: list[Row], found: str) -> None:
    with pytest.raises(DataError) as caught:
        write_table(tmp_path / "text.en", rows)
    assert f"text.en{found}" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_write_table_on_a_full_disk_names_the_file_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("synthst.atomic.os.fsync", full)
    with pytest.raises(
        DataError, match=r"text\.en cannot be written: No space left on device; free some space"
    ):
        write_table(tmp_path / "text.en", [("a", "x")])
    assert list(tmp_path.iterdir()) == []


def test_write_table_keeps_the_old_file_when_the_rows_fail(tmp_path: Path) -> None:
    def rows() -> Iterator[Row]:
        yield "a", "new"
        raise KeyboardInterrupt

    path = make(tmp_path / "text.en", b"a old\n")
    with pytest.raises(KeyboardInterrupt):
        write_table(path, rows())
    assert path.read_bytes() == b"a old\n"
    assert list(tmp_path.iterdir()) == [path]


def test_write_tables_writes_each_column_to_its_table(tmp_path: Path) -> None:
    paths = [tmp_path / "text.en", tmp_path / "text.de"]
    assert write_tables(paths, [("a", ("x", "u")), ("b", ("y", "v"))]) == 2
    assert paths[0].read_bytes() == b"a x\nb y\n"
    assert paths[1].read_bytes() == b"a u\nb v\n"


def test_join_tables_pairs_equal_ids(tmp_path: Path) -> None:
    paths = [make(tmp_path / "1", b"a x\nb y\n"), make(tmp_path / "2", b"a u\nb v\n")]
    assert list(join_tables(paths)) == [("a", ("x", "u")), ("b", ("y", "v"))]


def test_join_tables_counts_what_every_table_lacks_and_names_the_first(tmp_path: Path) -> None:
    one = make(tmp_path / "text.en", b"a 1\nb 1\nd 1\ne 1\n")
    two = make(tmp_path / "text.de", b"b 2\nc 2\nd 2\n")
    joined: list[str] = []
    with pytest.raises(DataError) as caught:
        joined.extend(utterance for utterance, _ in join_tables([one, two]))
    assert str(caught.value) == (
        f"{one} lacks 1 of 5 ids, the first is c ({two}:2); "
        f"{two} lacks 2 of 5 ids, the first is a ({one}:1); "
        "add these lines, or remove the ids from the other tables"
    )


def test_join_tables_reads_all_before_it_refuses(tmp_path: Path) -> None:
    paths = [make(tmp_path / "1", b"a 1\nb 1\n"), make(tmp_path / "2", b"b 2\n")]
    rows = join_tables(paths)
    assert next(rows) == ("b", ("1", "2"))
    with pytest.raises(DataError, match="lacks 1 of 2 ids"):
        next(rows)


def test_merge_rows_sorts_the_rows_of_all_sources() -> None:
    one, two = [("a", ("1",)), ("c", ("3",))], [("b", ("2",))]
    assert [row[0] for row in merge_rows([one, two], names=["one", "two"])] == ["a", "b", "c"]


def test_merge_rows_counts_ids_that_occur_twice() -> None:
    one, two = [("a", ("1",)), ("b", ("1",))], [("a", ("2",)), ("b", ("2",)), ("c", ("2",))]
    with pytest.raises(DataError, match=r"2 of 3 ids occur twice .* the first is a \(in one and in two\)"):
        list(merge_rows([one, two], names=["one", "two"]))


def peak_of_write_and_join(path: Path, rows: int) -> tuple[int, int]:
    """Measure the memory, in bytes, that it takes to write a table and to join it with itself."""
    tracemalloc.start()
    write_table(path, ((f"{number:09d}", f"{number:050d}") for number in range(rows)))
    written = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    assert sum(1 for _ in join_tables([path, path])) == rows
    joined = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return written, joined


def test_memory_stays_constant_as_lines_grow(tmp_path: Path) -> None:
    few, many = (peak_of_write_and_join(tmp_path / f"{rows}", rows) for rows in (1_000, 10_000))
    assert many[0] < few[0] + 20_000
    assert many[1] < few[1] + 20_000
