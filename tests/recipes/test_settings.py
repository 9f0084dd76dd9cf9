"""Every settings file that a recipe ships is one that the recipe's commands accept."""

import re
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
from conftest import ENVIRONMENT

from synthst.errors import ConfigError
from synthst.estimate.commands import Command, check_commands, read_commands

pytestmark = pytest.mark.recipe

ROOT = Path(__file__).parents[2]
RECIPES = sorted(ROOT.glob("egs/*/*/run.sh"))
FIGURES = {"libreoffice/mt1": ("figure2.sh", "figures.sh")}
CHOSEN = [("choose", "mbr"), ("choose", "mild"), ("choose", "strict")]
"""Settings files at the top of the repository that no run.sh lists."""


def name_recipe(script: Path) -> str:
    return str(script.parent.relative_to(ROOT / "egs"))


def plan_commands(script: Path, *words: str) -> list[Command]:
    """Return the recipe's commands; their settings files are named as seen from the recipe's folder."""
    command = [script, "--workdir", "work", *words, "--dry_run"]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return read_commands(done.stdout.splitlines())


def read_choices(script: Path) -> dict[str, list[str]]:
    """Return the values that options may have, patterns left out, by option."""
    found = dict(re.findall(r'\bchoices_(\w+)=(?:"([^"]*)"|\S+)', script.read_text(encoding="utf-8")))
    pattern = re.compile(r"\*|NUMBER")
    return {
        name: [one for one in values.split() if not pattern.search(one)] for name, values in found.items()
    }


def list_variants(script: Path) -> list[tuple[str, ...]]:
    """List all targets with each folder of settings, and every other choice by itself where all files are."""
    choices, text = read_choices(script), script.read_text(encoding="utf-8")
    options = text.split('options="')[1].split('"')[0].split()
    subset = ("--subset", "40") if "subset" in options else ()
    targets, presets = choices.pop("targets", []), choices.pop("preset")
    singles = [(f"--{name}", one) for name, values in choices.items() for one in values]
    singles += [(f"--{name}", one) for name, one in CHOSEN if name in options]
    variants, whole = [], {path.name for path in (script.parent / "conf" / presets[0]).iterdir()}
    for folder in list_settings(script):
        conf = ("--preset", folder.name) if folder.name in presets else ("--conf", str(folder))
        variants += [(*conf, *subset, "--targets", one) for one in targets]
        if whole <= {path.name for path in folder.iterdir()}:
            variants += [(*conf, *single) for single in singles]
    return variants


def list_settings(script: Path) -> list[Path]:
    return sorted(path for path in (script.parent / "conf").iterdir() if path.is_dir())


@pytest.mark.parametrize("script", RECIPES, ids=name_recipe)
def test_every_command_accepts_its_settings_and_every_file_is_read(
    script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(script.parent)
    read, checked = set(), set()
    scripts = [script, *(script.with_name(name) for name in FIGURES.get(name_recipe(script), ()))]
    for one in scripts:
        for command in (command for words in list_variants(one) for command in plan_commands(one, *words)):
            files = tuple(file for word, file in pairwise(command.words) if word == "--config")
            kind = (command.name, files, tuple(command.options))
            if kind not in checked:
                check_commands([command])
            checked.add(kind)
            read.update(Path(name).resolve() for name in files)
    shipped = {path.resolve() for folder in list_settings(script) for path in folder.glob("*.yaml")}
    assert shipped and sorted(shipped - read) == []
    assert {name for name, _, _ in checked} >= {"train_tokenizers", "tokens", "results", "pack"}


def test_a_misspelt_setting_is_found_before_anything_runs(tmp_path: Path) -> None:
    script = ROOT / "egs/wmt21_en_ru/mt1/run.sh"
    for path in (script.parent / "conf/mini").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    student = (tmp_path / "student.yaml").read_text(encoding="utf-8")
    (tmp_path / "student.yaml").write_text(student.replace("max_steps", "max_stepss"), encoding="utf-8")
    command = [script, "--preset", "mini", "--conf", str(tmp_path), "--dry_run", "true"]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "stage 8, synthst train with ../../../conf/student_2x2.yaml and" in done.stderr
    assert "does not accept option 'max_stepss'" in done.stderr


def test_an_option_that_a_command_refuses_is_told_with_its_stage() -> None:
    for line, wanted in (
        ("4 synthst replace_target --data a", "unknown command 'replace_target'"),
        ("4 synthst subset --data a --out b --size 3 --rest c --seeed 1", "stage 4, synthst subset, would"),
        ("8 synthst train --training.max_steps few", "max_steps"),
    ):
        with pytest.raises(ConfigError, match=wanted):
            check_commands(read_commands([line]))
    check_commands(read_commands(["10 python local/own.py --seeed 1"]))
