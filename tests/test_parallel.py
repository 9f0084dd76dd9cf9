"""Bringing a user's own parallel text in."""

from pathlib import Path

import pytest

from synthst.corpora.parallel import import_pairs
from synthst.datadir import check_datadir, read_datadir, read_info
from synthst.errors import ConfigError, DataError


def import_tsv(folder: Path, content: str | bytes) -> Path:
    raw = content.encode() if isinstance(content, str) else content
    (folder / "pairs.tsv").write_bytes(raw)
    import_pairs(folder / "out", src="en", tgt="de", tsv=folder / "pairs.tsv")
    return folder / "out"


def import_aligned(folder: Path, source: str, target: str, id_prefix: str = "utt") -> Path:
    (folder / "a.en").write_bytes(source.encode())
    (folder / "a.de").write_bytes(target.encode())
    out = folder / "out"
    src_file, tgt_file = folder / "a.en", folder / "a.de"
    import_pairs(out, src="en", tgt="de", src_file=src_file, tgt_file=tgt_file, id_prefix=id_prefix)
    return out


def pairs(directory: Path) -> list[tuple[str, str, str]]:
    """Read a directory as (id, source, target)."""
    return [(utterance, source, target) for utterance, (target, source) in read_datadir(directory)]


def test_a_tsv_is_sorted_by_id(tmp_path: Path) -> None:
    out = import_tsv(tmp_path, "b\tTwo\tZwei\na\tOne\tEins\n")
    assert pairs(out) == [("a", "One", "Eins"), ("b", "Two", "Zwei")]
    assert [summary.rows for summary in check_datadir(out)] == [2, 2]


def test_aligned_files_get_ids_by_line_number(tmp_path: Path) -> None:
    out = import_aligned(tmp_path, "One\nTwo\n", "Eins\nZwei", id_prefix="my")
    assert pairs(out) == [("my_000000001", "One", "Eins"), ("my_000000002", "Two", "Zwei")]


def test_windows_files_are_taken_as_they_come(tmp_path: Path) -> None:
    out = import_tsv(tmp_path, "\ufeffa\tOne \tEins\r\nb\tTwo\tZwei\r\n")
    assert pairs(out) == [("a", "One", "Eins"), ("b", "Two", "Zwei")]


def test_blanks_at_ends_go_and_blank_control_characters_become_blanks(tmp_path: Path) -> None:
    out = import_aligned(tmp_path, "  One\ttwo  three\u00a0\n", "\u3000Eins\x0bzwei\u2028drei\u2028\n")
    assert pairs(out) == [("utt_000000001", "One two  three", "Eins zwei\u2028drei")]


def test_dropped_pairs_are_counted_by_reason(tmp_path: Path) -> None:
    rows = ["a\tOne\tEins", "b\t \tEins", "c\tOne\t", "d\tOne\tEins", "e\tOne\x00\tEins", "f\tOne\tEine"]
    out = import_tsv(tmp_path, "\n".join(rows) + "\n")
    assert pairs(out) == [("a", "One", "Eins"), ("f", "One", "Eine")]
    assert read_info(out)["counts"] == {
        "read": 6,
        "kept": 2,
        "dropped_empty": 2,
        "dropped_duplicate": 1,
        "dropped_control_character": 1,
    }


def test_of_equal_pairs_the_first_in_the_file_is_kept(tmp_path: Path) -> None:
    assert pairs(import_tsv(tmp_path, "z\tOne\tEins\na\tOne \tEins\n")) == [("z", "One", "Eins")]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"a\tOne\tEins\nb\tTwo\n", r"pairs\.tsv:2: 2 fields; write <id> TAB"),
        (b"a\tOne\tEins\nb\tTwo\tZwei\t2\n", r"pairs\.tsv:2: 4 fields; write <id> TAB"),
        (b"a\tOne\tEins\n\n", r"pairs\.tsv:2: 1 fields"),
        (b"a b\tOne\tEins\n", r"pairs\.tsv:1: the id 'a b'; write an id without blanks"),
        (b"id\tsource\ttarget\na\tOne\tEins\n", r"pairs\.tsv:1: a heading, 'id source target'; remove it"),
        (b"\tOne\tEins\n", r"pairs\.tsv:1: the id ''"),
        (b"b\tOne\tEins\na\tTwo\tZwei\nb\t3\t4\n", r"pairs\.tsv:3: the id b came already in line 1"),
        (b"b\tOne\tEins\nb\tOne\tEins\n", r"pairs\.tsv:2: the id b came already in line 1"),
        (b"a\tOne\tEins\nb\tTwo\tzw\xf6lf\n", r"pairs\.tsv:2: byte 9 is not UTF-8; .*iconv"),
        (b"", r"no sentence pair of .*pairs\.tsv can be kept: no line"),
        (b"a\t\tEins\n", r"can be kept: 1 read, 1 dropped empty"),
    ],
)
def test_a_broken_tsv_is_refused_with_file_and_line(tmp_path: Path, content: bytes, found: str) -> None:
    with pytest.raises(DataError, match=found):
        import_tsv(tmp_path, content)
    assert [entry.name for entry in tmp_path.iterdir()] == ["pairs.tsv"]


def test_files_of_different_length_are_refused_with_both_counts(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.en has 1 lines, .*a\.de has 3"):
        import_aligned(tmp_path, "One\n", "Eins\nZwei\nDrei\n")
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"x\.tsv cannot be read"):
        import_pairs(tmp_path / "out", src="en", tgt="de", tsv=tmp_path / "x.tsv")


def test_options_that_cannot_be_meant_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="either a TSV file or both"):
        import_pairs(tmp_path / "out", src="en", tgt="de")
    with pytest.raises(ConfigError, match="either a TSV file or both"):
        import_pairs(tmp_path / "out", src="en", tgt="de", src_file=tmp_path)
    with pytest.raises(ConfigError, match="are both en"):
        import_pairs(tmp_path / "out", src="en", tgt="en", tsv=tmp_path)
    with pytest.raises(ConfigError, match="'a b' cannot begin an id"):
        import_pairs(tmp_path / "out", src="en", tgt="de", tsv=tmp_path, id_prefix="a b")
