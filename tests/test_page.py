"""What the page over all experiments reads, and what it refuses or tells."""

import json
from pathlib import Path
from shutil import copytree, rmtree

import pytest
from toy_page import SCORES, SYSTEMS, TEXTS, write_experiments, write_grid, write_model

from synthst.analysis import curves, switch, topk
from synthst.errors import ConfigError, DataError
from synthst.info import write_info
from synthst.page.clips import Budget
from synthst.page.command import report
from synthst.page.figures import find_figures
from synthst.page.models import find_models
from synthst.page.sentences import choose_pair, collect_sets
from synthst.page.tables import Entropies, Shown, Table, count_significant, find_tables

PLENTY = 1e9


@pytest.fixture
def exp(tmp_path: Path) -> Path:
    return write_experiments(tmp_path)


def learn(model: Path, made_by: dict[str, object]) -> None:
    """Say in train.json from what a model's training set was made."""
    trained = json.loads((model / "train.json").read_text())
    trained["settings"]["tokens"] = {"made_by": {"data_made_by": made_by}}
    (model / "train.json").write_text(json.dumps(trained))


def test_sentences_hold_every_system_with_its_scores_by_id(exp: Path) -> None:
    (found,), notes = collect_sets(find_models(exp), sentences=1000, seed=0, budget=Budget(PLENTY))
    assert (found.title, found.src, found.tgt, found.total, notes) == ("toy, test", "en", "de", 43, [])
    assert (found.names, found.pair) == (["real", "synthetic", "teacher"], (0, 1))
    assert found.teachers == [None, 2, None]
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


def test_the_teacher_is_the_one_that_a_student_learnt_from(exp: Path) -> None:
    toy = exp / "toy"
    copytree(toy / "teacher_own", toy / "teacher_general")
    learn(toy / "mt_synth", {"step": "replace_targets", "store": "exp/toy/teacher_general/beam4"})
    for name, made_by in {
        "a_filtered": {"step": "filter_pairs", "data": "data/unfiltered"},
        "b_pairs": {"step": "combine_pairs", "pairs": {"en-de": "data/unfiltered"}},
        "c_lost": {"step": "filter_pairs", "data": "data/gone"},
        "d_elsewhere": {"step": "replace_targets", "store": "/far/exp/other/teacher_own/beam4"},
        "e_moved": {"step": "expand_targets", "base": "x", "store": "/far/exp/toy/teacher_general/beam4"},
    }.items():
        copytree(toy / "mt_synth", toy / name)
        learn(toy / name, made_by)
    unfiltered = exp.parent / "data" / "unfiltered"
    unfiltered.mkdir()
    write_info(unfiltered, {"step": "replace_targets", "store": "exp/toy/teacher_own/beam4"})
    (found,), _ = collect_sets(find_models(exp), sentences=9, seed=0, budget=Budget(PLENTY))
    folders = [model.directory.name for model in find_models(exp)]
    taught = dict(zip(folders, found.teachers, strict=True))
    assert {name: taught[name] and folders[taught[name] or 0] for name in folders} == {
        "a_filtered": "teacher_own",
        "b_pairs": "teacher_own",
        "c_lost": None,
        "d_elsewhere": None,
        "e_moved": "teacher_general",
        "mt_real": None,
        "mt_synth": "teacher_general",
        "teacher_general": None,
        "teacher_own": None,
    }


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


def test_differences_are_counted_that_are_significant(tmp_path: Path) -> None:
    shared = {"row": "2x2", "system": "synthetic", "bleu": 1.0}
    cells = [("a", 2.0, 0.01), ("b", -1.0, 0.001), ("c", 3.0, 0.2), ("d", 0.1, 0.04), ("e", 5.0, "")]
    scores = [{**shared, "column": name, "delta": delta, "p_value": p} for name, delta, p in cells]
    seeds = [{**scores[0], "column": "f", "seed": seed, "p_value": p} for seed, p in ((1, 0.01), (2, 0.3))]
    write_grid(tmp_path / "tables" / "t.csv", (*scores, *seeds, {**seeds[0], "seed": "all", "p_value": 0.3}))
    (found,) = find_tables(tmp_path)
    assert isinstance(found, Table)
    assert count_significant([found]) == (2, 1, 5)
    assert count_significant([]) == (0, 0, 0)


def test_an_average_of_columns_is_told_to_be_untested(exp: Path) -> None:
    average = {**SCORES[1], "column": "avg", "seed": "all", "p_value": ""}
    rmtree(exp / "tables")
    report(exp)
    assert "not tested" not in (exp / "index.html").read_text(encoding="utf-8")
    write_grid(exp / "tables" / "t.csv", (*SCORES[:2], average))
    (found,) = find_tables(exp)
    assert isinstance(found, Table)
    assert found.averages == ["avg"]
    report(exp)
    html = (exp / "index.html").read_text(encoding="utf-8")
    assert "scores. The column avg is the mean of the others: not tested, so it has no *." in html


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
    assert (figure.name, figure.caption, figure.path) == ("top k", "", "figures/top_k.png")
    assert (figure.heading, figure.rows) == (["model", "k", "bleu"], [["<i>real</i>", "1", "7.5"]])


@pytest.mark.parametrize(
    ("heading", "name", "finding"),
    [
        (curves.HEADER, "Figure 1: training loss", "both are lower with synthetic targets"),
        (switch.HEADER, "Figure 2: targets that change", "falls at once where real follow synthetic"),
        (topk.HEADER, "Figure 3: BLEU in top-k sampling", "falls less with k for models that"),
    ],
)
def test_the_papers_figures_have_its_names_and_findings(
    exp: Path, heading: tuple[str, ...], name: str, finding: str
) -> None:
    (exp / "figures" / "top_k.csv").write_text(f"{','.join(heading)}\n")
    (figure,) = find_figures(exp)
    assert figure.name.startswith(name)
    assert finding in figure.caption


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
