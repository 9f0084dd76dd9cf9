"""Data directories: check, subset, exclude, combine."""

import tracemalloc
from collections.abc import Iterable
from pathlib import Path

import pytest

from synthst.datadir import (
    Lengths,
    TableSummary,
    check_datadir,
    combine_datadirs,
    exclude_datadir,
    is_made,
    new_directory,
    read_datadir,
    read_info,
    subset_datadir,
    text_path,
)
from synthst.errors import ConfigError, DataError
from synthst.tables import write_tables


def make(directory: Path, ids: Iterable[str]) -> Path:
    """Make a data directory where both values of an utterance hold its id."""
    directory.mkdir()
    rows = ((utterance, (f"source {utterance}", f"target {utterance}")) for utterance in ids)
    write_tables([directory / "text.en", directory / "text.de"], rows)
    return directory


def ids(directory: Path) -> list[str]:
    """Read the ids of a directory that ``make`` made, or a part of it, and prove that the pairs hold."""
    rows = list(read_datadir(directory))
    assert all(values == (f"target {name}", f"source {name}") for name, values in rows)
    return [name for name, _ in rows]


def test_text_path_refuses_a_language_that_leaves_the_directory() -> None:
    assert text_path(Path("data"), "pt-BR") == Path("data/text.pt-BR")
    with pytest.raises(ConfigError, match="is no language code"):
        text_path(Path("data"), "../en")


def test_check_datadir_counts_rows_words_and_characters(tmp_path: Path) -> None:
    (tmp_path / "text.en").write_text("a Click it\nb Ok\n")
    (tmp_path / "text.de").write_text("a Dort\u00a0klicken oder so\nb Gut\n")
    assert check_datadir(tmp_path) == [
        TableSummary("text.de", 2, Lengths(1, 2.5, 4), Lengths(3, 11.5, 20)),
        TableSummary("text.en", 2, Lengths(1, 1.5, 2), Lengths(2, 5.0, 8)),
    ]
    assert (
        str(check_datadir(tmp_path)[1]) == "text.en: 2 rows, words 1/1.5/2, characters 2/5.0/8 (min/mean/max)"
    )


def test_check_datadir_compares_the_ids_of_all_tables(tmp_path: Path) -> None:
    make(tmp_path / "data", ["a", "b"])
    (tmp_path / "data" / "utt2spk").write_text("a x\n")
    with pytest.raises(DataError, match=r"utt2spk lacks 1 of 2 ids, the first is b \(.*text.de:2\)"):
        check_datadir(tmp_path / "data")


def test_check_datadir_names_the_line_that_is_broken(tmp_path: Path) -> None:
    make(tmp_path / "data", ["a", "b"])
    (tmp_path / "data" / "text.en").write_bytes(b"a x\r\nb y\r\n")
    with pytest.raises(DataError, match=r"text\.en:1: .*CRLF"):
        check_datadir(tmp_path / "data")


def test_check_datadir_refuses_a_directory_without_text_or_rows(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere is not a directory"):
        check_datadir(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"holds no text\.<lang>"):
        check_datadir(tmp_path)
    (tmp_path / "text.en").touch()
    with pytest.raises(DataError, match="holds no utterance"):
        check_datadir(tmp_path)


def test_new_directory_writes_info_unless_the_block_did(tmp_path: Path) -> None:
    with new_directory(tmp_path / "out", made_by={"size": 3}):
        pass
    assert is_made(tmp_path / "out", {"size": 3})


def test_subsets_are_nested_pairs_and_of_the_wanted_size(tmp_path: Path) -> None:
    data = make(tmp_path / "data", [f"{number:03d}" for number in range(200)])
    chosen: list[set[str]] = []
    for size in (1, 50, 51, 200):
        assert subset_datadir(data, tmp_path / f"{size}", size=size) == size
        chosen.append(set(ids(tmp_path / f"{size}")))
        assert len(chosen[-1]) == size
    assert all(small < large for small, large in zip(chosen, chosen[1:], strict=False))


def test_a_subset_is_chosen_by_the_seed(tmp_path: Path) -> None:
    data = make(tmp_path / "data", [f"{number:03d}" for number in range(100)])
    for name, seed in (("one", 1), ("again", 1), ("two", 2)):
        subset_datadir(data, tmp_path / name, size=20, seed=seed)
    assert ids(tmp_path / "one") == ids(tmp_path / "again") != ids(tmp_path / "two")


def test_a_subset_does_not_depend_on_the_other_utterances(tmp_path: Path) -> None:
    names = [f"{number:03d}" for number in range(100)]
    subset_datadir(make(tmp_path / "data", names), tmp_path / "one", size=20)
    rest = sorted(set(names) - set(ids(tmp_path / "one")))
    fewer = sorted(set(names) - set(rest[::2]))
    subset_datadir(make(tmp_path / "fewer", fewer), tmp_path / "two", size=20)
    assert ids(tmp_path / "one") == ids(tmp_path / "two")


@pytest.mark.parametrize("size", [0, -1, 4])
def test_a_subset_larger_than_the_data_or_empty_is_refused(tmp_path: Path, size: int) -> None:
    data = make(tmp_path / "data", ["a", "b", "c"])
    with pytest.raises(DataError, match=rf"has 3 utterances, {size} were wanted"):
        subset_datadir(data, tmp_path / "out", size=size)
    assert not (tmp_path / "out").exists()


def test_subset_says_where_it_comes_from(tmp_path: Path) -> None:
    data = make(tmp_path / "data", ["a", "b", "c"])
    subset_datadir(data, tmp_path / "out", size=2, seed=7)
    info = read_info(tmp_path / "out")
    assert info["made_by"] == {"step": "subset_datadir", "data": str(data), "size": 2, "seed": 7}
    assert (info["counts"], info["parents"]) == ({"kept": 2, "left_out": 1}, [str(data)])


def test_exclude_leaves_out_the_ids_of_the_other_directory(tmp_path: Path) -> None:
    data = make(tmp_path / "data", ["a", "b", "c", "d"])
    minus = make(tmp_path / "minus", ["0", "b", "bb", "d", "e"])
    assert exclude_datadir(data, minus, tmp_path / "out") == 2
    assert ids(tmp_path / "out") == ["a", "c"]
    assert read_info(tmp_path / "out")["counts"] == {"kept": 2, "left_out": 2}


def test_exclude_of_everything_is_refused(tmp_path: Path) -> None:
    data = make(tmp_path / "data", ["a", "b"])
    with pytest.raises(DataError, match="no utterance of .*data is left"):
        exclude_datadir(data, data, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_combine_of_a_subset_and_the_rest_is_the_whole(tmp_path: Path) -> None:
    data = make(tmp_path / "data", [f"{number:02d}" for number in range(40)])
    subset_datadir(data, tmp_path / "part", size=15)
    exclude_datadir(data, tmp_path / "part", tmp_path / "rest")
    assert combine_datadirs([tmp_path / "rest", tmp_path / "part"], tmp_path / "whole") == 40
    assert (tmp_path / "whole" / "text.de").read_bytes() == (data / "text.de").read_bytes()
    assert (tmp_path / "whole" / "text.en").read_bytes() == (data / "text.en").read_bytes()


def test_combine_refuses_an_id_that_is_in_two_parents(tmp_path: Path) -> None:
    one, two = make(tmp_path / "one", ["a", "b"]), make(tmp_path / "two", ["b", "c"])
    with pytest.raises(
        DataError, match=r"1 of 3 ids occur twice .* the first is b \(in .*one and in .*two\)"
    ):
        combine_datadirs([one, two], tmp_path / "out")
    with pytest.raises(DataError, match="2 of 2 ids occur twice"):
        combine_datadirs([one, one], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_combine_refuses_parents_with_other_tables(tmp_path: Path) -> None:
    one, two = make(tmp_path / "one", ["a"]), make(tmp_path / "two", ["b"])
    (two / "text.de").rename(two / "text.fr")
    with pytest.raises(DataError, match=r"two has text\.en, text\.fr but .*one has text\.de, text\.en"):
        combine_datadirs([one, two], tmp_path / "out")


def test_combine_refuses_parents_whose_mismatches_would_cancel_out(tmp_path: Path) -> None:
    one, two = make(tmp_path / "one", ["a", "b"]), make(tmp_path / "two", ["c"])
    (one / "text.en").write_text("a x\n")
    (two / "text.en").write_text("b x\nc x\n")
    with pytest.raises(DataError, match=r"one/text\.en lacks 1 of 2 ids, the first is b"):
        combine_datadirs([one, two], tmp_path / "out")


def test_subset_needs_no_more_memory_for_more_rows(tmp_path: Path) -> None:
    peaks = []
    for rows in (500, 8_000):
        data = make(tmp_path / f"{rows}", (f"{number:09d}" for number in range(rows)))
        tracemalloc.start()
        subset_datadir(data, tmp_path / f"{rows}.out", size=rows // 2)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 120_000  # of which the counts of the bins; 4,000 chosen ids take 300,000
