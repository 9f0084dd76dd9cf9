"""Decoding by Slurm's jobs, which a made-up sbatch runs at once on this machine."""

import os
import signal
import stat
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import dask
import pytest
import yaml
from fake_teacher import FakeTeacher, write_data

from synthst.cluster import Cluster, SlurmOptions, read_slurm_options, slurm_arguments
from synthst.errors import ConfigError
from synthst.teacher.cluster import TeacherCluster
from synthst.teacher.decode import decode_corpus
from synthst.teacher.protocol import Hypothesis

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[2]


def parts_of(store: Path) -> list[str]:
    return sorted(path.name for path in store.glob("part-*"))


def test_the_example_for_slurm_is_accepted_and_names_every_option() -> None:
    path = ROOT / "conf" / "slurm_example.yaml"
    read_slurm_options(path)
    assert set(yaml.safe_load(path.read_text(encoding="utf-8"))) == set(SlurmOptions.__dataclass_fields__)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("cors: 4", "did you mean cores"),
        ("jobs: 0", "give 1 or more"),
        ("- 1", "no mapping"),
        ("a: [", "no YAML"),
    ],
)
def test_a_wrong_file_for_slurm_is_refused(tmp_path: Path, content: str, told: str) -> None:
    path = tmp_path / "slurm.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=told):
        TeacherCluster(Cluster(f"slurm:{path}"), FakeTeacher)


def test_a_file_for_slurm_that_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="none.yaml"):
        TeacherCluster(Cluster(f"slurm:{tmp_path}/none.yaml"), FakeTeacher)


def test_what_is_asked_of_slurm() -> None:
    options = SlurmOptions(cores=8, queue="gpu", directives=("--gres=gpu:1",), prologue=("module load cuda",))
    asked = slurm_arguments(options)
    assert (asked["job_cpu"], asked["cores"], asked["processes"], asked["queue"]) == (8, 1, 1, "gpu")
    assert asked["job_extra_directives"] == ["--gres=gpu:1"]
    assert asked["job_script_prologue"] == ["export OMP_NUM_THREADS=8", "module load cuda"]


SBATCH = """#!/bin/sh
grep '^#SBATCH' "$1" >> {folder}/asked
cp "$1" {folder}/job.sh
setsid bash {folder}/job.sh > {folder}/job.log 2>&1 &
echo $! >> {folder}/jobs
echo "Submitted batch job $!"
"""
SCANCEL = "#!/bin/sh\nkill -9 -- -$1\n"


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put an sbatch in the PATH that runs jobs at once, in the background."""
    folder = tmp_path / "slurm"
    folder.mkdir()
    for name, script in (("sbatch", SBATCH.format(folder=folder)), ("scancel", SCANCEL)):
        (folder / name).write_text(script, encoding="utf-8")
        (folder / name).chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{ROOT / 'tests'}:{ROOT / 'tests/system'}")
    return folder


class FirstJobDies(FakeTeacher):
    """Kill the job of its worker, as Slurm does at the end of the walltime; but the first one only."""

    def __init__(self, trace: Path) -> None:
        super().__init__()
        self._trace = trace

    def translate(self, sources: Sequence[str]) -> list[list[Hypothesis]]:
        """Translate a part."""
        if not self._trace.exists():
            self._trace.touch()
            os.killpg(os.getpgid(0), signal.SIGKILL)
        return super().translate(sources)


def test_slurm_jobs_give_the_serial_store_and_are_replaced_when_they_end(
    tmp_path: Path, slurm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_data(tmp_path / "data", [f"sentence {number}" for number in range(60)])
    serial = decode_corpus(FakeTeacher(), data, tmp_path / "serial", src="en", part_sentences=3)
    monkeypatch.setattr("synthst.teacher.spread.LOOK_SECONDS", 0.5)
    conf = {
        "jobs": 1,
        "cores": 2,
        "walltime": "00:10:00",
        "queue": "short",
        "log_directory": str(slurm / "logs"),
    }
    (tmp_path / "slurm.yaml").write_text(yaml.safe_dump(conf), encoding="utf-8")
    cluster = TeacherCluster(Cluster(f"slurm:{tmp_path}/slurm.yaml"), partial(FirstJobDies, slurm / "trace"))
    with dask.config.set({"distributed.deploy.lost-worker-timeout": "100ms"}):
        decode_corpus(FakeTeacher(), data, tmp_path / "store", src="en", part_sentences=3, cluster=cluster)
    assert parts_of(tmp_path / "store") == parts_of(serial)
    assert len((slurm / "jobs").read_text(encoding="utf-8").split()) == 2
    asked = (slurm / "asked").read_text(encoding="utf-8")
    assert "-p short" in asked and "--cpus-per-task=2" in asked and "-t 00:10:00" in asked
