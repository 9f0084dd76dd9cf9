"""Processes of a training: how many, where they meet, and what becomes of the others when one ends."""

import json
import os
import signal
import stat
import time
from pathlib import Path

import pytest
import torch
from processes import start

from synthst.errors import ConfigError, DataError, SynthstError
from synthst.espnet.launch import LAUNCH, Machines, choose_place, join, launch, read_meeting


def add_up(folder: Path, task: str) -> None:
    """Meet the others, and leave the sum of all ranks, counted from 1."""
    torch.distributed.init_process_group("gloo")
    total = torch.tensor(torch.distributed.get_rank() + 1)
    torch.distributed.all_reduce(total)
    (folder / f"{task}{torch.distributed.get_rank()}").write_text(str(int(total)))


def tell_nccl(folder: Path, task: str) -> None:
    names = ("NCCL_BLOCKING_WAIT", "NCCL_DEBUG")
    (folder / os.environ["RANK"]).write_text(" ".join(map(os.environ.__getitem__, names)))


def tell_pid_and_wait(folder: Path, task: str) -> None:
    (folder / f"{os.environ['RANK']}.pid.tmp").write_text(str(os.getpid()))
    os.replace(folder / f"{os.environ['RANK']}.pid.tmp", folder / f"{os.environ['RANK']}.pid")
    time.sleep(900)


def find_fault(folder: Path, task: str) -> None:
    if os.environ["RANK"] == "1":
        raise DataError("data/train lacks row 7; run stage 6 again")
    tell_pid_and_wait(folder, task)


def be_killed(folder: Path, task: str) -> None:
    if os.environ["RANK"] == "1":
        wait_for(folder / "0.pid")
        os.kill(os.getpid(), signal.SIGKILL)
    tell_pid_and_wait(folder, task)


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 600
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not come"
        time.sleep(0.05)


def assert_gone(pid: int) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return
        if state == "Z":
            return
        time.sleep(0.05)
    pytest.fail(f"process {pid} lives on")


# Numbers and places


@pytest.mark.parametrize(
    ("machines", "per_node", "processes", "ngpu_each"),
    [
        (Machines(), 1, 1, 0),
        (Machines(ngpu=1), 1, 1, 1),
        (Machines(ngpu=8, num_nodes=2), 8, 16, 1),
        (Machines(num_nodes=3), 1, 3, 0),
        (Machines(num_nodes=2, cpu_processes=4), 4, 8, 0),
    ],
)
def test_how_many_processes(machines: Machines, per_node: int, processes: int, ngpu_each: int) -> None:
    found = machines.processes_per_node, machines.processes, machines.ngpu_each
    assert found == (per_node, processes, ngpu_each)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"ngpu": -1}, "--ngpu must be at least 0"),
        ({"num_nodes": 0}, "--num_nodes must be at least 1"),
        ({"cpu_processes": 0}, "--cpu_processes must be at least 1"),
        ({"ngpu": 2, "cpu_processes": 2}, "--cpu_processes is for a training without GPUs"),
    ],
)
def test_numbers_that_mean_nothing_are_refused(options: dict[str, int], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        Machines(**options)


@pytest.mark.skipif(torch.cuda.device_count() >= 64, reason="a machine with that many GPUs")
def test_more_gpus_than_there_are_are_refused(tmp_path: Path) -> None:
    for machines in (Machines(ngpu=64), Machines(ngpu=64, num_nodes=2)):
        with pytest.raises(ConfigError, match=r"--ngpu 64, but torch sees \d+ on"):
            launch(add_up, tmp_path, "sum", machines)


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make scontrol, which names two hosts, and the variables of a Slurm job."""
    folder = tmp_path / "bin"
    folder.mkdir()
    write_command(folder / "scontrol", '[ "$*" = "show hostnames n[1-2]" ] && echo n1 && echo n2')
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_ID", "41234567")
    monkeypatch.setenv("SLURM_JOB_NODELIST", "n[1-2]")
    return folder


def write_command(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_the_nodes_of_a_slurm_job_meet_on_its_first(slurm: Path) -> None:
    assert choose_place(Machines(num_nodes=2)) == ("n1", 34_567)  # 20,000 + 41,234,567 mod 20,000


def test_a_slurm_job_of_too_few_nodes_is_refused(slurm: Path) -> None:
    with pytest.raises(ConfigError, match="--num_nodes 3, but Slurm gave this job 2; .*--nodes=3"):
        choose_place(Machines(num_nodes=3))


def test_the_place_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASTER_ADDR", "10.0.0.7")
    monkeypatch.setenv("MASTER_PORT", "4000")
    assert choose_place(Machines(num_nodes=2)) == ("10.0.0.7", 4000)
    assert choose_place(Machines(cpu_processes=2)) == ("127.0.0.1", 4000)


def test_srun_is_asked_for_a_task_on_every_node_and_its_failure_is_told(slurm: Path, tmp_path: Path) -> None:
    write_command(slurm / "srun", f'echo "$*" > {tmp_path}/asked; exit 7')
    with pytest.raises(SynthstError, match="srun ended with 7"):
        launch(add_up, tmp_path, "sum", Machines(num_nodes=2))
    asked = (tmp_path / "asked").read_text(encoding="utf-8")
    assert "--nodes=2 --ntasks=2 --ntasks-per-node=1" in asked and "--kill-on-bad-exit=1" in asked
    assert asked.endswith(f"-m synthst.cli join_training --folder {tmp_path}\n")


# Joining


def test_a_folder_in_which_nothing_was_begun_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="launch.json does not say which training to join"):
        join(add_up, tmp_path, 1)
    (tmp_path / LAUNCH).write_text("{}")
    with pytest.raises(DataError, match="launch.json does not say which training to join"):
        read_meeting(tmp_path)


def test_a_node_that_the_training_does_not_have_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meeting = {"machines": {"num_nodes": 2}, "task": "mt", "host": "n1", "port": 1, "training": "t"}
    (tmp_path / LAUNCH).write_text(json.dumps(meeting))
    with pytest.raises(ConfigError, match="--node_rank 2: .* is trained by nodes 0 to 1"):
        join(add_up, tmp_path, 2)
    monkeypatch.delenv("SLURM_NODEID", raising=False)
    with pytest.raises(ConfigError, match="--node_rank is not given"):
        join(add_up, tmp_path, None)


# Processes


@pytest.mark.system
def test_the_processes_of_one_machine_meet(tmp_path: Path) -> None:
    handlers = [signal.getsignal(name) for name in (signal.SIGTERM, signal.SIGINT)]
    launch(add_up, tmp_path, "sum", Machines(cpu_processes=2))
    assert [(tmp_path / f"sum{rank}").read_text() for rank in (0, 1)] == ["3", "3"]
    assert [signal.getsignal(name) for name in (signal.SIGTERM, signal.SIGINT)] == handlers


@pytest.mark.system
def test_sums_of_gpus_keep_no_cpu_waiting_and_the_users_word_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NCCL_BLOCKING_WAIT", raising=False)
    monkeypatch.setenv("NCCL_DEBUG", "INFO")
    launch(tell_nccl, tmp_path, "tell", Machines(cpu_processes=2))
    assert [(tmp_path / str(rank)).read_text() for rank in (0, 1)] == ["0 INFO", "0 INFO"]


@pytest.mark.system
@pytest.mark.usefixtures("served_processes")
def test_a_second_node_joins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", str(choose_place(Machines())[1]))
    monkeypatch.setenv("SYNTHST_SECONDS_TO_JOIN", "300")
    place = {name: os.environ[name] for name in ("MASTER_ADDR", "MASTER_PORT", "SYNTHST_SECONDS_TO_JOIN")}

    def begin() -> None:
        os.environ.update(place)
        launch(add_up, tmp_path, "sum", Machines(num_nodes=2))

    first = start(begin)
    wait_for(tmp_path / LAUNCH)
    join(add_up, tmp_path, 1)
    first.join(600)
    assert first.exitcode == 0
    assert [(tmp_path / f"sum{rank}").read_text() for rank in (0, 1)] == ["3", "3"]


@pytest.mark.system
@pytest.mark.usefixtures("served_processes")
def test_an_error_in_one_process_is_told_and_ends_the_others(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="^data/train lacks row 7; run stage 6 again$"):
        launch(find_fault, tmp_path, "mt", Machines(cpu_processes=2))
    if (tmp_path / "0.pid").exists():
        assert_gone(int((tmp_path / "0.pid").read_text()))


@pytest.mark.system
@pytest.mark.usefixtures("served_processes")
def test_a_process_that_is_killed_is_named_and_ends_the_others(tmp_path: Path) -> None:
    with pytest.raises(SynthstError, match="process 1 of 2 ended with SIGKILL.*goes on"):
        launch(be_killed, tmp_path, "mt", Machines(cpu_processes=2))
    assert_gone(int((tmp_path / "0.pid").read_text()))


@pytest.mark.system
def test_processes_do_not_outlive_the_command_that_started_them(tmp_path: Path) -> None:
    command = start(launch, tell_pid_and_wait, tmp_path, "mt", Machines(cpu_processes=2))
    for rank in (0, 1):
        wait_for(tmp_path / f"{rank}.pid")
    command.kill()
    command.join(600)
    for rank in (0, 1):
        assert_gone(int((tmp_path / f"{rank}.pid").read_text()))
