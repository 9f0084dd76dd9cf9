"""Several language pairs in one directory: shares by hand, ids that cannot clash, tags where they belong."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from synthst.cli import main
from synthst.datadir import check_datadir, combine_datadirs, new_directory, read_info, subset_datadir
from synthst.errors import ConfigError, DataError
from synthst.multilingual import combine_pairs, read_tagged, refuse_pairs, share_rows, split_pair
from synthst.tables import JoinedRow, join_tables, read_table, write_table, write_tables
from synthst.targets.expand import expand_targets
from synthst.targets.replace import replace_targets


def make(out: Path, src: str, tgt: str, rows: int) -> Path:
    """Make a data directory of ids 0, 1, ... whose texts hold language and id."""
    with new_directory(out, made_by={"step": "toy"}) as folder:
        texts = ((f"{number}", (f"{src} {number}", f"{tgt} {number}")) for number in range(rows))
        write_tables([folder / f"text.{src}", folder / f"text.{tgt}"], texts)
    return out


@pytest.fixture
def pairs(tmp_path: Path) -> dict[str, Path]:
    """Two pairs with the same ids, of 6 and 2 rows."""
    return {f"en-{tgt}": make(tmp_path / tgt, "en", tgt, rows) for tgt, rows in (("de", 6), ("es", 2))}


def read(path: Path) -> dict[str, str]:
    return dict(read_table(path))


def test_combine_pairs_puts_the_pair_before_the_ids_and_beside_them(
    pairs: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert combine_pairs(pairs, out, src="en", tgt="mul") == 8
    de, es = [f"en-de-{number}" for number in range(6)], ["en-es-0", "en-es-1"]
    assert read(out / "utt2pair") == dict.fromkeys(de, "en-de") | dict.fromkeys(es, "en-es")
    assert read(out / "text.en") == {name: f"en {name[-1]}" for name in de + es}
    assert read(out / "text.mul") == {name: f"{name[3:5]} {name[-1]}" for name in de + es}
    assert [summary.name for summary in check_datadir(out)] == ["text.en", "text.mul", "utt2pair"]
    before = (out / "info.json").stat().st_mtime_ns
    assert combine_pairs(pairs, out, src="en", tgt="mul") == 8
    assert (out / "info.json").stat().st_mtime_ns == before


def test_combine_pairs_balances_by_repeating_the_small_and_cutting_the_large(
    pairs: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert combine_pairs(pairs, out, src="en", tgt="mul", temperature=math.inf) == 8
    found = read(out / "utt2pair")
    assert [name for name in found if name.startswith("en-es")] == [
        "en-es-0",
        "en-es-1",
        "en-es_2-0",
        "en-es_2-1",
    ]
    assert list(found.values()) == ["en-de"] * 4 + ["en-es"] * 4
    counts = read_info(out)["counts"]
    assert counts == {"kept": 8, "rows.en-de": 4, "rows.en-es": 4, "distinct.en-de": 4, "distinct.en-es": 2}
    subset_datadir(pairs["en-de"], tmp_path / "subset", size=4)
    chosen = {f"en-de-{name}" for name in read(tmp_path / "subset/text.en")}
    assert {name for name in found if name.startswith("en-de")} == chosen


def test_combine_pairs_reads_one_copy_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 10 rows in all each pair gets 5: en-es 5 times its only one."""
    pairs = {f"en-{tgt}": make(tmp_path / tgt, "en", tgt, rows) for tgt, rows in (("de", 9), ("es", 1))}
    is_open, most_open, rows_read = 0, 0, 0

    def counting_join(paths: Sequence[Path]) -> Iterator[JoinedRow]:
        nonlocal is_open, most_open, rows_read
        is_open += 1
        most_open = max(most_open, is_open)
        for row in join_tables(paths):
            rows_read += 1
            yield row
        is_open -= 1

    monkeypatch.setattr("synthst.multilingual.join_tables", counting_join)
    out = tmp_path / "out"
    assert combine_pairs(pairs, out, src="en", tgt="mul", temperature=math.inf) == 10
    assert (most_open, is_open) == (1, 0)
    assert rows_read == 10 + 9 + 5  # to count them, to choose 5 of 9, and 5 times the one
    spanish = [name for name in read(out / "text.en") if name.startswith("en-es")]
    assert spanish == ["en-es-0", "en-es_2-0", "en-es_3-0", "en-es_4-0", "en-es_5-0"]


def test_combine_pairs_merges_copies_of_a_pair_with_a_pair_of_the_same_prefix(tmp_path: Path) -> None:
    """Of 9 rows each pair gets 3: the one of en-de comes as en-de_2 too, which another pair is called."""
    pairs = {"en-de": make(tmp_path / "de", "en", "de", 1), "en-fr": make(tmp_path / "fr", "en", "fr", 5)}
    other = {f"0{number}": ("en", "de_2") for number in range(3)}
    with new_directory(tmp_path / "de_2", made_by={"step": "toy"}) as folder:
        write_tables([folder / "text.en", folder / "text.de_2"], other.items())
    out = tmp_path / "out"
    wanted = {"src": "en", "tgt": "mul", "temperature": math.inf}
    assert combine_pairs(pairs | {"en-de_2": tmp_path / "de_2"}, out, **wanted) == 9  # type: ignore[arg-type]
    listed = ["en-de-0", "en-de_2-0", "en-de_2-00", "en-de_2-01", "en-de_2-02", "en-de_3-0"]
    assert list(read(out / "utt2pair"))[:6] == listed
    pairs |= {"en-de_2": make(tmp_path / "same", "en", "de_2", 1)}  # of 7 rows each gets 2 or 3
    with pytest.raises(DataError, match="1 of 1 ids occur twice in .*the first is en-de_2-0"):
        combine_pairs(pairs, tmp_path / "twice", **wanted)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sizes", "temperature", "wanted"),
    [
        ({"a": 90, "b": 10}, 1, {"a": 90, "b": 10}),
        ({"a": 90, "b": 10}, 2, {"a": 75, "b": 25}),  # the roots are 3 to 1
        ({"a": 90, "b": 10}, math.inf, {"a": 50, "b": 50}),
        (
            {"a": 8, "b": 1, "c": 1},
            3,
            {"a": 5, "b": 3, "c": 2},
        ),  # 2 : 1 : 1 of 10; the halves' first gets the rest
        ({"a": 3, "b": 3, "c": 4}, math.inf, {"a": 4, "b": 3, "c": 3}),
    ],
)
def test_share_rows_divides_by_the_root_of_the_sizes(
    sizes: dict[str, int], temperature: float, wanted: dict[str, int]
) -> None:
    assert share_rows(sizes, temperature) == wanted


def test_read_tagged_asks_for_the_target_language_of_each_row(pairs: dict[str, Path], tmp_path: Path) -> None:
    reverse = {f"{lang}-en": make(tmp_path / f"{lang}-en", lang, "en", 1) for lang in ("de", "es")}
    combine_pairs(reverse, tmp_path / "into_en", src="mul", tgt="en")
    combine_pairs({"en-es": pairs["en-es"]}, tmp_path / "one", src="en", tgt="mul")
    assert list(read_tagged(tmp_path / "into_en", ["mul", "en"])) == [
        ("de-en-0", ("<2en> de 0", "en 0")),
        ("es-en-0", ("<2en> es 0", "en 0")),
    ]
    assert list(read_tagged(tmp_path / "one", ["en"])) == [
        ("en-es-0", ("<2es> en 0",)),
        ("en-es-1", ("<2es> en 1",)),
    ]
    assert list(read_tagged(pairs["en-es"], ["en", "es"])) == [
        ("0", ("en 0", "es 0")),
        ("1", ("en 1", "es 1")),
    ]


def test_read_tagged_refuses_languages_in_the_wrong_order(pairs: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    combine_pairs({"en-es": pairs["en-es"]}, out, src="en", tgt="es")
    with pytest.raises(DataError, match="utt2pair: en-es-0 is en-es, but text.es was asked for its en; name"):
        list(read_tagged(out, ["es", "en"]))


def test_read_tagged_names_a_row_that_is_no_pair(pairs: dict[str, Path], tmp_path: Path) -> None:
    write_table(pairs["en-es"] / "utt2pair", [("0", "en-es"), ("1", "Spanish")])
    with pytest.raises(DataError, match="utt2pair: 1: 'Spanish' is no language pair; write en-de"):
        list(read_tagged(pairs["en-es"], ["en", "es"]))


def test_pairs_stay_with_their_rows_in_subsets_and_unions(pairs: dict[str, Path], tmp_path: Path) -> None:
    whole, part, other = (tmp_path / name for name in ("whole", "part", "other"))
    combine_pairs(pairs, whole, src="en", tgt="mul")
    subset_datadir(whole, part, size=5)
    assert read(part / "utt2pair") == {key: key[:5] for key in read(part / "text.en")}
    with pytest.raises(DataError, match=r"has text.en, text.mul, utt2pair; combine|same tables"):
        combine_datadirs([part, pairs["en-de"]], other)


def test_combine_pairs_refuses_what_does_not_belong_together(pairs: dict[str, Path], tmp_path: Path) -> None:
    out, speech = tmp_path / "out", make(tmp_path / "speech", "en", "fr", 1)
    write_table(speech / "wav.scp", [("0", "a.wav")])
    with pytest.raises(ConfigError, match="en-es does not fit --src en --tgt de; name mul"):
        combine_pairs(pairs, out, src="en", tgt="de")
    with pytest.raises(ConfigError, match="temperature is 0.5, wanted is 1"):
        combine_pairs(pairs, out, src="en", tgt="mul", temperature=0.5)
    with pytest.raises(ConfigError, match="temperature is nan"):
        combine_pairs(pairs, out, src="en", tgt="mul", temperature=math.nan)
    with pytest.raises(DataError, match="has speech, but only texts"):
        combine_pairs({"en-fr": speech}, out, src="en", tgt="mul")
    with pytest.raises(ConfigError, match="no language pair"):
        combine_pairs({}, out, src="en", tgt="mul")
    assert not out.exists()


def test_combine_pairs_finds_a_pair_whose_texts_do_not_match(pairs: dict[str, Path], tmp_path: Path) -> None:
    write_table(pairs["en-es"] / "text.es", [("0", "es 0")])
    with pytest.raises(DataError, match=r"text.es lacks 1 of 2 ids, the first is 1"):
        combine_pairs(pairs, tmp_path / "out", src="en", tgt="mul")


def test_refuse_pairs_wants_each_pair_by_itself(pairs: dict[str, Path], tmp_path: Path) -> None:
    refuse_pairs(pairs["en-de"])
    combine_pairs(pairs, tmp_path / "out", src="en", tgt="mul")
    with pytest.raises(DataError, match="take each pair by itself"):
        refuse_pairs(tmp_path / "out")


@pytest.mark.parametrize("pair", ["en", "en-de-AT", "-de", "en->de", "../x-de"])
def test_split_pair_refuses_what_is_no_pair(pair: str) -> None:
    assert split_pair("en-pt_BR") == ("en", "pt_BR")
    with pytest.raises(ConfigError, match="is no language pair"):
        split_pair(pair)


def test_targets_of_several_pairs_are_not_replaced_from_one_store(
    pairs: dict[str, Path], tmp_path: Path
) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    combine_pairs(pairs, data, src="en", tgt="mul")
    with pytest.raises(DataError, match="take each pair by itself"):
        replace_targets(data, tmp_path / "store", out, src="en", tgt="mul")
    with pytest.raises(DataError, match="take each pair by itself"):
        expand_targets(pairs["en-de"], data, tmp_path / "store", out, src="en", tgt="mul")
    assert not out.exists()


def test_the_command_line_takes_pairs_and_inf(pairs: dict[str, Path], tmp_path: Path) -> None:
    listed = "{" + ", ".join(f"{pair}: {data}" for pair, data in pairs.items()) + "}"
    words = ["--pairs", listed, "--out", str(tmp_path / "out"), "--src", "en", "--tgt", "mul"]
    assert main(["combine_pairs", *words, "--temperature", "inf"]) == 0
    assert list(read(tmp_path / "out/utt2pair").values()) == ["en-de"] * 4 + ["en-es"] * 4
