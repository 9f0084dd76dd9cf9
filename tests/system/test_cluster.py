import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import ClassVar

import pytest
from dask_cluster import DeadlyTeacher, WorkersTeacher, dask_processes, wait_for
from distributed import LocalCluster
from fake_teacher import FakeTeacher, write_data
from toy_experiment import make_recipe, read_calls

from synthst.cluster import Cluster
from synthst.errors import ConfigError, DataError
from synthst.experiments.command import table
from synthst.lookup import check_store
from synthst.store import read_manifest
from synthst.teacher.budget import BudgetError
from synthst.teacher.cluster import TeacherCluster
from synthst.teacher.decode import decode_corpus
from synthst.teacher.protocol import Hypothesis, Teacher
from synthst.teacher.spread import Job, translate_on_worker

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """Run two workers as threads of this process."""
    started = LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, protocol="tcp://", dashboard_address="127.0.0.1:0"
    )
    with started as cluster:
        yield cluster.scheduler_address


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_data(tmp_path / "data", [f"sentence {number}" for number in range(60)])


def parts_of(store: Path) -> list[str]:
    return sorted(path.name for path in store.glob("part-*"))


def decode_serially(data: Path) -> list[str]:
    return parts_of(decode_corpus(FakeTeacher(), data, data / "serial", src="en", part_sentences=3))


def decode_on(cluster: TeacherCluster, data: Path, out: Path, teacher: Teacher | None = None) -> Path:
    return decode_corpus(teacher or FakeTeacher(), data, out, src="en", part_sentences=3, cluster=cluster)


def test_workers_that_die_and_come_change_nothing_in_the_store(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synthst.teacher.spread.LOOK_SECONDS", 0.2)
    monkeypatch.setattr("synthst.teacher.spread.ARRIVAL_SECONDS", 1.0)
    traces = tmp_path / "traces"
    traces.mkdir()
    with (  # the processes end first, or the thread might wait for them for ever
        ThreadPoolExecutor(1) as pool,
        dask_processes(tmp_path, ["other1", "other2", "victim"]) as processes,
    ):
        cluster = TeacherCluster(Cluster(processes.address), partial(WorkersTeacher, traces, seconds=0.05))
        decoding = pool.submit(decode_on, cluster, data, tmp_path / "store")
        wait_for(traces / "victim-2")
        processes.workers["victim"].kill()
        processes.add("newcomer")
        decoding.result(timeout=200)
    assert (traces / "newcomer-1").exists()
    assert parts_of(tmp_path / "store") == decode_serially(data)
    assert read_manifest(tmp_path / "store") == read_manifest(data / "serial")


def test_a_part_that_costs_several_workers_their_lives_is_named(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data", ["one", "three"])
    told = "a part of 2 sentences, the longest of 5 characters, has cost several workers' lives"
    with (
        dask_processes(tmp_path, ["other1", "other2", "other3"]) as processes,
        pytest.raises(DataError, match=told),
    ):
        decode_on(TeacherCluster(Cluster(processes.address), DeadlyTeacher), data, tmp_path / "store")


def test_a_scheduler_that_goes_away_leaves_a_store_to_go_on_with(tmp_path: Path, data: Path) -> None:
    traces = tmp_path / "traces"
    traces.mkdir()
    with (
        ThreadPoolExecutor(1) as pool,
        dask_processes(tmp_path, ["victim"]) as processes,
    ):
        cluster = TeacherCluster(Cluster(processes.address), partial(WorkersTeacher, traces, seconds=0.05))
        decoding = pool.submit(decode_on, cluster, data, tmp_path / "store")
        wait_for(traces / "victim-2")
        while not parts_of(tmp_path / "store"):
            assert not decoding.done()
            time.sleep(0.01)
        processes.scheduler.kill()
        with pytest.raises(DataError, match="run again to go on"):
            decoding.result(timeout=200)
    assert len(parts_of(tmp_path / "store")) == 1
    decode_corpus(FakeTeacher(), data, tmp_path / "store", src="en", part_sentences=3)
    assert parts_of(tmp_path / "store") == decode_serially(data)


class PickyTeacher(FakeTeacher):
    """Refuse one sentence, or have a budget that is used up there."""

    def __init__(self, *, budget: bool = False) -> None:
        super().__init__()
        self._budget = budget

    def translate(self, sources: Sequence[str]) -> list[list[Hypothesis]]:
        """Translate a part, or what comes before the sentence."""
        if "sentence 7" not in sources:
            return super().translate(sources)
        before = list(sources[: sources.index("sentence 7")])
        if self._budget:
            raise BudgetError(
                "the tokens are used up", list(zip(before, super().translate(before), strict=True))
            )
        raise DataError("the teacher cannot say 7")


@pytest.mark.parametrize("on_cluster", [True, False])
@pytest.mark.parametrize("budget", [True, False])
def test_an_error_of_a_teacher_is_passed_on_after_what_is_done_is_stored(
    tmp_path: Path, data: Path, scheduler: str, budget: bool, on_cluster: bool
) -> None:
    teacher = PickyTeacher(budget=budget)
    cluster = TeacherCluster(Cluster(scheduler), partial(PickyTeacher, budget=budget)) if on_cluster else None
    told, error = ("the tokens are used up", BudgetError) if budget else ("cannot say 7", DataError)
    with pytest.raises(error, match=told):
        decode_corpus(teacher, data, tmp_path / "store", src="en", part_sentences=3, cluster=cluster)
    again = FakeTeacher()
    before = check_store(tmp_path / "store", data / "text.en").found
    decode_corpus(again, data, tmp_path / "store", src="en", part_sentences=3)
    assert len(again.asked) == 60 - before < 60
    assert check_store(tmp_path / "store", data / "text.en").missing == 0


def test_a_worker_with_another_teacher_is_refused(tmp_path: Path, data: Path, scheduler: str) -> None:
    told = '"name": "stale".* there, .*"name": "fake".* here; give all machines the same files'
    with pytest.raises(DataError, match=told):
        decode_on(
            TeacherCluster(Cluster(scheduler), partial(FakeTeacher, name="stale")), data, tmp_path / "store"
        )
    assert parts_of(tmp_path / "store") == []


def test_relative_names_begin_where_the_decoding_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").touch()
    job = Job.make(lambda: FakeTeacher(str(Path("model").exists()).join), FakeTeacher().identity)
    monkeypatch.chdir("/")  # a worker's
    assert translate_on_worker(job, ["ab"])[0][0].text == "aTrueb"


class CountedTeacher(FakeTeacher):
    """Remember all teachers of the kind."""

    loaded: ClassVar[list["CountedTeacher"]] = []

    def __init__(self) -> None:
        super().__init__()
        self.loaded.append(self)


def test_a_worker_loads_its_teacher_once(tmp_path: Path, data: Path, scheduler: str) -> None:
    decode_on(TeacherCluster(Cluster(scheduler), CountedTeacher), data, tmp_path / "store")
    (teacher,) = CountedTeacher.loaded  # the workers are threads of one process here
    assert len(teacher.asked) == 60


def test_nothing_is_started_when_nothing_is_missing(tmp_path: Path, data: Path) -> None:
    decode_corpus(FakeTeacher(), data, tmp_path / "store", src="en")
    cluster = TeacherCluster(Cluster("tcp://127.0.0.1:1"), FakeTeacher)
    decode_corpus(FakeTeacher(), data, tmp_path / "store", src="en", cluster=cluster)


def test_a_scheduler_that_does_not_answer_is_named(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synthst.cluster.CONNECT_SECONDS", 0.2)
    with pytest.raises(ConfigError, match="no Dask scheduler answers at tcp://127.0.0.1:1 "):
        decode_on(TeacherCluster(Cluster("tcp://127.0.0.1:1"), FakeTeacher), data, tmp_path / "store")


def test_local_workers_give_the_serial_store(tmp_path: Path, data: Path) -> None:
    decode_on(TeacherCluster(Cluster("local:2"), FakeTeacher), data, tmp_path / "store")
    assert parts_of(tmp_path / "store") == decode_serially(data)


@pytest.mark.parametrize(
    "address",
    ["", "local:0", "local:x", "locally", "slurm:", "tcp://host", "tcp://:80", "http://host:80", "2"],
)
def test_an_address_that_cannot_be_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match="give local, local:N, slurm, slurm:FILE.yaml or tcp://HOST:PORT"):
        TeacherCluster(Cluster(address), FakeTeacher)


@pytest.mark.parametrize(("address", "library"), [("local", "distributed"), ("slurm", "dask_jobqueue")])
def test_a_library_that_is_not_installed_is_named_with_its_extra(
    address: str, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ConfigError, match=rf"needs {library}, .*\[cluster\]"):
        TeacherCluster(Cluster(address), FakeTeacher)


def test_the_runs_of_a_table_go_to_workers(tmp_path: Path) -> None:
    experiment = make_recipe(tmp_path)
    table(experiment, cluster="local:2", jobs=2)
    trained = {call for call in read_calls(tmp_path) if call.startswith("train ")}
    assert len(trained) == 4
    table(experiment, cluster="tcp://127.0.0.1:1", jobs=0)  # nothing to run, so no scheduler is asked for
    with pytest.raises(ConfigError, match="--gpus are this machine's"):
        table(experiment, cluster="local:2", gpus=[0])
