"""What the page over all experiments reads, and what it refuses or tells."""

import json
from pathlib import Path

import pytest
from toy_page import SCORES, SYSTEMS, TEXTS, write_experiments, write_grid, write_model

from synthst.errors import ConfigError, DataError
from synthst.page.clips import Budget
from synthst.page.command import report
from synthst.page.figures import find_figures
from synthst.page.models import find_models
from synthst.page.sentences import choose_pair, collect_sets, count_wins
from synthst.page.tables import Entropies, Shown, Table, find_tables

PLENTY = 1e9


@pytest.fixture
def exp(tmp_path: Path) -> Path:
    return write_experiments(tmp_path)


def test_sentences_hold_every_system_with_its_scores_by_id(exp: Path) -> None:
    (found,), notes = collect_sets(find_models(exp), sentences=1000, seed=0, budget=Budget(PLENTY))
    assert (found.title, found.src, found.tgt, found.total, notes) == ("toy, test", "en", "de", 43, [])
    assert (found.names, found.pair, found.teacher) == (["real", "synth", "teacher"], (0, 1), 2)
    first = found.sentences[0]
    assert (first.id, first.source, first.reference) == ("u0", *TEXTS["u0"][:2])
    assert [text for text, _ in first.translations] == list(TEXTS["u0"][2:])
    assert first.translations[1][1] == 100  # word for word the reference
    assert found.sentences[2].translations[0] == ("", 0)
    assert first.audio is None


def test_a_sample_is_drawn_of_many_sentences_and_its_seed_decides(exp: Path) -> None:
    ids = []
    for seed in (0, 0, 1):
        (found,), _ = collect_sets(find_models(exp), sentences=5, seed=seed, budget=Budget(PLENTY))
        assert (len(found.sentences), found.total) == (5, 43)
        ids.append([one.id for one in found.sentences])
    assert ids[0] == ids[1] != ids[2]


def test_students_are_paired_with_those_that_differ_in_the_targets_only(exp: Path) -> None:
    labels = {"student": "2x2", "subset": 4000}
    write_model(exp / "toy" / "a_6x6_synth", labels | {"targets": "synth", "student": "6x6"})
    write_model(exp / "toy" / "b_mono", labels | {"targets": "synth_mono"})
    models = find_models(exp)
    names = [model.directory.name for model in models]
    assert [names[n] for n in choose_pair(models)] == ["mt_real", "mt_synth"]
    assert choose_pair(models[:1]) == (0, 0)
    bleu = {model.directory.name: model.decoded[0].row.bleu or 0 for model in models if model.decoded}
    assert count_wins(models) == (int(bleu["mt_synth"] > bleu["mt_real"]), 1)


def test_speech_fills_the_budget_where_translations_differ_most(tmp_path: Path) -> None:
    models = find_models(write_experiments(tmp_path, speech=True))
    budget = Budget(PLENTY)
    (found,), notes = collect_sets(models, sentences=1000, seed=0, budget=budget)
    clips = {one.id: one.audio for one in found.sentences if one.audio}
    assert sorted(clips) == ["u0", "u1", "u2"]
    assert {clip[:23] for clip in clips.values()} == {"data:audio/mpeg;base64,"}
    assert "audio of 40 sentences cannot be read, the first: data/test/lost.wav" in notes[0]
    by_id = {one.id: one for one in found.sentences}
    gaps = {id_: abs(by_id[id_].translations[1][1] - by_id[id_].translations[0][1]) for id_ in clips}
    (found,), _ = collect_sets(models, sentences=1000, seed=0, budget=Budget(len(clips["u0"]) * 1.5))
    assert [one.id for one in found.sentences if one.audio] == [max(gaps, key=lambda id_: gaps[id_])]


def test_texts_that_have_changed_or_gone_are_told_and_left_out(exp: Path) -> None:
    models = exp / "toy"
    (models / "mt_real" / "decode_test" / "text.de").write_bytes(b"u0 Neu.\n")
    (models / "mt_synth" / "decode_test" / "scores.json").unlink()
    (exp.parent / "data" / "test" / "text.de").write_bytes(b"u0 Anderes.\n")
    sets, notes = collect_sets(find_models(exp), sentences=9, seed=0, budget=Budget(PLENTY))
    assert not sets
    told = [note for note in notes if "cut off" not in note]
    assert "is of another text than the one that is there now, score it again" in told[0]
    assert "not scored yet" in told[1]
    assert "texts that it was scored against are not there any more" in told[2]


def test_a_training_that_goes_on_is_left_out(exp: Path) -> None:
    write_model(exp / "toy" / ".mt_6x6.unfinished", {"targets": "synth"})
    assert [model.directory.name for model in find_models(exp)] == list(SYSTEMS)


def test_a_recogniser_shows_its_error_rate_and_no_sentences(exp: Path) -> None:
    write_model(exp / "toy" / "asr_own", {}, task="asr", tgt="en")
    decoded = exp / "toy" / "asr_own" / "decode_test"
    decoded.mkdir()
    (decoded / "text.en").write_bytes(b"u0 click\n")
    (decoded / "wer.json").write_text(json.dumps({"metrics": [{"name": "WER", "score": 67.03}]}))
    models = find_models(exp)
    assert (models[0].role, models[0].decoded[0].error_rate) == ("recogniser", 67.03)
    (found,), notes = collect_sets(models, sentences=9, seed=0, budget=Budget(PLENTY))
    assert (len(found.names), notes) == (3, [])


def test_a_table_is_laid_out_beside_the_papers(exp: Path) -> None:
    (found,) = find_tables(exp)
    assert isinstance(found, Table)
    assert (found.title, found.path) == ("Table 1: a toy, preset mini", "tables/mini/table1.csv")
    assert (found.systems, found.columns, found.seeds) == (["real", "synthetic"], [("10 %", "0.5M")], [])
    (small, _, (cell,)), (large, _, (failed,)) = found.rows
    assert (small, large) == ("2x2", "6x6")
    assert cell.ours == [Shown("10.0"), Shown("12.5", "+2.5*")]
    assert cell.paper == [Shown("17.6"), Shown("20.9", "+3.3")]
    assert (failed.ours, failed.paper) == ([Shown("–"), Shown("failed")], [])


def test_of_several_seeds_the_mean_is_shown(tmp_path: Path) -> None:
    one = SCORES[0]
    mean = {"seed": "all", "bleu": 11.0, "bleu_deviation": 1.41, "delta": 0.5, "delta_deviation": 0.2}
    write_grid(
        tmp_path / "tables" / "t.csv",
        ({**one, "seed": 1}, {**one, "seed": 2}, {**one, **mean, "p_value": 0.2}),
    )
    (found,) = find_tables(tmp_path)
    assert isinstance(found, Table)
    assert found.rows[0][2][0].ours == [Shown("11.0 ± 1.4", "+0.5 ± 0.2")]
    assert found.seeds == ["1", "2"]


def test_entropies_and_figures_are_known_by_their_files(exp: Path) -> None:
    heading = "targets,student,subset,sentences,reference,own,cut_off,paper"
    (exp / "entropy.csv").write_text(f"{heading}\nreal,2x2,all,43,2.41,2.2,0,2.4\n")
    found = find_tables(exp)[0]
    assert isinstance(found, Entropies)
    assert (found.rows[0]["reference"], found.rows[0]["paper"]) == ("2.41", "2.4")
    (figure,) = find_figures(exp)  # other.png has no numbers beside it
    assert (figure.name, figure.path) == ("top k", "figures/top_k.png")
    assert (figure.heading, figure.rows) == (["model", "k", "bleu"], [["<i>real</i>", "1", "7.5"]])


@pytest.mark.parametrize("bleu", ["much", "1,2"])
def test_a_table_that_is_broken_is_named(exp: Path, bleu: str) -> None:
    path = exp / "tables" / "mini" / "table1.csv"
    path.write_text(path.read_text().replace("10.04", bleu))
    with pytest.raises(DataError, match=r"table1\.csv.*make the table again"):
        find_tables(exp)


def test_the_page_is_whole_and_the_same_each_time(exp: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report(exp)
    html = (exp / "index.html").read_text(encoding="utf-8")
    assert "3 models, 1 test sets with sentences, 1 tables, 1 figures" in capsys.readouterr().out
    assert "<script>alert(1)" not in html and "<i>real</i>" not in html
    assert "http:" not in html and "https:" not in html
    report(exp, out=exp / "again.html")
    assert (exp / "again.html").read_text(encoding="utf-8") == html


def test_page_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no trained model is below .*; run stage 8 first"):
        report(tmp_path)
    with pytest.raises(DataError, match="is no folder"):
        report(tmp_path / "exp")
    with pytest.raises(ConfigError, match="--sentences 0"):
        report(tmp_path, sentences=0)
