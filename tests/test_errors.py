"""What an error tells to do can be done."""

import importlib.util
import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest

from synthst import errors
from synthst.errors import install_command

ROOT = Path(__file__).parents[1]


def use_uv(monkeypatch: pytest.MonkeyPatch, place: str | None) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: place)


def test_an_extra_is_installed_from_the_checkout_into_the_environment_that_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use_uv(monkeypatch, "/opt/bin/uv")
    words = shlex.split(install_command("wandb").removeprefix("run "))
    assert words == ["/opt/bin/uv", "pip", "install", "--python", sys.executable, "-e", f"{ROOT}[wandb]"]


def make_checkout(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let synthst be in a folder with blanks in its name."""
    checkout = folder / "my work"
    (checkout / "synthst").mkdir(parents=True)
    (checkout / "setup.py").touch()
    monkeypatch.setattr(errors, "__file__", str(checkout / "synthst/errors.py"))
    return checkout


def test_uv_is_the_one_that_the_setup_made_when_the_path_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = make_checkout(tmp_path, monkeypatch)
    (checkout / ".uv/bin").mkdir(parents=True)
    (checkout / ".uv/bin/uv").touch()
    use_uv(monkeypatch, None)
    words = shlex.split(install_command("ct2").removeprefix("run "))
    assert words[0] == f"{checkout}/.uv/bin/uv" and words[-1] == f"{checkout}[ct2]"


@pytest.mark.parametrize(
    ("has_pip", "begin"), [(True, [sys.executable, "-m", "pip"]), (False, ["uv", "pip"])]
)
def test_pip_is_named_only_where_it_is_there_and_uv_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_pip: bool, begin: list[str]
) -> None:
    make_checkout(tmp_path, monkeypatch)
    use_uv(monkeypatch, None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object() if has_pip else None)
    words = shlex.split(install_command("ct2").removeprefix("run "))
    assert words[: len(begin)] == begin


def test_without_a_checkout_no_command_is_made_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errors, "__file__", str(tmp_path / "site-packages/synthst/errors.py"))
    assert install_command("hf") == "install synthst again with its extra hf"


def test_every_extra_that_an_error_names_is_one_of_the_setup() -> None:
    extras = set(re.findall(r'^        "(\w+)": \[', (ROOT / "setup.py").read_text(encoding="utf-8"), re.M))
    sources = [path.read_text(encoding="utf-8") for path in ROOT.glob("synthst/**/*.py")]
    named = {name for text in sources for name in re.findall(r"install_command\(['\"](\w+)", text)}
    assert {"ct2", "hf", "wandb"} <= named <= extras
