"""Every recipe prints the plan of its stages before it runs anything."""

import subprocess
from pathlib import Path

import pytest
from warm_start import warm_environment

pytestmark = pytest.mark.recipe

ROOT = Path(__file__).parents[2]
RECIPES = sorted(ROOT.glob("egs/*/*/run.sh"))


@pytest.mark.parametrize("script", RECIPES, ids=lambda path: str(path.parent.relative_to(ROOT)))
def test_a_recipe_prints_its_plan_and_runs_nothing(script: Path, tmp_path: Path) -> None:
    def run(*words: str) -> list[str]:
        command = [script, "--preset", "mini", "--workdir", str(tmp_path / "work"), *words]
        done = subprocess.run(command, env=warm_environment(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.rstrip("\n").split("\n")

    commands, plan = run("--dry_run"), run("--dry_run", "true")
    assert plan[0].split() == ["stage", "command", "rows", "size", "hours", "GPU", "hours", "writes"]
    assert [line.split()[0] for line in plan[1 : plan.index("")]] == [line.split()[0] for line in commands]
    assert any(line.startswith("to do: ") for line in plan) and "These are estimates" in plan[-1]
    assert any(line.split()[:2] == ["8", "train"] or line.split()[1] == "train_speech" for line in plan[1:-3])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("script", RECIPES, ids=lambda path: str(path.parent.relative_to(ROOT)))
def test_a_recipe_passes_the_licence_of_its_student_on_to_the_pack(script: Path, tmp_path: Path) -> None:
    def last(*words: str) -> str:
        command = [script, "--workdir", str(tmp_path), "--stage", "13", "--dry_run", *words]
        done = subprocess.run(command, env=warm_environment(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.rstrip("\n").split("\n")[-1]

    assert last("--licence", "CC-BY-4.0") == f"{last()} --licence CC-BY-4.0"


def test_a_plan_of_wrong_options_is_refused(tmp_path: Path) -> None:
    command = [RECIPES[0], "--dry_run", "true", "--stage", "0"]
    done = subprocess.run(command, env=warm_environment(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "") and "--stage is '0'" in done.stderr


def test_with_a_general_teacher_tokenisers_see_no_sentence_of_any_domains_test_set(tmp_path: Path) -> None:
    def train_tokenizers(teacher: str) -> list[str]:
        words = ["--teacher", teacher, "--preset", "mini", "--workdir", str(tmp_path), "--dry_run"]
        command = [ROOT / "egs/libreoffice/mt1/run.sh", *words]
        done = subprocess.run(command, env=warm_environment(), capture_output=True, text=True, check=True)
        lines = [line.split() for line in done.stdout.splitlines()]
        return [line[line.index("--data") + 1] for line in lines if "train_tokenizers" in line]

    data = tmp_path / "data/en-de-mini"
    assert train_tokenizers("own") == [f"{data}/corpus/train"]
    assert train_tokenizers("general") == [f"{data}/general", f"{data}/apart"]
