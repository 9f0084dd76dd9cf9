"""The figure on a toy language: four students, two of which change their targets."""

import csv
import json
from pathlib import Path

import pytest
from conftest import Mt1

pytestmark = pytest.mark.recipe

HOW = "half_nothing"
RUNS = ("real", "synth", f"real_then_synth_{HOW}", f"synth_then_real_{HOW}")


@pytest.fixture(scope="module")
def figure(mt1: Mt1) -> Path:
    """Train the four students for 60 steps each, measured after every 10."""
    conf = mt1.folder / "conf"
    (conf / "figure2.yaml").write_text("dev_bleu: {every: 10}\n", encoding="utf-8")
    (conf / "switch.yaml").write_text("switch_at: 30\n", encoding="utf-8")
    mt1.succeed(script="figure2.sh")
    return mt1.exp / "figure2_2x2_120_own_beam4"


def read_points(model: Path) -> list[tuple[str, str, str]]:
    with (model / "dev_bleu.csv").open(encoding="utf-8", newline="") as file:
        return [(row["step"], row["bleu"], row["targets"]) for row in csv.DictReader(file)]


def test_each_student_learns_from_the_targets_that_its_name_says(figure: Path) -> None:
    sets = {"real": "tokens_train_120_real", "synth": "tokens_train_120_synth_own_beam4"}
    for run in RUNS:
        names = run.removesuffix(f"_{HOW}").split("_")
        found = [targets for _, _, targets in read_points(figure / run)]
        assert found == [sets[names[0]]] * 3 + [sets[names[-1]]] * 3


def test_students_are_equal_up_to_the_switch(figure: Path) -> None:
    for constant, switched in zip(RUNS[:2], RUNS[2:], strict=True):
        assert read_points(figure / constant)[:3] == read_points(figure / switched)[:3]
        train = [json.loads((figure / run / "train.json").read_text()) for run in (constant, switched)]
        assert [one.get("switched_after_step") for one in train] == [None, 30]
        assert train[0]["steps"] == train[1]["steps"] == 60


def test_the_figure_shows_all_four(figure: Path) -> None:
    with (figure / f"figure2_{HOW}.csv").open(encoding="utf-8", newline="") as file:
        labels = [row["label"] for row in csv.DictReader(file)]
    names = [run.removesuffix(f"_{HOW}").replace("_", " ").replace("synth", "synthetic") for run in RUNS]
    assert labels == [name for name in names for _ in range(6)]
    assert (figure / f"figure2_{HOW}.png").exists() and (figure / f"figure2_{HOW}.svg").exists()


def test_a_second_run_trains_nothing(mt1: Mt1, figure: Path) -> None:
    before = {run: (figure / run / "model.pth").stat().st_mtime_ns for run in RUNS}
    told = mt1.succeed("--stage", "8", script="figure2.sh")
    assert told.count("is there already") == 4
    assert {run: (figure / run / "model.pth").stat().st_mtime_ns for run in RUNS} == before


@pytest.mark.parametrize("script", ["figure2.sh", "figures.sh"])
def test_a_dry_run_runs_nothing(tmp_path: Path, script: str) -> None:
    recipe = Mt1(tmp_path)
    done = recipe.run("--dry_run", "--conf", "conf/mini", script=script)
    assert done.returncode == 0 and "\n8 synthst train " in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("script", ["figure2.sh", "figures.sh"])
def test_every_training_of_the_figures_is_on_as_many_nodes_as_are_asked_for(
    tmp_path: Path, script: str
) -> None:
    options = ("--dry_run", "--conf", "conf/mini", "--ngpu", "2", "--num_nodes", "3")
    done = Mt1(tmp_path).run(*options, script=script)
    trainings = [line for line in done.stdout.splitlines() if line.startswith(("2 synthst teacher ", "8 "))]
    assert len(trainings) >= 3 and all("--num_nodes 3 " in f"{line} " for line in trainings)
