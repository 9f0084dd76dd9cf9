"""Targets that are chosen, several for a source, and filtered."""

import os
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from fake_teacher import write_data
from hypothesis import given
from hypothesis import strategies as st
from speech_data import read, write_segments, write_speech
from toy_store import write_store

from synthst.cli import main
from synthst.datadir import check_datadir
from synthst.errors import ConfigError, DataError
from synthst.info import read_info
from synthst.processes import forked_pool
from synthst.speechdir import check_speech
from synthst.tables import write_table
from synthst.targets.candidates import Candidate, Choice
from synthst.targets.expand import expand_targets
from synthst.targets.hypotheses import number_targets
from synthst.targets.replace import replace_targets
from synthst.targets.select import SelectOptions

LISTS = {"one": ["uno", "eins", "eins!"], "two": ["zwei", "two", "zwo"], "three": ["drei", "dreie ..."]}
CHRF = SelectOptions(by="mbr_chrf")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return write_store(tmp_path / "store", LISTS)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_data(tmp_path / "data", LISTS)


def filters(tmp_path: Path, *lines: str) -> Path:
    (tmp_path / "filters.yaml").write_text("".join(f"- {line}\n" for line in lines), encoding="utf-8")
    return tmp_path / "filters.yaml"


def counts(out: Path) -> dict[str, int]:
    """Return what info.json counts, without what there was nothing of."""
    return {key: n for key, n in read_info(out)["counts"].items() if n}  # type: ignore[attr-defined]


def test_targets_are_chosen_and_info_says_how(tmp_path: Path, store: Path, data: Path) -> None:
    (data / "text.de").write_bytes(b"not \xff read")
    replace_targets(data, store, tmp_path / "out", src="en", tgt="de", select=CHRF)
    # "zwo" shares letters with both others; of two alike F2 prefers that which has all of the other.
    assert read(tmp_path / "out" / "text.de") == "u000000 eins!\nu000001 zwo\nu000002 dreie ...\n"
    info = read_info(tmp_path / "out")
    assert info["made_by"]["select"] == {"by": "mbr_chrf", "scores": None, "scorer": None}  # type: ignore[index]
    assert info["selection"]["signature"].startswith("nrefs:1|case:mixed|eff:yes|nc:6|")  # type: ignore[index]
    assert counts(tmp_path / "out") == {"kept": 3, "kept_cut_off": 1, "reranked": 3}


def test_the_best_against_the_references_of_the_data(tmp_path: Path, store: Path, data: Path) -> None:
    write_table(data / "text.de", [("u000000", "eins"), ("u000001", "zwo"), ("u000002", "drei")])
    replace_targets(data, store, tmp_path / "out", src="en", tgt="de", select=SelectOptions(by="chrf"))
    assert read(tmp_path / "out" / "text.de") == "u000000 eins\nu000001 zwo\nu000002 drei\n"


def test_what_was_made_before_there_was_a_choice_is_still_known(
    tmp_path: Path, store: Path, data: Path
) -> None:
    replace_targets(data, store, tmp_path / "out", src="en", tgt="de")
    assert read_info(tmp_path / "out")["made_by"] == {
        "step": "replace_targets",
        "data": str(data),
        "store": str(store),
        "src": "en",
        "tgt": "de",
        "empty": "error",
        "drop_cut_off": False,
    }
    with pytest.raises(DataError, match="nbest_targets: nothing then, 2 now"):
        replace_targets(data, store, tmp_path / "out", src="en", tgt="de", nbest_targets=2)


def test_several_targets_of_a_source_have_ids_that_say_so(tmp_path: Path, store: Path, data: Path) -> None:
    replace_targets(data, store, tmp_path / "out", src="en", tgt="de", nbest_targets=3, drop_cut_off=True)
    assert read(tmp_path / "out" / "text.de") == (
        "u000000-h1 uno\nu000000-h2 eins\nu000000-h3 eins!\n"
        "u000001-h1 zwei\nu000001-h2 two\nu000001-h3 zwo\nu000002-h1 drei\n"
    )
    assert read(tmp_path / "out" / "text.en").split("\n")[3:7] == [
        "u000001-h1 two",
        "u000001-h2 two",
        "u000001-h3 two",
        "u000002-h1 three",
    ]
    assert read(tmp_path / "out" / "dropped.tsv") == "u000002-h2\tcut_off\n"
    assert counts(tmp_path / "out") == {"kept": 7, "dropped_cut_off": 1, "fewer_targets": 1}
    assert [table.rows for table in check_datadir(tmp_path / "out")] == [7, 7]


@given(st.sets(st.text("-ah!1é\U0001f600", min_size=1, max_size=4), min_size=1), st.integers(1, 12))
def test_numbered_ids_are_unique_and_in_byte_order(ids: set[str], targets: int) -> None:
    candidates = [Candidate(rank, str(rank), False, 0.0, 1, True) for rank in range(targets)]
    utterances = [(Choice(name, name, candidates), (name, ())) for name in sorted(ids)]
    rows = list(number_targets(iter(utterances), several=True))
    assert [row.id.encode() for row in rows] == sorted({row.id.encode() for row in rows})
    assert {(row.id, row.source, row.text) for row in rows} == {
        (f"{name}-h{rank + 1}", name, str(rank)) for name in ids for rank in range(targets)
    }


def test_speech_is_there_for_every_target(tmp_path: Path) -> None:
    texts = {"a": "one", "b": "two"}
    data = write_speech(tmp_path / "data", {"a": 0.5, "b": 0.25}, texts=texts)
    store = write_store(tmp_path / "store", LISTS)
    replace_targets(data, store, tmp_path / "out", src="en", tgt="de", nbest_targets=2)
    assert read(tmp_path / "out" / "utt2dur") == "a-h1 0.500\na-h2 0.500\nb-h1 0.250\nb-h2 0.250\n"
    assert read(tmp_path / "out" / "utt2spk") == "a-h1 spk_a\na-h2 spk_a\nb-h1 spk_b\nb-h2 spk_b\n"
    assert f"a-h2 {data}/audio/a.wav\n" in read(tmp_path / "out" / "wav.scp")
    assert check_speech(tmp_path / "out").seconds == 1.5


def test_segments_are_there_for_every_target_and_recordings_once(tmp_path: Path) -> None:
    base = write_segments(tmp_path / "base", {"b": "r 0 1"}, {"r": "base.wav"})
    write_table(base / "text.de", [("b", "sag b")])
    extra = write_segments(tmp_path / "extra", {"a": "r 1 2"}, {"r": "extra.wav"})
    store = write_store(tmp_path / "store", {"say a": ["sag a", "sage a"]})
    out = tmp_path / "out"
    expand_targets(base, extra, store, out, src="en", tgt="de", prefix="x_", nbest_targets=2)
    assert read(out / "segments") == "b r 0 1\nx_a-h1 x_r 1 2\nx_a-h2 x_r 1 2\n"
    assert read(out / "wav.scp") == "r base.wav\nx_r extra.wav\n"
    assert read(out / "text.de") == "b sag b\nx_a-h1 sag a\nx_a-h2 sage a\n"


def test_what_filters_drop_is_counted_listed_and_kept_aside(tmp_path: Path, store: Path, data: Path) -> None:
    listed = filters(tmp_path, "{name: copy, min_words: 1}", "name: cut_off")
    out = tmp_path / "out"
    replace_targets(data, store, out, src="en", tgt="de", nbest_targets=2, filters=listed, keep_dropped=True)
    assert read(out / "text.de").split("\n") == [
        "u000000-h1 uno",
        "u000000-h2 eins",
        "u000001-h1 zwei",
        "u000002-h1 drei",
        "",
    ]
    assert read(out / "dropped.tsv") == "u000001-h2\tcopy\nu000002-h2\tcut_off\n"
    assert read(out / "dropped" / "text.de") == "u000001-h2 two\nu000002-h2 dreie ...\n"
    assert counts(out) == {"kept": 4, "dropped_copy": 1, "dropped_cut_off": 1}
    assert [one["name"] for one in read_info(out)["made_by"]["filters"]] == ["copy", "cut_off"]  # type: ignore[index]
    with pytest.raises(DataError, match="filters: .* then, nothing now; keep_dropped: true then"):
        replace_targets(data, store, out, src="en", tgt="de", nbest_targets=2)


def test_filters_that_compare_pairs_see_what_was_chosen(tmp_path: Path, data: Path) -> None:
    store = write_store(tmp_path / "store", {"one": ["a", "b"], "two": ["a", "b"], "three": ["", ""]})
    listed = filters(tmp_path, "name: empty", "{name: duplicates, by: target}")
    replace_targets(data, store, tmp_path / "out", src="en", tgt="de", nbest_targets=2, filters=listed)
    assert read(tmp_path / "out" / "text.de") == "u000000-h1 a\nu000000-h2 b\n"
    dropped = read(tmp_path / "out" / "dropped.tsv")
    assert [line.split("\t")[0] for line in dropped.split("\n")] == [
        "u000001-h1",
        "u000001-h2",
        "u000002-h1",
        "",
    ]
    assert dropped.endswith("u000002-h1\tempty\n")


def test_filters_work_in_processes_that_are_forked_when_the_stores_threads_are_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[set[str]] = []

    def noting_pool(*args: Any) -> AbstractContextManager[ProcessPoolExecutor]:
        threads.append(set(os.listdir("/proc/self/task")))
        return forked_pool(*args)

    monkeypatch.setattr("synthst.targets.filters.judge.BATCH", 10)
    monkeypatch.setattr("synthst.targets.filters.judge.forked_pool", noting_pool)
    lists = {f"word {n}": [f"Wort {n % 30}" if n % 7 else f"word {n}"] for n in range(60)}
    store, data = write_store(tmp_path / "store", lists), write_data(tmp_path / "data", lists)
    base = write_data(tmp_path / "base", ["none"])
    write_table(base / "text.de", [("u000000", "keines")])
    listed = filters(tmp_path, "{name: copy, min_words: 1}", "{name: duplicates, by: target}")
    langs: dict[str, Any] = {"src": "en", "tgt": "de", "filters": listed}
    for workers in (1, 3):
        before = set(os.listdir("/proc/self/task"))
        replace_targets(data, store, tmp_path / f"out{workers}", **langs, workers=workers)
        expand_targets(base, data, store, tmp_path / f"more{workers}", **langs, prefix="x_", workers=workers)
        assert all(there <= before for there in threads)
    assert len(threads) == 2  # one for each command with several workers
    for name in ("out", "more"):
        for table in ("text.en", "text.de", "dropped.tsv"):
            assert read(tmp_path / f"{name}1" / table) == read(tmp_path / f"{name}3" / table)
        assert counts(tmp_path / f"{name}1") == counts(tmp_path / f"{name}3")
    assert read_info(tmp_path / "out1")["made_by"] == read_info(tmp_path / "out3")["made_by"]
    kept = {"kept": 30, "dropped_copy": 9, "dropped_duplicates_target": 21}  # one for each n % 30
    assert counts(tmp_path / "out1") == kept


def test_an_empty_target_is_an_error_unless_a_filter_drops_it(tmp_path: Path, data: Path) -> None:
    store = write_store(tmp_path / "store", {"one": ["a"], "two": [""], "three": ["c"]})
    listed = filters(tmp_path, "{name: copy, min_words: 1}")
    with pytest.raises(DataError, match=r'1 empty hypotheses .* the first is for u000001 \("two"\)'):
        replace_targets(data, store, tmp_path / "out", src="en", tgt="de", filters=listed)
    listed = filters(tmp_path, "name: empty")
    replace_targets(data, store, tmp_path / "out", src="en", tgt="de", filters=listed, keep_dropped=True)
    assert read(tmp_path / "out" / "dropped" / "text.de") == "u000001\n"


def test_held_out_texts_are_dropped_with_filters_and_without(tmp_path: Path, store: Path, data: Path) -> None:
    test = write_data(tmp_path / "test", ["Two!"])
    replace_targets(data, store, tmp_path / "out", src="en", tgt="de", held_out=[test])
    assert read(tmp_path / "out" / "dropped.tsv") == "u000001\toverlap\n"
    assert read_info(tmp_path / "out")["parents"] == [str(data), str(store), str(test)]
    listed = filters(tmp_path, "{name: copy, min_words: 1}")
    replace_targets(data, store, tmp_path / "both", src="en", tgt="de", held_out=[test], filters=listed)
    assert read(tmp_path / "both" / "dropped.tsv") == "u000001\toverlap\n"


def test_nothing_left_is_an_error(tmp_path: Path, store: Path, data: Path) -> None:
    listed = filters(tmp_path, "{name: length, min_length: 9}")
    with pytest.raises(DataError, match="leaves no target .* or take milder filters"):
        replace_targets(data, store, tmp_path / "out", src="en", tgt="de", filters=listed)
    assert not (tmp_path / "out").exists()


def test_expansion_chooses_and_filters_the_extra_text_only(tmp_path: Path, store: Path) -> None:
    base = write_data(tmp_path / "base", ["one"])
    write_table(base / "text.de", [("u000000", "one")])
    extra = write_data(tmp_path / "extra", ["one", "two"])
    listed = filters(tmp_path, "{name: copy, min_words: 1}")
    out = tmp_path / "out"
    options = {"select": CHRF, "nbest_targets": 2, "filters": listed, "prefix": "m_"}
    expand_targets(base, extra, store, out, src="en", tgt="de", **options)  # type: ignore[arg-type]
    chosen = "m_u000000-h1 eins!\nm_u000000-h2 eins\nm_u000001-h1 zwo\n"  # the second for "two" is "two"
    assert read(out / "text.de") == f"{chosen}u000000 one\n"
    assert read(out / "dropped.tsv") == "m_u000001-h2\tcopy\n"
    assert counts(out) == {"base": 1, "kept": 3, "reranked": 2, "dropped_copy": 1}


def test_expansion_has_no_reference_to_choose_by(tmp_path: Path, store: Path, data: Path) -> None:
    by_bleu = SelectOptions(by="bleu")
    with pytest.raises(
        ConfigError, match="select.by is bleu, but extra text has no references; give mbr_bleu"
    ):
        expand_targets(data, data, store, tmp_path / "out", src="en", tgt="de", select=by_bleu)


def test_the_command_line_chooses_and_filters(
    tmp_path: Path, store: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = filters(tmp_path, "{name: copy, min_words: 1}", "name: cut_off")
    paths = ["--data", str(data), "--store", str(store), "--src", "en", "--tgt", "de"]
    chosen = ["--select.by", "scorer", "--select.scorer", "cut -c 1-0", "--nbest_targets", "2"]
    arguments = [
        "replace_targets",
        *paths,
        "--out",
        str(tmp_path / "out"),
        "--filters",
        str(listed),
        "--keep_dropped",
    ]
    assert main([*arguments, *chosen]) == 1
    assert "failed with status" in capsys.readouterr().err
    assert main([*arguments, "--select.by", "mbr_bleu", "--nbest_targets", "2"]) == 0
    assert counts(tmp_path / "out")["kept"] == 4
    assert main([*arguments, "--select.by", "scores"]) == 2
    assert "give select.scores with select.by scores" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*arguments, "--select.by", "best"])
