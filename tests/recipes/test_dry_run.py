"""Every recipe prints the plan of its stages before it runs anything."""

import shlex
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


def list_commands(recipe: str, *words: str) -> list[list[str]]:
    """Return the words of a recipe's commands."""
    command = [ROOT / "egs" / recipe / "run.sh", *words, "--dry_run"]
    done = subprocess.run(command, env=warm_environment(), capture_output=True, text=True, check=True)
    return [shlex.split(line) for line in done.stdout.splitlines()]


def option(command: list[str], name: str) -> str:
    return command[command.index(name) + 1]


@pytest.mark.parametrize(
    ("recipe", "words", "size", "teacher"),
    [
        ("wmt21_en_de/mt1", [], "all", "hf:facebook/wmt19-en-de"),
        ("wmt21_en_de/mt1", ["--preset", "mini"], "4000", "own"),
        ("wmt21_en_de/mt1", ["--preset", "mini", "--subset", "all", "--teacher", "hf:a"], "all", "hf:a"),
        ("wmt21_en_ru/mt1", ["--preset", "mini"], "4000", "own"),
        ("wmt20_multi/mt1", ["--preset", "mini"], "4000", "own"),
    ],
)
def test_the_preset_mini_has_small_defaults(recipe: str, words: list[str], size: str, teacher: str) -> None:
    commands = list_commands(recipe, *words)
    assert {option(one, "--size") for one in commands if one[2] == "subset"} == {size}
    assert {option(one, "--teacher") for one in commands if one[2] == "teacher"} == {teacher}


@pytest.mark.parametrize("preset", ["mini", "full"])
def test_must_c_takes_the_general_texts_of_the_same_preset(preset: str) -> None:
    commands = list_commands("must_c_v2/mt1", "--preset", preset)
    corpus = f"../../wmt21_en_de/mt1/data/en-de-{preset}/corpus"
    general = [one for one in commands if one[2] == "filter" and option(one, "--out").endswith("/wmt")]
    assert [option(one, "--data") for one in general] == [f"{corpus}/train"]
    assert any(
        one[2] == "subset" and option(one, "--size") == "4000" for one in commands if "--size" in one
    ) == (preset == "mini")


def test_a_corpus_is_named_by_its_folder_with_or_without_a_slash(tmp_path: Path) -> None:
    for name in ("train", "dev", "test"):
        (tmp_path / "mine" / name).mkdir(parents=True)
        for lang in ("en", "de"):
            (tmp_path / "mine" / name / f"text.{lang}").touch()
    mine = str(tmp_path / "mine")
    plain, slashes = (list_commands("libreoffice/mt1", "--corpus", f"{mine}{end}") for end in ("", "//"))
    assert option(plain[0], "--out").startswith("./data/mine-en-de-full/")
    assert [one for one in plain if one[2] != "results"] == [one for one in slashes if one[2] != "results"]
    assert [option(one, "--title") for one in slashes if one[2] == "results"] == ["mine, en-de, preset full"]


def test_dry_run_may_be_false(tmp_path: Path) -> None:
    command = [
        ROOT / "egs/libreoffice/mt1/run.sh",
        "--dry_run",
        "false",
        "--stage",
        "6",
        "--workdir",
        str(tmp_path),
    ]
    done = subprocess.run(command, env=warm_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "stage 6 (tokens of " in done.stderr.split("run.sh: ")[-1]


@pytest.mark.parametrize("script", RECIPES, ids=lambda path: str(path.parent.relative_to(ROOT)))
def test_the_help_tells_of_both_dry_runs_in_short_lines(script: Path) -> None:
    told = subprocess.run(
        [script, "--help"], env=warm_environment(), capture_output=True, text=True, check=True
    ).stdout
    assert "--dry_run true (the plan; --dry_run alone: the commands)" in told
    assert max(map(len, told.split("\n"))) <= 130


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
