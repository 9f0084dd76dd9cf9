"""The mechanics of recipes, the same in bash (tools/recipe.sh) and in Python (synthst/recipe.py)."""

import io
import runpy
import shlex
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import pytest

from synthst.errors import ConfigError, DataError
from synthst.recipe import Recipe, call

ROOT = Path(__file__).parents[1]

BASH = f"""#!/usr/bin/env bash
# A small recipe.
#
# Usage: ./run.sh [--stage N]
cd "$(dirname "$0")" || exit 1
# not of the header
options="targets subset teacher workdir"
targets=real subset=10 teacher=own workdir=.
choices_targets="real synth" choices_subset="all NUMBER" choices_teacher="own file:*"
. {ROOT}/tools/recipe.sh
run 1 "first" echo "one $targets $subset $workdir"
run 2 "second" echo two
run 2 "second half" test "$workdir" != broken
uses synth && run 4 "only synth" echo four
run 13 "last" echo "last $started_with"
"""

PYTHON = '''"""A small recipe.

Usage: ./run.py [--stage N]
"""
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from synthst.errors import ConfigError, DataError
from synthst.recipe import Recipe

@dataclass(frozen=True)
class Options:
    targets: Literal["real", "synth"] = "real"
    subset: Literal["all"] | int = 10
    teacher: str = "own"
    workdir: Path = Path(".")
    def __post_init__(self):
        if self.teacher != "own" and not self.teacher.startswith("file:"):
            raise ConfigError(f"--teacher is {self.teacher!r}, wanted is one of: own file:*")

recipe = Recipe(__doc__, Options)

@recipe.stage(13, "last")
def last(options):
    print("last", "./" + " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]))

@recipe.stage(1, "first")
def first(options):
    print("one", options.targets, options.subset, options.workdir)

recipe.stage(2, "second")(lambda options: print("two"))

@recipe.stage(2, "second half")
def second(options):
    if options.workdir == Path("broken"):
        raise DataError("it is broken")

recipe.stage(4, "only synth", when=lambda options: options.targets == "synth")(lambda options: print("four"))
sys.exit(recipe.run())
'''


@pytest.fixture(scope="module", params=["run.sh", "run.py"])
def script(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command that runs the small recipe above, once in bash and once in Python."""
    path = tmp_path_factory.mktemp("recipe") / request.param
    path.write_text(BASH if request.param == "run.sh" else PYTHON, encoding="utf-8")
    return ["bash" if request.param == "run.sh" else sys.executable, str(path)]


class Done(NamedTuple):
    """What a recipe left behind."""

    returncode: int
    stdout: str
    stderr: str


def run(script: list[str], *words: str) -> Done:
    """Run the small recipe, the Python one in this process, where nothing has to be imported again."""
    if script[0] == "bash":
        done = subprocess.run([*script, *words], capture_output=True, text=True, check=False)
        return Done(done.returncode, done.stdout, done.stderr)
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", [script[1], *words])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(script[1], run_name="__main__")
    return Done(int(ended.value.code or 0), out.getvalue(), err.getvalue())


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["--stage", "0"], "--stage is '0', wanted is a number from 1 to 13"),
        (["--stage", "14"], "--stage is '14', wanted is a number from 1 to 13"),
        (["--stop_stage", "x"], "--stop_stage is 'x', wanted is a number from 1 to 13"),
        (["--stop-stage", "-1"], "--stop_stage is '-1', wanted is a number from 1 to 13"),
        (["--stage", "03"], "--stage is '03', wanted is a number from 1 to 13"),
        (["--stage", "5", "--stop-stage", "4"], "--stage 5 comes after --stop_stage 4"),
        (["--stage"], "--stage wants a value"),
        (["--stage", "--targets", "synth"], "--stage wants a value"),
        (["--workdir", ""], "--workdir wants a value"),
        (["--targets", "both"], "--targets is 'both', wanted is one of: real synth"),
        (["--targets", "real synth"], "--targets is 'real synth', wanted is one of: real synth"),
        (["--targets", "re*"], "--targets is 're*', wanted is one of: real synth"),
        (["--subset", "ten"], "--subset is 'ten', wanted is one of: all NUMBER"),
        (["--subset", "-1"], "--subset is '-1', wanted is one of: all NUMBER"),
        (["--teacher", "hf:x"], "--teacher is 'hf:x', wanted is one of: own file:*"),
        (["2"], "'2' is no option; options start with --, see --help"),
        (["-x", "2"], "'-x' is no option; options start with --, see --help"),
        *[
            (
                [word, "2"],
                f"unknown option {word}; known: --stage --stop_stage --targets --subset --teacher --workdir",
            )
            for word in ("--target", "--stage=2", "--", "--targets subset", "--stag*")
        ],
    ],
)
def test_recipe_refuses_wrong_options_before_any_work(
    script: list[str], words: list[str], wanted: str
) -> None:
    done = run(script, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"{Path(script[1]).name}: {wanted}\n"


@pytest.mark.parametrize(
    ("words", "printed"),
    [
        ([], ["one real 10 .", "two", "last"]),
        (["--stage", "2"], ["two", "last"]),
        (["--stage", "2", "--stop_stage", "12"], ["two"]),
        (["--stop-stage", "1"], ["one real 10 ."]),
        (["--stage", "3", "--stop_stage", "3"], []),
        (["--targets", "synth", "--stage", "4", "--stop_stage", "4"], ["four"]),
        (["--subset", "all", "--workdir", "a b", "--stop_stage", "1"], ["one real all a b"]),
        (["--stage", "9", "--stage", "1", "--stop_stage", "1"], ["one real 10 ."]),
    ],
)
def test_recipe_runs_the_stages_that_are_asked_for(
    script: list[str], words: list[str], printed: list[str]
) -> None:
    done = run(script, *words)
    assert done.returncode == 0, done.stderr
    last = f"last ./{' '.join([Path(script[1]).name, *words])}"
    assert done.stdout.splitlines() == [last if line == "last" else line for line in printed]


def test_recipe_announces_stages_and_stops_at_the_first_that_fails(script: list[str]) -> None:
    done = run(script, "--workdir", "broken")
    name = Path(script[1]).name
    assert done.returncode == 1
    assert done.stdout.splitlines() == ["one real 10 broken", "two"]
    *announced, failure = [line for line in done.stderr.splitlines() if "it is broken" not in line]
    assert [line[9:] for line in announced] == ["stage 1: first", "stage 2: second", "stage 2: second half"]
    assert failure == f"{name}: stage 2 (second half) failed; mend the cause and go on with --stage 2"
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["--stage", "3", "--help"]])
def test_recipe_help_prints_the_header(script: list[str], words: list[str]) -> None:
    done = run(script, *words)
    name = Path(script[1]).name
    assert (done.returncode, done.stdout) == (0, f"A small recipe.\n\nUsage: ./{name} [--stage N]\n")


def test_bash_recipe_prints_its_header_from_any_folder(script: list[str], tmp_path: Path) -> None:
    folder, name = Path(script[1]).parent, Path(script[1]).name
    done = subprocess.run(
        [script[0], name, "--help"], cwd=folder, capture_output=True, text=True, check=False
    )
    relative = [script[0], f"{folder.name}/{name}", "--help"]
    other = subprocess.run(relative, cwd=folder.parent, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("A small recipe.") and other.stdout == done.stdout


@dataclass(frozen=True)
class Options:
    """Options of the recipes that run in this process."""

    size: Literal["small", "large"] = "small"


def test_python_recipe_replaces_a_stage_of_the_same_number_and_title() -> None:
    recipe, ran = Recipe("header", Options), list[str]()
    recipe.stage(4, "replace targets")(lambda options: ran.append("old"))
    recipe.stage(4, "filter")(lambda options: ran.append("filter"))
    recipe.stage(4, "replace targets")(lambda options: ran.append(f"new {options.size}"))
    assert recipe.run(["--size", "large"]) == 0
    assert ran == ["new large", "filter"]


def test_python_recipe_shows_where_a_defect_is(capsys: pytest.CaptureFixture[str]) -> None:
    recipe = Recipe("header", Options)
    recipe.stage(3, "divide")(lambda options: 1 // 0)
    assert recipe.run([]) == 1
    told = capsys.readouterr().err
    assert "ZeroDivisionError" in told and "stage 3 (divide) failed" in told


@dataclass(frozen=True)
class Shape:
    """Settings with a rule."""

    width: int = 8
    heads: int = 2

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ConfigError("width is no multiple of heads")


def build(out: Path, *, shape: Shape = Shape(), steps: int = 1, note: str | None = None) -> dict[str, object]:  # noqa: B008
    """Return the arguments."""
    return {"out": out, "shape": shape, "steps": steps, "note": note}


def yaml(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_call_merges_yaml_files_value_by_value(tmp_path: Path) -> None:
    one = yaml(tmp_path, "one.yaml", "shape:\n  width: 12\nsteps: 5\n")
    two = yaml(tmp_path, "two.yaml", "shape:\n  heads: 3\nsteps: 7\n")
    made = call(build, config=[one, two], out=tmp_path, note="by hand")
    assert made == {"out": tmp_path, "shape": Shape(12, 3), "steps": 7, "note": "by hand"}
    assert call(build, out=tmp_path) == {"out": tmp_path, "shape": Shape(), "steps": 1, "note": None}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("shape:\n  widht: 12\n", "widht"),
        ("stesp: 5\n", "stesp"),
        ("steps: five\n", "steps"),
        ("out: /elsewhere\n", "out"),
        ("shape:\n  heads: 3\n", "no multiple"),
        ("shape: [\n", "wrong.yaml"),
    ],
)
def test_call_refuses_what_the_function_does_not_take(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        call(build, config=[yaml(tmp_path, "wrong.yaml", text)], out=tmp_path)


def test_call_names_the_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="none.yaml"):
        call(build, config=[tmp_path / "none.yaml"], out=tmp_path)


def test_call_lets_the_functions_own_errors_through(tmp_path: Path) -> None:
    def fail(out: Path) -> None:
        raise DataError("no data")

    with pytest.raises(DataError, match="no data"):
        call(fail, out=tmp_path)


@pytest.mark.parametrize("word", ["--dry_run", "--dry-run", "-n"])
def test_bash_recipe_prints_its_commands_and_runs_none(script: list[str], word: str) -> None:
    if script[0] != "bash":
        pytest.skip("a recipe in Python has functions, no commands")
    done = run(script, "--workdir", "a b", word, "--stop_stage", "12")
    assert (done.returncode, done.stderr) == (0, "")
    commands = [["1", "echo", "one real 10 a b"], ["2", "echo", "two"], ["2", "test", "a b", "!=", "broken"]]
    assert [shlex.split(line) for line in done.stdout.splitlines()] == commands
