"""benchmarks/gpu.sh: what it runs and leaves out, and what it says on machines that lack something."""

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
CONF = ROOT / "egs/libreoffice/mt1/conf"
PARTS = ["train.py --task mt", "train.py --task st", "run.sh real", "run.sh synth"]
STEPS = {"max_steps", "warmup_steps", "validate_every"}

RUN_SH = """#!/usr/bin/env bash
echo "$@" >>"{calls}.words"
targets=$(grep -oE -- '--targets [a-z]+' <<<"$*")
echo "run.sh ${{targets#--targets }}" >>"{calls}"
[[ ! -e "{folder}/slow" ]] || {{ echo $$ >"{folder}/slow"; sleep 60; }}
[[ "$targets" != *synth || ! -e "{folder}/broken" ]] || {{ echo "out of memory"; exit 3; }}
mkdir -p "{folder}/exp/gpu/recipe"
echo "table with ${{targets}}" >>"{folder}/exp/gpu/recipe/RESULTS.md"
"""
PYTHON = """#!/usr/bin/env bash
echo "train.py $2 $3" >>"{calls}"
"""
PYTHON_OF_THE_MACHINE = """#!/usr/bin/env bash
echo "$@" >>"{calls}"
if [[ "$2" == venv ]]; then
    mkdir -p .venv/bin && cp "$0" .venv/bin/python
elif [[ "$1" == -c ]]; then
    echo "{folder}"
elif [[ "$*" == *--editable* ]]; then
    cp "$0" .venv/bin/synthst
elif [[ "$1" == tools/check_install.py && -e "{folder}/broken" ]]; then
    echo "broken: duckdb"; exit 1
fi
"""


TIMEOUT = """#!/usr/bin/env bash
echo "$3" >>"{folder}/seconds"
shift 3
"$@"
"""


def write_script(path: Path, text: str, folder: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.format(folder=folder, calls=folder / "calls"), encoding="utf-8")
    path.chmod(0o755)


def start(folder: Path, *words: str, **variables: str) -> subprocess.Popen[str]:
    """Run the copy in ``folder`` where there is no Python on the PATH."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHON", "WHEELS")}
    programs = ["bash", "cat", "cp", "date", "dirname", "env", "grep", "ln", "mkdir", "rm", "sleep", "tail"]
    for name in (*programs, "timeout"):
        (folder / "programs").mkdir(exist_ok=True)
        found = shutil.which(name)
        if found and not (folder / "programs" / name).exists():
            (folder / "programs" / name).symlink_to(found)
    environment |= {"PATH": str(folder / "programs"), **variables}
    return subprocess.Popen(
        [str(folder / "benchmarks/gpu.sh"), *words],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def run(folder: Path, *words: str, **variables: str) -> tuple[int, str, str]:
    process = start(folder, *words, **variables)
    said, complained = process.communicate(timeout=60)
    return process.returncode, said, complained


def calls(folder: Path) -> list[str]:
    path = folder / "calls"
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A fresh clone, on a machine where nothing can be downloaded."""
    (tmp_path / "benchmarks").mkdir()
    shutil.copy(ROOT / "benchmarks/gpu.sh", tmp_path / "benchmarks")
    write_script(tmp_path / "egs/libreoffice/mt1/run.sh", RUN_SH, tmp_path)
    write_script(tmp_path / "tools/setup.sh", "#!/bin/sh\necho no network\nexit 1\n", tmp_path)
    return tmp_path


@pytest.fixture
def clone(bare: Path) -> Path:
    """A clone with an environment."""
    for name in ("python", "synthst"):
        write_script(bare / ".venv/bin" / name, PYTHON, bare)
    return bare


def test_without_an_environment_and_a_network_it_fails_and_says_what_to_do(bare: Path) -> None:
    status, _, complaint = run(bare)
    assert status == 1
    assert "no network" in complaint and "WHEELS=DIR" in complaint
    assert not calls(bare)


def test_with_wheels_the_environment_is_made_of_them_and_the_machines_packages(bare: Path) -> None:
    write_script(bare / "machine/python3", PYTHON_OF_THE_MACHINE, bare)
    (bare / "wheels").mkdir()
    (bare / "wheels/one-1.0-py3-none-any.whl").touch()
    status, _, _ = run(bare, MINUTES="0", WHEELS="wheels", PYTHON=str(bare / "machine/python3"))
    assert status == 1  # no time for the rest
    assert (bare / ".venv/bin/synthst").exists()
    assert (bare / "machine.pth").read_text() == f"import site; site.addsitedir('{bare}')\n"
    venv, wheels, editable, check = [call for call in calls(bare) if not call.startswith("-c")]
    assert "--system-site-packages" in venv
    assert "--no-index --no-deps wheels/one-1.0-py3-none-any.whl" in wheels
    assert "--no-index --no-deps --no-build-isolation --editable ." in editable
    assert check == "tools/check_install.py"


def test_the_parts_have_the_minutes_that_the_head_says_and_together_no_more_than_all(clone: Path) -> None:
    text = (ROOT / "benchmarks/gpu.sh").read_text(encoding="utf-8")
    head = re.findall(r"^#   (\w+(?:, \w+)*) +(\d+) ", text, re.MULTILINE)
    told = {name: int(minutes) for names, minutes in head for name in names.split(", ")}
    write_script(clone / "programs/timeout", TIMEOUT, clone)
    run(clone)
    given = [round(int(seconds) / 60) for seconds in (clone / "seconds").read_text().split()]
    assert told == dict(zip(["speed_mt", "speed_st", "recipe_real", "recipe_synth"], given, strict=True))
    assert sum(given) <= 25


def test_the_command_that_fetches_wheels_leaves_out_what_comes_with_torch_only() -> None:
    head = (ROOT / "benchmarks/gpu.sh").read_text(encoding="utf-8")
    pattern = re.search(r"grep -Ev '(.+)' requirements.lock", head)[1]
    pinned = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    kept = {line.split("==")[0] for line in pinned if not re.match(pattern, line)}
    assert kept >= {"torch-complex", "espnet", "duckdb", "antlr4-python3-runtime"}
    assert not kept & {"torch", "torchaudio", "triton", "nvidia-cublas", "cuda-toolkit"}


def test_an_environment_that_lacks_something_is_made_again_next_time(bare: Path) -> None:
    write_script(bare / "machine/python3", PYTHON_OF_THE_MACHINE, bare)
    (bare / "wheels").mkdir()
    (bare / "broken").touch()
    variables = {"WHEELS": "wheels", "PYTHON": str(bare / "machine/python3"), "MINUTES": "0"}
    status, _, complaint = run(bare, **variables)
    assert status == 1 and "broken: duckdb" in complaint
    (bare / "broken").unlink()
    _, said, _ = run(bare, **variables)
    assert "speed_mt: no time left" in said


def test_all_parts_are_run_once_references_first(clone: Path) -> None:
    status, said, _ = run(clone)
    assert status == 0
    assert calls(clone) == PARTS
    assert "table with --targets synth" in said
    assert run(clone)[0] == 0
    assert calls(clone) == PARTS


def test_the_recipe_ends_before_the_export_and_has_its_own_settings(clone: Path) -> None:
    run(clone, "exp/gpu", "--seed", "7")
    words = (clone / "calls.words").read_text(encoding="utf-8").splitlines()
    for line in words:
        assert "--conf conf/gpu" in line and "--stop_stage 12" in line and line.endswith("--seed 7")
        assert f"--workdir {clone}/exp/gpu/recipe " in line


def test_other_options_are_other_work(clone: Path) -> None:
    run(clone)
    run(clone, "exp/gpu", "--seed", "7")
    assert calls(clone) == [*PARTS, *PARTS[2:]]


def test_packages_that_lie_in_the_recipes_folder_are_found(clone: Path) -> None:
    run(clone)
    package = clone / "egs/libreoffice/mt1/downloads/libreoffice-help-de_7_all.deb"
    package.touch()
    assert (clone / "exp/gpu/recipe/downloads" / package.name).exists()


def test_what_failed_is_named_and_run_again(clone: Path) -> None:
    (clone / "broken").touch()
    status, said, complaint = run(clone)
    assert status == 1
    assert "out of memory" in said and "not finished: recipe_synth;" in complaint
    (clone / "broken").unlink()
    assert run(clone)[0] == 0
    assert calls(clone) == [*PARTS, PARTS[-1]]


def test_without_time_nothing_is_begun_and_nothing_counts_as_done(clone: Path) -> None:
    status, _, complaint = run(clone, MINUTES="0")
    assert status == 1
    assert "not finished: speed_mt speed_st recipe_real recipe_synth;" in complaint
    assert not calls(clone)


def test_ended_from_outside_it_ends_its_part_and_leaves_a_summary(clone: Path) -> None:
    (clone / "slow").touch()
    process = start(clone)
    while not (number := (clone / "slow").read_text(encoding="utf-8")).endswith("\n"):
        assert process.poll() is None
        time.sleep(0.05)
    (clone / "exp/gpu/recipe/RESULTS.md").write_text("all that is known\n", encoding="utf-8")
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode != 0
    assert "all that is known" in (clone / "exp/gpu/summary.txt").read_text(encoding="utf-8")
    for _ in range(100):
        if not Path(f"/proc/{number.strip()}").exists():
            return
        time.sleep(0.05)
    pytest.fail("the recipe goes on")


@pytest.mark.parametrize("name", ["prepare", "student", "subset", "teacher", "tokenizers"])
def test_the_settings_are_those_of_the_full_preset_but_for_the_steps(name: str) -> None:
    full, ours = (
        yaml.safe_load((CONF / preset / f"{name}.yaml").read_text(encoding="utf-8"))
        for preset in ("full", "gpu")
    )
    for settings in (full, ours):
        for key in STEPS & settings.get("training", {}).keys():
            del settings["training"][key]
    assert ours == full
