"""The audit as a whole: what it reads, counts, refuses and writes."""

import json
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from toy_audit import LOOP, ROWS, write_corpus, write_side

from synthst.audit.command import audit
from synthst.audit.languages import why_not_detected
from synthst.audit.origin import find_origin
from synthst.audit.sample import read_sample
from synthst.errors import ConfigError, DataError, install_command
from synthst.info import read_info, write_info
from synthst.tables import Row, sort_rows
from synthst.targets.filters.language import load_detector


@pytest.fixture(scope="module")
def synth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def report(synth: Path) -> dict[str, Any]:
    audit(synth, workers=1)
    return read_report(synth.with_name("synth_audit"))


def read_report(out: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((out / "audit.json").read_text(encoding="utf-8"))
    return content


def measure(report: dict[str, Any], key: str) -> tuple[Any, Any]:
    (row,) = [row for row in report["measures"] if row["key"] == key]
    return row["real"], row["synthetic"]


def worst(report: dict[str, Any], key: str) -> list[str]:
    (ranking,) = [ranking for ranking in report["worst"] if ranking["key"] == key]
    return [pair["id"] for pair in ranking["pairs"]]


def test_everything_but_the_data_comes_from_info_json(synth: Path, report: dict[str, Any]) -> None:
    assert (report["src"], report["tgt"]) == ("en", "de")
    assert report["real"] == str(synth.with_name("real"))
    assert report["teacher"] == {"kind": "fake", "name": "toy"}
    assert report["counts"] == {
        "rows": 6, "shared": 6, "only_synthetic": 0, "only_real": 0, "audited": 6, "aligned": 6, "in_store": 6
    }  # fmt: skip
    assert read_info(synth.with_name("synth_audit"))["counts"] == report["counts"]


def test_each_fault_is_counted_on_both_sides(report: dict[str, Any]) -> None:
    sixth = pytest.approx(1 / 6)
    assert measure(report, "cut_off") == (None, sixth)
    assert measure(report, "repetition") == (0, sixth)
    assert measure(report, "copy") == (0, sixth)
    assert measure(report, "language") == (0, sixth)
    assert measure(report, "length_ratio") == (0, sixth)
    assert measure(report, "any") == (0, pytest.approx(3 / 6))  # the loop is cut off and too long
    assert [finding["level"] for finding in report["findings"]].count("warning") >= 5


def test_the_worst_of_each_measure_come_first(report: dict[str, Any]) -> None:
    assert worst(report, "agreement")[0] == "u5"  # in Cyrillic letters: chrF2 is 0
    assert worst(report, "agreement")[-1] == "u0"
    assert worst(report, "repetition")[0] == "u1"
    assert worst(report, "copy")[0] == "u2"
    assert worst(report, "language")[0] == "u5"
    assert worst(report, "cut_off") == ["u1"]
    assert worst(report, "length")[0] == "u1"
    assert worst(report, "score")[0] == "u1"  # the scores are -0.1 for a character


def test_agreement_is_sacrebleus(report: dict[str, Any]) -> None:
    from sacrebleu.metrics.chrf import CHRF

    scores = [CHRF().sentence_score(synthetic, [real]).score for _, real, synthetic in ROWS.values()]
    assert measure(report, "agreement") == (None, pytest.approx(sum(scores) / len(scores)))
    (histogram,) = [one for one in report["histograms"] if one["key"] == "agreement"]
    assert histogram["counts"]["synthetic"][-1] == 1  # u0 is the reference
    assert sum(histogram["counts"]["synthetic"]) == 6


def test_a_second_run_does_nothing_and_another_one_is_refused(
    synth: Path, report: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    page = synth.with_name("synth_audit") / "index.html"
    before = page.stat().st_mtime_ns
    audit(synth)
    assert page.stat().st_mtime_ns == before
    assert report["findings"][0]["text"] in capsys.readouterr().out
    with pytest.raises(DataError, match="worst: 20 then, 3 now"):
        audit(synth, worst=3)


def test_the_page_holds_its_texts_as_texts(synth: Path, report: dict[str, Any]) -> None:
    page = (synth.with_name("synth_audit") / "index.html").read_text(encoding="utf-8")
    assert "alert(1)</script>" not in page
    assert "Close &lt;b&gt;it&lt;/b&gt; &amp; go." in page
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    pairs = {pair[0]: pair for pair in json.loads(data)["pairs"]}
    assert {id_: (pair[1], pair[2], pair[3]) for id_, pair in pairs.items()} == ROWS
    assert pairs["u1"][-1] == ["cut off", "loop", "length"]
    assert not re.findall(r'(?:src|href)="(?!#|data:,)', page)  # nothing is fetched


def test_alone_there_are_no_references_and_no_differences(synth: Path, tmp_path: Path) -> None:
    audit(synth, out=tmp_path / "out", alone=True, workers=1)
    report = read_report(tmp_path / "out")
    assert measure(report, "repetition") == (None, pytest.approx(1 / 6))
    assert {ranking["key"] for ranking in report["worst"]}.isdisjoint({"agreement"})
    assert any("no references" in note for note in report["notes"])


def test_only_shared_ids_are_compared_and_the_others_counted(tmp_path: Path) -> None:
    real = write_side(tmp_path / "real", {"a": ("x", "eins"), "b": ("y", "zwei"), "c": ("z", "drei")})
    synth = write_side(tmp_path / "synth", {"b": ("y", "ZWEI"), "c": ("Z.", "3"), "d": ("w", "vier")})
    sample = read_sample(synth, real, src="en", tgt="de", size=9)
    assert sorted(sample.pairs) == [("b", "y", "ZWEI", "zwei"), ("c", "Z.", "3", "drei")]
    assert (sample.rows, sample.shared, sample.only_real) == (3, 2, 1)


def test_several_targets_of_a_source_meet_their_reference(tmp_path: Path) -> None:
    real = write_side(tmp_path / "real", {"a": ("x", "eins"), "a!": ("y", "zwei"), "b": ("z", "drei")})
    rows = {"a-h1": ("x", "1"), "a-h10": ("x", "I"), "a!-h1": ("y", "2")}
    synth = write_side(tmp_path / "synth", rows)
    sample = read_sample(synth, real, src="en", tgt="de", size=9, numbered=True)
    assert sorted(sample.pairs) == [
        ("a!-h1", "y", "2", "zwei"),
        ("a-h1", "x", "1", "eins"),
        ("a-h10", "x", "I", "eins"),
    ]
    assert (sample.rows, sample.shared, sample.only_real) == (3, 3, 1)


def test_numbered_targets_are_sorted_beside_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = []

    def noting_sort(rows: Iterable[Row], *, folder: Path | None = None) -> Iterator[Row]:
        places.append(folder)
        return sort_rows(rows, folder=folder)

    monkeypatch.setattr("synthst.audit.sample.sort_rows", noting_sort)
    numbered = write_side(tmp_path / "numbered", {"a-h1": ("x", "1"), "a-h2": ("x", "I")})
    write_info(numbered, {"step": "replace_targets", "src": "en", "tgt": "de", "nbest_targets": 2})
    audit(numbered, out=tmp_path / "out", alone=True, workers=1)
    assert [place.parent for place in places if place] == [tmp_path]
    found = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert found == ["audit.json", "index.html", "info.json"]


def test_a_sample_depends_on_ids_and_seed_and_is_nested(tmp_path: Path) -> None:
    synth = write_side(tmp_path / "synth", {f"u{n:03d}": (f"s{n}", f"t{n}") for n in range(100)})
    samples = [
        read_sample(synth, None, src="en", tgt="de", size=n, seed=s).pairs
        for n, s in [(10, 0), (20, 0), (10, 1)]
    ]
    assert samples[0] == samples[1][:10]
    assert samples[0] != samples[2]


def test_other_sources_of_the_same_ids_are_refused(tmp_path: Path) -> None:
    real = write_side(tmp_path / "real", {"a": ("one", "eins"), "b": ("two", "zwei")})
    synth = write_side(tmp_path / "synth", {"a": ("One.", "1"), "b": ("three", "3")})
    with pytest.raises(DataError, match=r'1 of 2 ids have another source .*b \("three"\) and "two"'):
        read_sample(synth, real, src="en", tgt="de", size=9)


def test_directories_that_share_nothing_are_refused(tmp_path: Path) -> None:
    real = write_side(tmp_path / "real", {"a": ("one", "eins")})
    synth = write_side(tmp_path / "synth", {"b": ("one", "1")})
    with pytest.raises(DataError, match="share no id"):
        audit(synth, out=tmp_path / "out", real=real, src="en", tgt="de")
    assert not (tmp_path / "out").exists()


def test_the_origin_is_found_through_filters_and_expansions(synth: Path, tmp_path: Path) -> None:
    for name, made_by in {
        "expanded": {"step": "expand_targets", "base": synth, "extra": synth, "nbest_targets": 2},
        "filtered": {"step": "filter", "data": tmp_path / "expanded"},
    }.items():
        (tmp_path / name).mkdir()
        write_info(tmp_path / name, made_by)
    origin = find_origin(tmp_path / "filtered")
    assert (origin.real, origin.store) == (synth.with_name("real"), synth.with_name("store"))
    assert (origin.src, origin.tgt, origin.numbered, origin.lost) == ("en", "de", True, ())


def test_what_is_not_written_down_must_be_given(synth: Path, tmp_path: Path) -> None:
    shutil.copytree(synth, tmp_path / "bare", ignore=shutil.ignore_patterns("info.json"))
    with pytest.raises(
        ConfigError, match="does not say whose targets it replaces; give --real DIR, or --alone"
    ):
        audit(tmp_path / "bare")
    with pytest.raises(ConfigError, match="does not say its languages; give --src and --tgt"):
        audit(tmp_path / "bare", alone=True)
    with pytest.raises(ConfigError, match="--alone wants no references"):
        audit(synth, alone=True, real=synth)
    with pytest.raises(ConfigError, match="--worst 0"):
        audit(synth, worst=0)


def test_paths_that_were_relative_to_another_folder_are_named(synth: Path, tmp_path: Path) -> None:
    shutil.copytree(synth, tmp_path / "synth")
    (tmp_path / "synth" / "info.json").unlink()
    made_by = {
        "step": "replace_targets",
        "data": "gone/real",
        "store": "gone/store",
        "src": "en",
        "tgt": "de",
    }
    write_info(tmp_path / "synth", made_by)
    with pytest.raises(ConfigError, match=r"gone/store, gone/real not found: run where the data were made"):
        audit(tmp_path / "synth")


def test_targets_that_are_not_in_the_store_are_counted(synth: Path, tmp_path: Path) -> None:
    rows = {id_: (source, synthetic) for id_, (source, _, synthetic) in ROWS.items()}
    edited = write_side(tmp_path / "edited", rows | {"u1": (ROWS["u1"][0], LOOP + " !")})
    real, store = synth.with_name("real"), synth.with_name("store")
    audit(edited, out=tmp_path / "out", real=real, store=store, src="en", tgt="de", workers=1)
    report = read_report(tmp_path / "out")
    assert report["counts"]["in_store"] == 5
    assert "1 synthetic targets are not in the translation store." in report["notes"]
    assert measure(report, "cut_off") == (None, 0)


def test_without_the_detector_or_its_language_the_audit_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert why_not_detected("de-AT") == ""
    assert why_not_detected("tlh") == "py3langid does not know the language tlh"
    load_detector.cache_clear()
    monkeypatch.setitem(sys.modules, "py3langid.langid", None)
    monkeypatch.setitem(sys.modules, "py3langid", None)
    assert f"({install_command('langid')})" in why_not_detected("de")
    load_detector.cache_clear()
