"""The house rules that a machine can check: sizes, the pinned environment, executable scripts."""

import ast
import inspect
import os
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from jsonargparse import ArgumentParser

from synthst.commands import choose_subset
from synthst.corpora.asr import prepare_asr
from synthst.corpora.bitext import prepare_bitext
from synthst.corpora.clips import prepare_commonvoice, prepare_covost
from synthst.corpora.descriptions import prepare_descriptions
from synthst.corpora.handbook import prepare_handbook
from synthst.corpora.iwslt import prepare_iwslt
from synthst.corpora.libreoffice import prepare_libreoffice
from synthst.corpora.mustc import prepare_mustc
from synthst.corpora.spoken import prepare_spoken_libreoffice, speak_datadir
from synthst.corpora.tedlium import prepare_tedlium
from synthst.corpora.wesnoth import prepare_wesnoth
from synthst.dump import dump_audio
from synthst.espnet.bleu_curve import DevBleuConfig
from synthst.espnet.speech_config import InitConfig, SpeechModelConfig, SpeechTrainingConfig
from synthst.espnet.switch import SwitchConfig
from synthst.targets.replace import replace_targets
from synthst.teacher_commands import decode, make_teacher
from synthst.tokens import train_tokenizers

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "synthst").rglob("*.py"))
RECIPES = sorted(ROOT.glob("egs/*/*/run.sh"))
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def count_lines(path: Path) -> int:
    return len(path.read_bytes().splitlines())


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_source_file_has_at_most_300_lines_and_says_what_it_does(path: Path) -> None:
    assert count_lines(path) <= 300
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring and len(docstring.split("\n")[0]) <= 110


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_function_has_at_most_40_lines(path: Path) -> None:
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    lengths = {node.name: (node.end_lineno or 0) - node.lineno + 1 for node in functions}
    assert not {name: length for name, length in lengths.items() if length > 40}


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_public_names_have_docstrings(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    named = [node for node in tree.body if isinstance(node, Definition) and node.name[0] != "_"]
    assert not [node.name for node in named if not ast.get_docstring(node)]


def test_there_is_a_recipe() -> None:
    assert RECIPES


@pytest.mark.parametrize("path", RECIPES, ids=name_of)
def test_a_recipe_has_at_most_60_lines(path: Path) -> None:
    assert count_lines(path) <= 60


@pytest.mark.parametrize(
    "path", [*RECIPES, *(ROOT / place for place in ("tools/setup.sh", ".ci/run"))], ids=name_of
)
def test_scripts_that_are_run_are_executable(path: Path) -> None:
    assert os.access(path, os.X_OK)
    assert path.read_text(encoding="utf-8").startswith("#!/usr/bin/env bash\n")


@pytest.mark.parametrize("path", sorted(ROOT.glob("tools/*.sh")) + RECIPES, ids=name_of)
def test_scripts_stop_at_the_first_error(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "set -euo pipefail" in text or "tools/recipe.sh" in text


def test_the_lock_file_pins_every_package_and_names_no_address() -> None:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").split("\n")
    pinned = [line for line in lines if line and not line.lstrip().startswith("#")]
    assert len(pinned) > 50
    assert not [line for line in lines if re.search(r"://|--(extra-)?index|--find-links|@ ", line)]
    unpinned = [line for line in pinned if not re.match(r"[A-Za-z0-9._-]+(\[[^]]*\])?==[^ ]+", line)]
    assert not unpinned


def test_the_lock_file_holds_what_the_package_requires() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8").lower().replace("_", "-")
    pinned = set(re.findall(r"^([a-z0-9.-]+)(?:\[[^]]*\])?==", lock, flags=re.MULTILINE))
    setup = (ROOT / "setup.py").read_text(encoding="utf-8")
    required = ast.literal_eval(re.search(r"install_requires=(\[.*?\n    \])", setup, re.DOTALL)[1])
    names = {re.match(r"[A-Za-z0-9._-]+", requirement)[0].lower() for requirement in required}
    assert names <= pinned


def test_types_are_checked_strictly() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert settings["tool"]["mypy"]["strict"] and settings["tool"]["mypy"]["packages"] == ["synthst"]


def train_speech(
    model: SpeechModelConfig = SpeechModelConfig(),  # noqa: B008 (frozen)
    training: SpeechTrainingConfig = SpeechTrainingConfig(),  # noqa: B008
    init: InitConfig = InitConfig(),  # noqa: B008
    dev_bleu: DevBleuConfig = DevBleuConfig(),  # noqa: B008
) -> None:
    """Stand for the two trainings of speech, whose module takes seconds to import."""


def train_text(
    switch_at: int | str | None = None,
    switch: SwitchConfig = SwitchConfig(),  # noqa: B008
    dev_bleu: DevBleuConfig = DevBleuConfig(),  # noqa: B008
) -> None:
    """Stand for the training on text, whose module takes seconds to import."""


SETTINGS_OF = {  # recipe and file, or file -> the function whose options it fills
    **dict.fromkeys(("corpora", "corpora_de", "corpora_es", "corpora_fr"), prepare_bitext),
    **dict.fromkeys(("mustc", "st_ted", "europarl_st"), prepare_mustc),
    **dict.fromkeys(("librispeech", "voxpopuli"), prepare_asr),
    "iwslt": prepare_iwslt,
    "covost": prepare_covost,
    "commonvoice": prepare_commonvoice,
    "tedlium": prepare_tedlium,
    "prepare": prepare_libreoffice,
    "subset": choose_subset,
    "mustc_subset": choose_subset,
    "tokenizers": train_tokenizers,
    "tokenizers_asr": train_tokenizers,
    "tokenizers_pair": train_tokenizers,
    "teacher": make_teacher,
    "indomain": make_teacher,
    "mt1/student": make_teacher,
    "libreoffice/speak": prepare_spoken_libreoffice,
    "steel_sky/speak": speak_datadir,
    "wesnoth": prepare_wesnoth,
    "audio": dump_audio,
    "recogniser": train_speech,
    "st1/student": train_speech,
    "student_2x2": make_teacher,
    "student_6x6": make_teacher,
    "student_24x6": make_teacher,
    "conformer_17x6": train_speech,
    "conformer_6x3": train_speech,
    "decode_beam4": decode,
    "libreoffice": prepare_libreoffice,
    "descriptions": prepare_descriptions,
    "handbook": prepare_handbook,
    "finetune": make_teacher,
    "figure2": train_text,
    "switch": train_text,
    "targets_mbr": replace_targets,
    "targets_mild": replace_targets,
    "targets_strict": replace_targets,
    "mt": make_teacher,
    "mt_6x3": make_teacher,
    "mt_17x6": make_teacher,
    "decode_st_beam4": decode,
}
NO_COMMANDS = (
    "filters_",
    "llm_",
    "slurm_",
    "licences",
    "rates",
)  # settings that are tried where they are read
SETTINGS = [
    *ROOT.glob("egs/*/*/conf/*/*.yaml"),
    *(path for path in ROOT.glob("conf/*.yaml") if not path.name.startswith(NO_COMMANDS)),
]


@pytest.mark.parametrize("path", sorted(SETTINGS), ids=name_of)
def test_settings_are_accepted(path: Path) -> None:
    keys = {path.stem, *(f"{part}/{path.stem}" for part in path.parts)} & set(SETTINGS_OF)
    (function,) = (SETTINGS_OF[key] for key in keys)
    parameters = inspect.signature(function).parameters.values()
    wanted = {parameter.name for parameter in parameters if parameter.default is parameter.empty}
    parser = ArgumentParser(exit_on_error=False)
    parser.add_function_arguments(function, skip=wanted)
    given = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert set(given) <= set(vars(parser.parse_path(path)))
