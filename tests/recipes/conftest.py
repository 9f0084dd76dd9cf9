"""One run of each recipe on a toy language, shared by the tests."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from toy import make_packages, write_settings
from warm_start import warm_environment

RECIPE = Path(__file__).parents[2] / "egs/libreoffice/mt1"
SPEECH_RECIPE = RECIPE.with_name("st1")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Mt1:
    """A recipe with everything it makes in a folder of its own; mt1's subset is of 120 sentences."""

    folder: Path
    recipe: Path = RECIPE
    choice: dict[str, str] = field(default_factory=lambda: {"subset": "120"})

    @property
    def work(self) -> Path:
        """Where data, exp and RESULTS.md go."""
        return self.folder / "work"

    @property
    def data(self) -> Path:
        """Where data directories are."""
        return self.work / "data/en-de-mini"

    @property
    def exp(self) -> Path:
        """Where teachers and students are."""
        return self.work / "exp/en-de-mini"

    def command(self, *words: str, script: str = "run.sh") -> list[str]:
        """Return the recipe's command, with the toy's data and settings."""
        path = str(self.recipe / script)
        start = [path] if script.endswith(".sh") else [sys.executable, path]
        options = {"preset": "mini", "workdir": self.work, "conf": self.folder / "conf", **self.choice}
        options["deb_dir"] = self.folder / "debs"
        return [
            *start,
            *(word for name, value in options.items() for word in (f"--{name}", str(value))),
            *words,
        ]

    def run(self, *words: str, script: str = "run.sh") -> subprocess.CompletedProcess[str]:
        """Run the recipe to its end, whatever that is."""
        command = self.command(*words, script=script)
        pipe = subprocess.PIPE
        with subprocess.Popen(
            command, env=warm_environment(), stdout=pipe, stderr=pipe, text=True, start_new_session=True
        ) as process:
            try:
                told = process.communicate()
            except BaseException:  # a test's time is over: its stages shall not go on
                os.killpg(process.pid, signal.SIGKILL)
                raise
        return subprocess.CompletedProcess(command, process.returncode, *told)

    def succeed(self, *words: str, script: str = "run.sh") -> str:
        """Run the recipe, which must succeed; return what it told on stderr."""
        done = self.run(*words, script=script)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stderr

    def kill_when(self, is_time: Callable[[], bool], *words: str, patience_s: float = 300) -> None:
        """Run the recipe and kill it with all its processes as soon as ``is_time`` says so."""
        command = self.command(*words)
        with subprocess.Popen(
            command,
            env=ENVIRONMENT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            end = time.monotonic() + patience_s
            while process.poll() is None and not is_time() and time.monotonic() < end:
                time.sleep(0.002)
            was_running, came = process.poll() is None, is_time()
            os.killpg(process.pid, signal.SIGKILL)
        assert came and was_running, "the moment to kill did not come"


@pytest.fixture(scope="session")
def mt1(tmp_path_factory: pytest.TempPathFactory) -> Mt1:
    """The recipe after stage 1 only."""
    recipe = Mt1(tmp_path_factory.mktemp("mt1"))
    make_packages(recipe.folder / "debs")
    write_settings(recipe.folder / "conf")
    recipe.succeed("--stop_stage", "1")
    return recipe


@pytest.fixture(scope="session")
def trained(mt1: Mt1) -> Mt1:
    """The recipe after full runs for real, synth and synth_mono.

    Before the last one, the references that synth_mono may not see become bytes that no table may hold.
    """
    mt1.succeed("--targets", "real")
    mt1.succeed("--targets", "synth")
    (mt1.data / "rest_120/text.de").write_bytes(b"\xff poisoned\n")
    mt1.succeed("--targets", "synth_mono")
    return mt1


def measured_sentences(student: Path, test_set: str = "test") -> int:
    """Return of how many sentences stage 12 measured the entropy, along both kinds of prefixes."""
    found = json.loads((student / f"analysis/entropy_{test_set}/entropy.json").read_text(encoding="utf-8"))
    assert all(found[column]["entropy"] > 0 for column in ("reference", "own"))
    return int(found["sentences"])
