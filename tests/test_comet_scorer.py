"""tools/comet_scorer.py with a package in COMET's place: the script has the Python of another environment."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "tools" / "comet_scorer.py"
COMET = """
import os
from types import SimpleNamespace

print("something that a library prints")

def download_model(name):
    return f"/cache/{name}"

def load_from_checkpoint(path):
    return Model(path)

class Model:
    def __init__(self, path):
        self.path = path

    def requires_references(self):
        return "comet-da" in self.path

    def predict(self, samples, batch_size, gpus, progress_bar):
        os.write(1, f"{self.path}: {len(samples)} by {batch_size} on {gpus}\\n".encode())
        return SimpleNamespace(scores=[len(one["src"]) - len(one["mt"]) / 10 for one in samples])
"""


@pytest.fixture
def comet(tmp_path: Path) -> Path:
    (tmp_path / "comet.py").write_text(COMET, encoding="utf-8")
    return tmp_path


def run(folder: Path, lines: str, *options: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-S", str(SCRIPT), *options]  # -S: no site-packages
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run(command, input=lines.encode(), env=environment, capture_output=True, check=False)


def test_each_pair_gets_a_number_and_nothing_else_is_on_standard_output(comet: Path) -> None:
    found = run(comet, "abc\tde\n\u2028\t\nä\tb\n", "--model", "kiwi", "--gpus", "1", "--pairs_at_once", "2")
    assert found.stdout == b"2.800000\n1.000000\n0.900000\n"
    told = found.stderr.decode().split("\n")
    assert told == [
        "something that a library prints",
        "/cache/kiwi: 2 by 32 on 1",
        "/cache/kiwi: 1 by 32 on 1",
        "",
    ]


def test_a_checkpoint_is_taken_as_it_is(comet: Path) -> None:
    found = run(comet, "a\tb\n", "--model", str(comet / "comet.py"))
    assert f"{comet}/comet.py: 1 by 32 on 0" in found.stderr.decode()


@pytest.mark.parametrize(
    ("lines", "model", "told"),
    [
        ("a\tb\n", "wmt22-comet-da", "wmt22-comet-da needs references; name a model of quality estimation"),
        ("a\tb\na b\n", "kiwi", "line 2 has 1 columns; write source, tab, translation"),
    ],
)
def test_what_cannot_be_judged_is_an_error(comet: Path, lines: str, model: str, told: str) -> None:
    found = run(comet, lines, "--model", model)
    assert (found.returncode, found.stdout) == (1, b"")
    assert told in found.stderr.decode()


def test_without_comet_the_script_says_what_to_do(tmp_path: Path) -> None:
    found = run(tmp_path, "a\tb\n", "--model", "kiwi")
    assert found.returncode == 1
    assert "run this by the Python of an environment that has it" in found.stderr.decode()
