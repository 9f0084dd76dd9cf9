"""Experiments: reading them, the cells they name, and the tables they become."""

import csv
import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from toy_experiment import EXPERIMENTS, ROOT, TABLE, make_recipe, write_experiment

from synthst.errors import ConfigError
from synthst.experiments.cells import Cell, Place, list_cells
from synthst.experiments.definition import Experiment, read_experiment
from synthst.experiments.grid import explain_grid, make_grid, show_mean
from synthst.experiments.plan import Run
from synthst.experiments.runner import Failure, share_machine
from synthst.experiments.scores import CellScore, Mean, agree, average, average_columns, sum_up
from synthst.experiments.write import (
    aligned,
    escape_latex,
    latex_table,
    markdown_table,
    strip_number,
    write_csv,
    write_table,
)
from synthst.report import ResultRow


@pytest.fixture
def toy(tmp_path: Path) -> Experiment:
    """The toy table."""
    return read_experiment(make_recipe(tmp_path))


def places(experiment: Experiment, preset: str = "mini", **options: str) -> list[Cell]:
    return list_cells(experiment, preset=preset, seeds=[None], options=options, workdir=".")


def test_cells_are_rows_by_columns_by_systems_with_their_options(toy: Experiment) -> None:
    cells = places(toy, ngpu="1")
    assert [str(cell.place) for cell in cells] == [
        *("small, 10 %, real", "small, 10 %, synthetic", "large, 10 %, real", "large, 10 %, synthetic")
    ]
    assert cells[1].words == [
        *("--preset", "mini", "--workdir", ".", "--student", "2x2", "--subset", "10", "--targets", "synth"),
        *("--ngpu", "1"),
    ]
    assert cells[1].test_set == "test"


def test_a_preset_has_its_own_entries(toy: Experiment) -> None:
    full = places(toy, preset="full")
    assert [cell.place.column for cell in full[::2]] == ["10 %", "30 %", "10 %", "30 %"]
    assert "100" in full[0].words and "10" not in full[0].words
    with pytest.raises(ConfigError, match="toy has no columns at --preset huge"):
        places(toy, preset="huge")


def test_seeds_multiply_the_cells(toy: Experiment) -> None:
    cells = list_cells(toy, preset="mini", seeds=[1, 2], options={}, workdir=".")
    assert [cell.place.seed for cell in cells] == [1, 2] * 4
    assert cells[1].words[-2:] == ["--seed", "2"] and str(cells[1].place) == "small, 10 %, real, seed 2"


def test_options_of_the_whole_table_may_be_overridden_but_not_those_of_a_cell(toy: Experiment) -> None:
    shared = replace(toy, options={"decode": "beam4"})
    assert "beam8" in places(shared, decode="beam8")[0].words
    with pytest.raises(ConfigError, match="'small' and '--options' both set student of a cell"):
        places(toy, student="6x6")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("title: A toy", "title: A toy\naverage: 10 %", "average is '10 %', which is a column's name"),
        ("title: A toy\n", "", "the file lacks title"),
        ("title: A toy", "title: [A]", r"title is \['A'\], wanted is a text or a number"),
        ("recipe: ../run.sh", "recipe: ../walk.sh", "walk.sh is no run.sh"),
        ("rows:", "rwos:", "the file has an unknown key 'rwos'; did you mean rows?"),
        ("{name: large, ", "{nmae: large, ", r"rows\[1\] has an unknown key 'nmae'; did you mean name?"),
        ("name: large", "name: small", "rows has 'small' twice for one preset"),
        ("presets: [mini]", "presets: mini", r"columns\[0\].presets is 'mini', wanted is a list"),
        ("presets: [full], paper: 0.5M", "paper: 0.5M", "columns has '10 %' twice for one preset"),
        ("{subset: 10}", "{seed: 10}", r"columns\[0\].options may not set seed"),
        ("{subset: 10}", "{subset: yes}", r"columns\[0\].options.subset is True, wanted is a text"),
        ("{subset: 10}", "all", r"columns\[0\].options is 'all', wanted are options of run.sh"),
        ("  small: {", "  smal: {", "paper has an unknown key 'smal'; did you mean small?"),
        (
            "[17.6, 20.9]",
            "[17.6]",
            r"paper.small.10 % is \[17.6\], wanted .* one for each of real, synthetic",
        ),
        ("[17.6, 20.9]", "[17.6, high]", "wanted is a list of scores"),
        ("rows:", "rows: [\nx:", "is no YAML file that can be read"),
    ],
)
def test_a_wrong_experiment_is_refused_with_the_place(tmp_path: Path, old: str, new: str, told: str) -> None:
    make_recipe(tmp_path)
    assert TABLE.count(old) == 1
    path = write_experiment(tmp_path, TABLE.replace(old, new))
    with pytest.raises(ConfigError, match=told) as refused:
        read_experiment(path)
    assert str(path) in str(refused.value)


def test_an_experiment_that_is_not_there_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"table9.yaml is not there; name an experiment's YAML file"):
        read_experiment(tmp_path / "table9.yaml")


def test_two_test_sets_for_a_cell_are_refused(tmp_path: Path) -> None:
    make_recipe(tmp_path)
    text = TABLE.replace("student: 6x6}", "student: 6x6}, test_set: a").replace(
        "subset: 10}", "subset: 10}, test_set: b"
    )
    with pytest.raises(ConfigError, match="a cell has the test sets a and b"):
        places(read_experiment(write_experiment(tmp_path, text)))


def score(
    system: str, bleu: float | None, delta: float | None = None, p_value: float | None = None, **more: object
):  # type: ignore[no-untyped-def]
    """Make the score of one seed of small, 10 %."""
    cell = Cell(Place("small", "10 %", system, more.get("seed")), (("student", "2x2"),), "test")  # type: ignore[arg-type]
    run = Run((cell,), (), Path("exp/a"), (), Path("data"), "de")
    row = ResultRow(Path("exp/a"), system, "2x2", "test", bleu=bleu, chrf2=50.0, steps=60)
    failure = more.get("failure")
    return CellScore(cell, run, None if bleu is None else row, delta, p_value, failure)  # type: ignore[arg-type]


def small(toy: Experiment) -> Experiment:
    return replace(toy, rows=toy.rows[:1])


def test_grid_has_ours_above_the_papers(toy: Experiment) -> None:
    grid = make_grid(small(toy), "mini", sum_up([score("real", 0.78), score("synthetic", 4.21, 3.43, 0.001)]))
    assert grid == [
        ["real / synthetic", "", "10 % (paper: 0.5M)"],
        ["small", "ours", "0.8 / 4.2 (+3.4*)"],
        ["", "paper, 2x2", "17.6 / 20.9 (+3.3)"],
    ]


@pytest.mark.parametrize(
    ("synthetic", "shown"),
    [
        (score("synthetic", 0.5, -0.28, 0.2), "0.8 / 0.5 (-0.3)"),
        (score("synthetic", 0.5, -0.28, 0.05), "0.8 / 0.5 (-0.3)"),
        (score("synthetic", 0.5, -0.28, 0.049), "0.8 / 0.5 (-0.3*)"),
        (score("synthetic", None), "0.8 / -"),
        (score("synthetic", None, failure=Failure(8, Path("a.log"))), "0.8 / failed"),
        (score("synthetic", 4.21), "0.8 / 4.2"),
    ],
)
def test_grid_marks_what_is_significant_and_shows_what_failed(
    toy: Experiment, synthetic: CellScore, shown: str
) -> None:
    assert make_grid(small(toy), "mini", sum_up([score("real", 0.78), synthetic]))[1][2] == shown


def test_means_and_deviations_are_of_the_seeds() -> None:
    assert average([1.0, 2.0, 4.5]) == Mean(2.5, pytest.approx(1.8027756))  # sqrt((2.25 + 0.25 + 4) / 2)
    assert average([3.0]) == Mean(3.0, None)
    assert average([3.0, None]) is None and average([None]) is None
    assert show_mean(Mean(2.5, 1.803)) == "2.5 ± 1.8" and show_mean(None) == "-"


@pytest.mark.parametrize(
    ("deltas", "p_values", "p_value"),
    [
        ([1.0, 2.0], [0.01, 0.2], 0.2),
        ([1.0, -2.0], [0.01, 0.01], 1.0),
        ([-1.0, -2.0], [0.01, 0.02], 0.02),
        ([1.0, None], [0.01, None], None),
        ([None], [None], None),
    ],
)
def test_a_difference_is_significant_when_it_is_so_in_every_seed(
    deltas: list[float | None], p_values: list[float | None], p_value: float | None
) -> None:
    assert agree(deltas, p_values) == p_value


def test_a_summary_of_seeds_of_which_one_lacks_has_no_mean() -> None:
    (summary,) = sum_up([score("real", 1.0, seed=1), score("real", None, seed=2)])
    assert (summary.bleu, summary.status) == (None, "missing")


def test_an_average_is_each_seeds_mean_over_the_columns(tmp_path: Path) -> None:
    make_recipe(tmp_path)
    text = f"average: avg{TABLE}".replace("[full]", "[mini, full]").replace(
        "presets: [mini]", "presets: [tiny]"
    )
    toy = small(read_experiment(write_experiment(tmp_path, text)))
    assert [entry.name for entry in toy.at("columns", "mini")] == ["10 %", "30 %"]
    scores = {("real", 1): (10.0, 20.0), ("real", 2): (12.0, 24.0)}  # means 15 and 18
    made = []
    for (system, seed), values in scores.items():
        for column, bleu in zip(("10 %", "30 %"), values, strict=True):
            one = score(system, bleu, seed=seed)
            made.append(replace(one, cell=replace(one.cell, place=one.cell.place._replace(column=column))))
    (average_of_both,) = average_columns(sum_up(made), "avg")
    assert average_of_both.bleu == Mean(16.5, pytest.approx(2.1213203))  # 1.5 * sqrt(2)
    assert (average_of_both.column, average_of_both.delta, average_of_both.status) == (
        "avg",
        None,
        "finished",
    )
    assert toy.paper_scores("small", "avg", "mini") == pytest.approx(
        (20.1, 22.2)
    )  # of 17.6, 22.6 and 20.9, 23.5
    rows = list(csv.DictReader(io.StringIO(write_csv(toy, "mini", [average_of_both]))))
    assert [(row["column"], row["seed"], row["bleu"], row["paper"]) for row in rows] == [
        ("avg", "all", "16.5", "20.1")
    ]


def test_the_words_below_the_grid_say_what_was_tested(toy: Experiment) -> None:
    one, many = (
        [score(s, 1.0, seed=seed) for s in ("real", "synthetic") for seed in seeds]
        for seeds in ((1,), (1, 2))
    )
    told = explain_grid(toy.systems, sum_up(one))
    assert "BLEU of real / synthetic. In brackets the difference to real" in told
    assert "One training seed" in told and "avg" not in told
    assert "Mean ± standard deviation over seeds 1, 2" in explain_grid(toy.systems, sum_up(many))
    with_average = [*sum_up(one), *average_columns(sum_up(one), "avg")]
    assert explain_grid(toy.systems, with_average).endswith(
        " The column avg is the mean of the others: not tested, so it has no *."
    )


def test_latex_numbers_the_table_itself(toy: Experiment, tmp_path: Path) -> None:
    assert strip_number("Table 17: one student") == "One student"
    assert strip_number("A title: one Table 1: of mine") == "A title: one Table 1: of mine"
    summaries = sum_up([score("real", 1.0), score("synthetic", 2.0, 1.0, 0.01)])
    titled = replace(small(toy), title="Table 7: a toy")
    write_table(titled, summaries, tmp_path, preset="mini", command="synthst table")
    assert r"\caption{A toy. BLEU of real / synthetic." in (tmp_path / f"{toy.name}.tex").read_text()
    assert (tmp_path / f"{toy.name}.md").read_text().startswith("# Table 7: a toy, preset mini")


def test_markdown_and_terminal_tables() -> None:
    lines = [["a|b", ""], ["0.8 (+1*)", "long"]]
    assert markdown_table(lines) == "| a\\|b |  |\n| --- | --- |\n| 0.8 (+1\\*) | long |\n"
    assert aligned(lines) == "a|b\n0.8 (+1*)  long\n"


def test_latex_sets_every_character() -> None:
    assert escape_latex("10 % & a_b #1 {x} ~^\\ $") == (
        r"10 \% \& a\_b \#1 \{x\} \textasciitilde{}\textasciicircum{}\textbackslash{} \$"
    )
    assert escape_latex("4.2 ± 0.1 (-0.3*) en-de 2-3 p < 1") == (
        r"4.2 $\pm$ 0.1 ($-$0.3$^{*}$) en-de 2-3 p $<$ 1"
    )
    table = latex_table(
        [["real / synth", "", "10 %"], ["2x2", "ours", "1"], ["", "paper", "2"], ["6x6", "ours", "3"]],
        "T & U",
    )
    assert table == "\n".join(
        [
            *(r"% \usepackage{booktabs}", r"\begin{table}", r"\centering", r"\caption{T \& U}"),
            *(r"\begin{tabular}{lll}", r"\toprule", r"real / synth &  & 10 \% \\", r"\midrule"),
            *(r"2x2 & ours & 1 \\", r" & paper & 2 \\", r"\addlinespace", r"6x6 & ours & 3 \\"),
            *(r"\bottomrule", r"\end{tabular}", r"\end{table}", ""),
        ]
    )


def test_csv_has_a_line_for_each_seed_and_one_for_all(toy: Experiment) -> None:
    scores = [score("real", 1.0, seed=1), score("real", 3.0, seed=2), score("synthetic", 5.0, 4.0, 0.01)]
    rows = list(csv.DictReader(io.StringIO(write_csv(toy, "mini", sum_up(scores)))))
    assert [(row["system"], row["seed"], row["bleu"]) for row in rows] == [
        *(("real", "1", "1.0"), ("real", "2", "3.0"), ("real", "all", "2.0"), ("synthetic", "", "5.0"))
    ]
    assert rows[2]["bleu_deviation"] == str(2**0.5) and rows[0]["bleu_deviation"] == ""
    assert [row["paper_delta"] for row in rows] == ["", "", "", "3.3"]


def test_jobs_share_the_cores_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda process: set(range(8)))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert share_machine(None, 2) == {"OMP_NUM_THREADS": "4"}
    assert share_machine(None, 1) == {}
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert share_machine(3, 2) == {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "3"}


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: str(path.relative_to(ROOT)))
@pytest.mark.parametrize("preset", ["mini", "full"])
def test_the_papers_experiments_can_be_read_and_hold_the_papers_numbers(path: Path, preset: str) -> None:
    experiment = read_experiment(path)
    cells = list_cells(experiment, preset=preset, seeds=[1], options={}, workdir=".")
    told = {(cell.place.row, cell.place.column) for cell in cells}
    assert told <= set(experiment.paper) or preset == "mini" and "wmt" in path.parts[-4]
    assert re.match(r"Table \d: ", experiment.title)
    assert path.stem.split("_")[0] == f"table{experiment.title[6]}"
