"""Start the processes of a training with torch's launcher: on this machine, or on every node of a cluster."""

import ctypes
import json
import logging
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from synthst.atomic import atomic_file
from synthst.errors import ConfigError, DataError, SynthstError

logger = logging.getLogger(__name__)

LAUNCH, FAILURE = "launch.json", "failure.json"  # in the folder of a training
WAIT = "SYNTHST_SECONDS_TO_JOIN", "1800"  # for the other nodes, which may be in a queue
PORT = 29_500  # torchrun's
START_METHOD = "spawn"  # a forked process cannot use a GPU that its parent has touched
PR_SET_PDEATHSIG = 1  # of Linux's prctl(2)

Work = Callable[[Path, str], None]
"""What every process does with the training's folder and the name of its task; a function of a module."""


@dataclass(frozen=True)
class Machines:
    """The processes of a training: one for each GPU of each node, or without GPUs ``cpu_processes``."""

    ngpu: int = 0
    num_nodes: int = 1
    cpu_processes: int = 1

    def __post_init__(self) -> None:
        """Refuse numbers that mean nothing."""
        for name, least in (("ngpu", 0), ("num_nodes", 1), ("cpu_processes", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"--{name} must be at least {least}, not {getattr(self, name)}")
        if self.ngpu and self.cpu_processes > 1:
            raise ConfigError("--cpu_processes is for a training without GPUs; leave it out or set --ngpu 0")

    @property
    def processes_per_node(self) -> int:
        """Return the processes of one node."""
        return self.ngpu or self.cpu_processes

    @property
    def processes(self) -> int:
        """Return the processes of all nodes."""
        return self.num_nodes * self.processes_per_node

    @property
    def ngpu_each(self) -> int:
        """Return the GPUs that one process has."""
        return min(self.ngpu, 1)


@dataclass(frozen=True)
class Meeting:
    """What all nodes know: how many processes, where the first node listens, and which training this is."""

    machines: Machines
    task: str
    host: str
    port: int
    training: str


def launch(work: Work, folder: Path, task: str, machines: Machines) -> None:
    """Do ``work`` in every process of ``machines``, in this one if it is the only one.

    Raises what stopped a process if that was a SynthstError, and otherwise one that says which ended how.
    """
    if machines.processes == 1:
        refuse_too_few_gpus(machines.ngpu)
        work(folder, task)
        return
    (folder / FAILURE).unlink(missing_ok=True)
    try:
        launch_several(work, folder, task, machines)
    finally:
        (folder / LAUNCH).unlink(missing_ok=True)  # nobody shall join what has ended


def launch_several(work: Work, folder: Path, task: str, machines: Machines) -> None:
    """Do ``work`` in several processes, of this machine and of those that join."""
    meeting = Meeting(machines, task, *choose_place(machines), uuid.uuid4().hex)
    with atomic_file(folder / LAUNCH) as file:
        file.write(json.dumps(asdict(meeting), indent=1).encode())
    if machines.num_nodes > 1 and "SLURM_JOB_ID" in os.environ:
        run_on_slurm(folder, machines)
        return
    if machines.num_nodes > 1:
        logger.info(
            "waiting for %d more nodes; on each of them: synthst join_training --folder %s "
            "--node_rank N (N = 1 to %d)",
            *(machines.num_nodes - 1, folder.absolute(), machines.num_nodes - 1),
        )
    run_node(work, folder, meeting, 0)


def join(work: Work, folder: Path, node_rank: int | None) -> None:
    """Do the part of one node in the training that another node began in ``folder``.

    ``node_rank`` is Slurm's number of this node if it is not given.
    """
    if node_rank is None:
        if "SLURM_NODEID" not in os.environ:
            raise ConfigError("--node_rank is not given, and this is no step of a Slurm job that tells it")
        node_rank = int(os.environ["SLURM_NODEID"])
    meeting = read_meeting(folder)
    if not 0 <= node_rank < meeting.machines.num_nodes:
        wanted = f"0 to {meeting.machines.num_nodes - 1}"
        raise ConfigError(f"--node_rank {node_rank}: {folder} is trained by nodes {wanted}")
    run_node(work, folder, meeting, node_rank)


def read_meeting(folder: Path) -> Meeting:
    """Read what the first node wrote; raises DataError when it did not."""
    path = folder / LAUNCH
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Meeting(**{**found, "machines": Machines(**found["machines"])})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DataError(
            f"{path} does not say which training to join ({error}); begin it on the first node, with "
            "--num_nodes, and name a folder that all nodes see"
        ) from error


def refuse_too_few_gpus(ngpu: int) -> None:
    """Raise ConfigError when this machine has fewer GPUs than are asked for."""
    if ngpu > (found := torch.cuda.device_count() if ngpu else 0):
        raise ConfigError(f"--ngpu {ngpu}, but torch sees {found} on {socket.gethostname()}; lower it")


def choose_place(machines: Machines) -> tuple[str, int]:
    """Return where the first node listens: host and port, which MASTER_ADDR and MASTER_PORT can choose."""
    host, port, job = map(os.environ.get, ("MASTER_ADDR", "MASTER_PORT", "SLURM_JOB_ID"))
    if machines.num_nodes == 1:
        return "127.0.0.1", int(port) if port else find_free_port()
    if job is None:
        return host or socket.gethostname(), int(port or PORT)
    return host or first_host(machines), int(port or 20_000 + int(job) % 20_000)


def find_free_port() -> int:
    """Return a port of this machine that nobody listens at."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def first_host(machines: Machines) -> str:
    """Return the first node of this Slurm job; raises ConfigError when the job has too few."""
    nodes = os.environ.get("SLURM_JOB_NODELIST", "")
    told = subprocess.run(
        ["scontrol", "show", "hostnames", nodes], check=True, capture_output=True, text=True
    )
    hosts = told.stdout.split()
    if len(hosts) < machines.num_nodes:
        raise ConfigError(
            f"--num_nodes {machines.num_nodes}, but Slurm gave this job {len(hosts)}; ask for more: sbatch "
            f"--nodes={machines.num_nodes}"
        )
    return hosts[0]


def run_on_slurm(folder: Path, machines: Machines) -> None:
    """Start `join` on the nodes of this Slurm job, and wait for all of them."""
    nodes = machines.num_nodes
    step = [f"--nodes={nodes}", f"--ntasks={nodes}", "--ntasks-per-node=1", "--cpu-bind=none"]
    node = [sys.executable, "-m", "synthst.cli", "join_training", "--folder", str(folder.absolute())]
    ended = subprocess.run(["srun", *step, "--kill-on-bad-exit=1", *node], check=False).returncode
    if ended:
        raise read_failure(folder) or SynthstError(
            f"{folder}: srun ended with {ended}, see the lines above; the same command goes on from the last "
            "checkpoint"
        )


def run_node(work: Work, folder: Path, meeting: Meeting, node_rank: int) -> None:
    """Run the processes of this node; the first to fail ends them all."""
    machines = meeting.machines
    refuse_too_few_gpus(machines.ngpu)
    config = LaunchConfig(
        min_nodes=machines.num_nodes,
        max_nodes=machines.num_nodes,
        nproc_per_node=machines.processes_per_node,
        run_id=meeting.training,
        rdzv_backend="static",
        rdzv_endpoint=f"{meeting.host}:{meeting.port}",
        rdzv_configs={"rank": node_rank, "timeout": int(os.environ.get(*WAIT))},
        start_method=START_METHOD,
        max_restarts=0,  # what failed goes on from its checkpoint, but on somebody's word
        monitor_interval=0.5,
    )
    try:
        with own_signals():
            elastic_launch(config, run_process)(work, folder, meeting.task, machines)
    except ChildFailedError as error:
        raise read_failure(folder) or describe_end(folder, error, machines) from error
    except torch.distributed.DistError as error:
        raise SynthstError(
            f"{folder}: node {node_rank} of {machines.num_nodes} found not all others at {meeting.host}:"
            f"{meeting.port} ({error}); MASTER_ADDR and MASTER_PORT choose another place"
        ) from error


@contextmanager
def own_signals() -> Iterator[None]:
    """Give signals back to whom torch's launcher took them from, and make of its exception what they mean."""
    names = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
    before = {name: signal.getsignal(name) for name in names}
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # Python's would wait until torch has
    try:
        yield
    except SignalException as error:
        if error.sigval == signal.SIGINT:
            raise KeyboardInterrupt from error
        raise SystemExit(128 + error.sigval) from error
    finally:
        if threading.current_thread() is threading.main_thread():  # torch's launcher took them from no other
            for name, handler in before.items():
                signal.signal(name, handler)


def run_process(work: Work, folder: Path, task: str, machines: Machines) -> None:
    """Do the work of one process, and leave word of an error that is the user's to mend."""
    die_with_parent()
    if os.environ["RANK"] == "0":
        show_progress()
    os.environ.setdefault("NCCL_DEBUG", "WARN")  # ESPnet would have INFO
    os.environ.setdefault("NCCL_BLOCKING_WAIT", "0")  # ESPnet: 1, by which each sum keeps the CPU waiting
    if not machines.ngpu:
        torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // machines.cpu_processes))
    try:
        work(folder, task)
    except SynthstError as error:
        with atomic_file(folder / FAILURE) as file:
            file.write(json.dumps({"kind": type(error).__name__, "told": str(error)}).encode())
        raise
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def show_progress() -> None:
    """Show this package's lines, and others' warnings, as the command line does."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", datefmt="%H:%M:%S"))
    handler.addFilter(lambda record: record.levelno >= logging.WARNING or record.name.startswith("synthst"))
    logging.getLogger().addHandler(handler)


def die_with_parent() -> None:
    """Let Linux kill this process when its starter dies: two trainings must not share a folder."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    starter = multiprocessing.parent_process()
    if starter is None or not starter.is_alive():  # it died before the line above
        os._exit(1)


def read_failure(folder: Path) -> SynthstError | None:
    """Return the error that a process left word of, if one did."""
    path = folder / FAILURE
    if not path.is_file():
        return None
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    kinds = {kind.__name__: kind for kind in (ConfigError, DataError)}
    return kinds.get(found["kind"], SynthstError)(found["told"])


def describe_end(folder: Path, error: ChildFailedError, machines: Machines) -> SynthstError:
    """Say which process ended first, and how."""
    rank, failure = error.get_first_failure()
    how = failure.signal_name() if failure.exitcode < 0 else f"exit code {failure.exitcode}"
    return SynthstError(
        f"{folder}: process {rank} of {machines.processes} ended with {how}, see the lines above; the same "
        "command goes on from the last checkpoint, on as many processes as you like"
    )
