"""What a result says of the code that made it."""

import subprocess
from pathlib import Path

import pytest

from synthst.versions import _commit


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """Make a checkout with a module, settings and results."""
    for name in ("synthst/versions.py", "egs/toy/mt1/conf/mini/student.yaml", "egs/toy/mt1/RESULTS.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1\n", encoding="utf-8")
    user = ("-c", "user.name=a", "-c", "user.email=a@b")
    for words in (("init", "-q"), ("add", "."), (*user, "commit", "-qm", "Begin")):
        subprocess.run(["git", "-C", tmp_path, *words], check=True)
    return tmp_path / "synthst/versions.py"


def test_the_commit_is_marked_when_code_or_settings_changed(module: Path, tmp_path: Path) -> None:
    plain = _commit(module)
    assert len(plain) == 10
    (tmp_path / "egs/toy/mt1/RESULTS.md").write_text("2\n", encoding="utf-8")
    assert _commit(module) == plain
    (tmp_path / "egs/toy/mt1/conf/mini/student.yaml").write_text("2\n", encoding="utf-8")
    assert _commit(module) == f"{plain} with changes"


def test_outside_a_checkout_there_is_no_commit(tmp_path: Path) -> None:
    (tmp_path / "versions.py").touch()
    assert _commit(tmp_path / "versions.py") == "-"
