"""The command line: quick help, exit codes, settings from files."""

import importlib
import inspect
import logging
import subprocess
import sys
from pathlib import Path

import pytest
from fake_teacher import write_data

from synthst import commands, teacher_commands
from synthst.cli import COMMANDS, complete_flags, main
from synthst.errors import ConfigError, DataError
from synthst.espnet.config import ModelConfig


def run(*arguments: str) -> int | str | None:
    """Run a command and return its exit code, as a shell would see it."""
    try:
        return main(arguments)
    except SystemExit as stop:
        return stop.code


def test_help_answers_without_heavy_imports() -> None:
    script = (
        "import sys; from synthst.cli import main; code = main(['--help'])\n"
        "heavy = {'torch', 'espnet2', 'duckdb', 'pyarrow', 'jsonargparse', 'numpy'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy or code else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert all(f"  {name} " in done.stdout for name in COMMANDS)


def test_every_command_is_a_typed_function() -> None:
    for name, (module, function, line) in COMMANDS.items():
        command = getattr(importlib.import_module(f"synthst.{module}"), function)
        signature = inspect.signature(command)
        annotations = [parameter.annotation for parameter in signature.parameters.values()]
        assert inspect.Parameter.empty not in [*annotations, signature.return_annotation], name
        assert line and line == line.strip()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(name, "--help") == 0
    assert f"usage: synthst {name}" in capsys.readouterr().out


def test_help_shows_the_whole_docstring_and_what_the_settings_mean(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("decode", "--help") == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "--shard I/N is the I-th of N shares, for job arrays." in told
    assert "--data DATA (required, type: path)" in told
    assert run("train_recogniser", "--help") == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "--training.max_steps MAX_STEPS Optimiser steps. (type: int, default: 150000)" in told


def test_help_names_a_positional_argument_without_dashes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("report", "--help") == 0
    told = capsys.readouterr().out
    assert "usage: synthst report" in told and "--folder" not in told and "``" not in told


def test_no_command_prints_the_commands_and_exits_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 2
    assert "usage: synthst COMMAND" in capsys.readouterr().out


def test_an_unknown_command_exits_2_and_lists_the_known(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("trian") == 2
    error = capsys.readouterr().err
    assert "unknown command 'trian'" in error and "  train " in error


@pytest.mark.parametrize(
    "arguments",
    [
        ["decode", "--nonsense", "1"],
        ["decode"],
        ["train", "--model.width", "wide"],
        ["subset", "--config", "no_such_file.yaml"],
        ["train", "--training.bfloat16", "perhaps"],
    ],
)
def test_wrong_options_exit_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*arguments) == 2
    assert "error:" in capsys.readouterr().err


def test_check_prints_a_summary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_data(tmp_path / "data", ["one two", "three"])
    assert run("check", str(tmp_path / "data")) == 0
    assert "text.en: 2 rows, words 1/1.5/2" in capsys.readouterr().out


def test_an_error_in_the_data_exits_1_without_a_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("check", str(tmp_path / "nowhere")) == 1
    error = capsys.readouterr().err
    assert error.startswith("synthst check: ") and "nowhere is not a directory" in error
    assert "Traceback" not in error


@pytest.mark.parametrize(("error", "code"), [(DataError, 1), (ConfigError, 2), (KeyboardInterrupt, 130)])
def test_exit_codes(monkeypatch: pytest.MonkeyPatch, error: type[BaseException], code: int) -> None:
    def fail(data: Path) -> None:
        raise error("told")

    monkeypatch.setattr(commands, "check", fail)
    assert run("check", "data") == code


def test_an_impossible_setting_exits_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--teacher", "file:x", "--data", str(tmp_path), "--out", str(tmp_path / "o"), "--src", "en"]
    assert run("decode", *options, "--search.beam", "0") == 2
    assert "beam 0" in capsys.readouterr().err


def keep_arguments(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """Replace `synthst subset`; return where its arguments will be."""
    kept: dict[str, object] = {}

    def keep(data: Path, *, size: str = "all", model: ModelConfig = ModelConfig()) -> None:  # noqa: B008
        kept.update(data=data, size=size, model=model)

    monkeypatch.setattr(commands, "choose_subset", keep)
    return kept


def test_a_file_fills_the_options_and_options_override_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = keep_arguments(monkeypatch)
    one, other = tmp_path / "one.yaml", tmp_path / "other.yaml"
    one.write_text("size: '5'\nmodel:\n  width: 64\n  heads: 2\n", encoding="utf-8")
    other.write_text("model:\n  width: 32\n", encoding="utf-8")
    files = ["--config", str(one), "--config", str(other)]
    assert main(["subset", "--data", "data/train", *files, "--size", "7"]) == 0
    assert kept == {"data": Path("data/train"), "size": "7", "model": ModelConfig(width=32, heads=2)}


@pytest.mark.parametrize(("content", "key"), [("sise: '5'\n", "sise"), ("model:\n  widht: 3\n", "widht")])
def test_an_unknown_key_in_a_file_is_refused_by_name(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    content: str,
    key: str,
) -> None:
    kept = keep_arguments(monkeypatch)
    (tmp_path / "file.yaml").write_text(content, encoding="utf-8")
    assert run("subset", "--data", "data/train", "--config", str(tmp_path / "file.yaml")) == 2
    assert key in capsys.readouterr().err
    assert not kept


def test_a_flag_needs_no_value() -> None:
    options = ["--check", "--src", "en", "--check", "false", "--check"]
    wanted = ["--check", "true", "--src", "en", "--check", "false", "--check", "true"]
    assert complete_flags(teacher_commands.decode, options) == wanted
    assert complete_flags(commands.check, ["--check"]) == ["--check"]


def test_logging_is_configured_once() -> None:
    before = len(logging.getLogger().handlers)
    for _ in range(3):
        run("check", "nowhere")
    assert len(logging.getLogger().handlers) == before + 1
