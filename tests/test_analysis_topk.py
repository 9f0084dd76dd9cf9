"""Figure 3: what is sampled and scored, once; the numbers that are drawn."""

import csv
from math import nan
from pathlib import Path
from statistics import mean, stdev

import pytest
from toy_speech import make_speech_task, speak_all, write_dump
from toy_task import make_sentences, make_task, write_pairs

from synthst.analysis import topk as module
from synthst.analysis.topk import draw_scores, make_rows, summarise, topk
from synthst.datadir import text_path
from synthst.errors import ConfigError
from synthst.espnet.load import load_model
from synthst.espnet.options import SearchOptions
from synthst.espnet.speech_train import train_speech_translator
from synthst.espnet.train import train_model
from synthst.espnet.translate import translate_sentences
from synthst.score import read_metrics
from synthst.tables import read_table
from synthst.teacher.protocol import SearchSettings

SENTENCES = make_sentences(8, seed=7)
SEARCH = SearchSettings(max_ratio=1.0, max_extra=3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("topk")
    train_model(out=folder / "model", **make_task(folder), labels={"targets": "real"})
    write_pairs(folder / "test", [(sentence, sentence) for sentence in SENTENCES])
    return folder


def sample(folder: Path, out: Path, ks: list[int], seeds: list[int]) -> None:
    model, data = folder / "model", folder / "test"
    topk([model], data, out, src="en", tgt="de", ks=ks, seeds=seeds, search=SEARCH)


def test_a_point_is_the_mean_over_the_seeds_and_its_bar_their_deviation(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sample(folder, tmp_path / "figure3", [20, 1], [0, 1])
    sampled = folder / "model" / "analysis" / "sampled_test"
    limits = "max_ratio1.0_max_extra3"
    names = sorted(path.name for path in sampled.iterdir())
    assert names == [f"topk1_seed0_{limits}", f"topk20_seed0_{limits}", f"topk20_seed1_{limits}"]
    bleu = {name: read_metrics(sampled / name / "scores.json")[0].score for name in names}
    with (tmp_path / "figure3.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["k"] for row in rows] == ["1", "20"]
    assert (rows[0]["deviation"], rows[0]["seeds"]) == ("", "1")
    assert float(rows[0]["bleu"]) == pytest.approx(bleu[names[0]], rel=1e-5)
    drawn = [bleu[names[1]], bleu[names[2]]]
    assert float(rows[1]["bleu"]) == pytest.approx(mean(drawn), rel=1e-5)
    assert float(rows[1]["deviation"]) == pytest.approx(stdev(drawn), rel=1e-5)
    assert capsys.readouterr().out.startswith("real: BLEU k=1 ")


def test_the_translations_are_those_of_the_search(folder: Path, tmp_path: Path) -> None:
    sample(folder, tmp_path / "figure", [5], [3])
    options = SearchOptions(top_k=5, seed=3, min_length=1, max_ratio=1.0, max_extra=3)
    wanted = translate_sentences(load_model(folder / "model"), SENTENCES, options)
    out = folder / "model/analysis/sampled_test/topk5_seed3_max_ratio1.0_max_extra3"
    found = read_table(text_path(out, "de"), allow_empty=True)
    assert [text for _, text in found] == [best[0].text for best in wanted]


def test_what_was_sampled_is_not_sampled_again(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample(folder, tmp_path / "one", [1, 2], [0, 1])
    monkeypatch.setattr(module, "_load", lambda *_: pytest.fail("a model was loaded"))
    sample(folder, tmp_path / "two", [1, 2], [0, 1])
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()


@pytest.mark.parametrize(("ks", "seeds"), [([], [0]), ([1], []), ([0, 1], [0]), ([1, 1], [0]), ([1], [0, 0])])
def test_choices_that_are_no_figure_are_refused(
    folder: Path, tmp_path: Path, ks: list[int], seeds: list[int]
) -> None:
    with pytest.raises(ConfigError, match="give one or more of both"):
        sample(folder, tmp_path / "figure", ks, seeds)


def test_a_k_above_the_vocabulary_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="top_k: at most the vocabulary"):
        sample(folder, tmp_path / "figure", [9_999], [0])


def test_a_single_score_has_no_deviation() -> None:
    assert summarise([2.0]) == [2.0, None, 2.0, 2.0, 1]
    assert summarise([1.0, 3.0]) == [2.0, pytest.approx(2**0.5), 1.0, 3.0, 2]


def test_every_k_is_named_on_the_axis() -> None:
    figure = draw_scores({"real": {1: [5.0], 2: [4.0, 3.0], 50: [1.0, 1.0]}, "synth": {1: [6.0]}})
    axes, below = figure.axes
    assert [label.get_text() for label in below.get_xticklabels()] == ["1", "2", "50"]
    assert axes.get_ylim()[0] == below.get_ylim()[0] == 0
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["real", "synth"]


def test_the_lower_panel_shows_how_far_each_model_falls_from_its_first_k() -> None:
    scores = {"real": {1: [0.5], 2: [0.4, 0.3]}, "teacher": {1: [10.0], 2: [9.0, 9.0]}, "mute": {1: [0.0]}}
    _, below = draw_scores(scores).axes
    heights = [list(line.get_ydata()) for line in below.get_lines() if line.get_linestyle() != "None"]
    assert heights[0] == pytest.approx([100, 70])
    assert heights[1] == pytest.approx([100, 90])
    assert heights[2] == pytest.approx([nan], nan_ok=True)
    assert below.get_ylabel() == "BLEU, percent of that at k = 1"
    assert [row[-1] for row in make_rows("real", scores["real"])] == pytest.approx([100, 70])
    assert make_rows("mute", scores["mute"])[0][-1] is None


def test_speech_is_sampled_from_its_audio(tmp_path: Path) -> None:
    train_speech_translator(out=tmp_path / "model", **make_speech_task(tmp_path))
    write_pairs(tmp_path / "test", [(sentence, sentence) for sentence in SENTENCES])
    audio = write_dump(tmp_path / "dump_test", speak_all(SENTENCES))
    topk(
        [tmp_path / "model"], tmp_path / "test", tmp_path / "figure",
        src="en", tgt="de", audio=audio, ks=[1, 5], seeds=[0], search=SEARCH,
    )  # fmt: skip
    for name in ("topk1_seed0_max_ratio1.0_max_extra3", "topk5_seed0_max_ratio1.0_max_extra3"):
        table = text_path(tmp_path / "model/analysis/sampled_test" / name, "de")
        assert [key for key, _ in read_table(table, allow_empty=True)] == sorted(speak_all(SENTENCES))
