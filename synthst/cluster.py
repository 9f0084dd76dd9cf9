"""Dask workers: of this machine, of Slurm, or of a running scheduler."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from synthst.errors import ConfigError, install_command
from synthst.fill import fill_options

if TYPE_CHECKING:
    from distributed import Client

WANTED = "give local, local:N, slurm, slurm:FILE.yaml or tcp://HOST:PORT"
CONNECT_SECONDS = 30
NO_DASHBOARD = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}


@dataclass(frozen=True)
class SlurmOptions:
    """What to ask Slurm for: ``jobs`` jobs at a time with one worker each; one that ends is replaced.

    ``directives`` are further lines for #SBATCH ("--gres=gpu:1"), ``prologue`` shell commands before the
    worker starts. ``interface`` is the network that workers find this process by (ib0). ``python`` has
    synthst and is the present one unless given. What jobs print goes to ``log_directory``.
    """

    jobs: int = 4
    cores: int = 4
    memory: str = "16GB"
    walltime: str = "04:00:00"
    queue: str | None = None
    account: str | None = None
    interface: str | None = None
    directives: tuple[str, ...] = ()
    prologue: tuple[str, ...] = ()
    log_directory: str = "slurm_logs"
    python: str | None = None

    def __post_init__(self) -> None:
        if min(self.jobs, self.cores) < 1:
            raise ConfigError(f"jobs {self.jobs}, cores {self.cores}; give 1 or more of both")


@dataclass(frozen=True)
class Cluster:
    """Where Dask workers are, by their ``address``.

    It is local[:N] (N processes, one for each core or GPU unless given), slurm[:FILE.yaml], see
    `SlurmOptions`, or tcp://HOST:PORT of a Dask scheduler whose workers have synthst. ``gpus`` of this
    machine are dealt out to local workers. Programs that use these need the usual ``if __name__ ==
    "__main__"``. Raises ConfigError for an address that cannot be read or a library that is not installed.
    """

    address: str
    gpus: int = 0

    def __post_init__(self) -> None:
        if not re.fullmatch(r"local(:0*[1-9]\d*)?|slurm(:.+)?|tcp://[^/\s]+:\d+", self.address):
            raise ConfigError(f"the cluster is {self.address!r}; {WANTED}")
        _import("distributed")
        if self.kind == "slurm":
            _import("dask_jobqueue")
            self.slurm_options()

    @property
    def kind(self) -> str:
        """Return local, slurm or tcp."""
        return self.address.partition(":")[0]

    @property
    def devices(self) -> tuple[str, ...]:
        """Return the GPUs to deal out to local workers, as CUDA_VISIBLE_DEVICES names them."""
        if self.kind != "local" or not self.gpus:
            return ()
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        devices = visible.split(",") if visible else [str(number) for number in range(self.gpus)]
        return tuple(devices[: self.gpus])

    def slurm_options(self) -> SlurmOptions:
        """Read the address's YAML file, if it names one."""
        _, _, file = self.address.partition(":")
        return read_slurm_options(Path(file)) if file else SlurmOptions()


def read_slurm_options(path: Path) -> SlurmOptions:
    """Read a YAML file of `SlurmOptions`. Raises ConfigError for what is no such file, or an unknown key."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} is no YAML file that can be read: {error}; {WANTED}") from error
    if not isinstance(values, dict | None):
        raise ConfigError(f"{path} holds no mapping; write lines like `jobs: 8`")
    return fill_options(SlurmOptions, values or {}, str(path))


@contextmanager
def connect(cluster: Cluster) -> "Iterator[tuple[Client, Callable[[], None]]]":
    """Yield a client, and a function that sees to it that there are as many workers as wanted."""
    distributed = _import("distributed")
    if cluster.kind == "tcp":
        try:
            client = distributed.Client(cluster.address, timeout=CONNECT_SECONDS, set_as_default=False)
        except OSError as error:
            raise ConfigError(
                f"no Dask scheduler answers at {cluster.address} in {CONNECT_SECONDS} s ({error}); "
                "start one: dask scheduler"
            ) from error
        with client:
            yield client, lambda: None
        return
    with _start(cluster) as started, distributed.Client(started, set_as_default=False) as client:
        if cluster.kind == "local":
            yield client, lambda: None  # each worker has a nanny
        else:
            jobs = cluster.slurm_options().jobs
            started.scale(jobs=jobs)
            yield client, lambda: started.scale(jobs=jobs)


def _start(cluster: Cluster) -> Any:
    """Start local workers, or the scheduler whose workers are to be Slurm's jobs."""
    if cluster.kind == "slurm":
        return _import("dask_jobqueue").SLURMCluster(**slurm_arguments(cluster.slurm_options()))
    cores = len(os.sched_getaffinity(0))
    _, _, number = cluster.address.partition(":")
    workers = int(number) if number else cluster.gpus or cores
    return _import("distributed").LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        scheduler_kwargs=NO_DASHBOARD,
        memory_limit=None,
        env={"OMP_NUM_THREADS": str(max(1, cores // workers))},
    )


def slurm_arguments(options: SlurmOptions) -> dict[str, object]:
    """Translate our options into dask_jobqueue.SLURMCluster's."""
    given = asdict(options)
    del given["jobs"]
    return given | {
        "cores": 1,  # Dask's threads: a teacher serves one
        "processes": 1,
        "job_cpu": given["cores"],
        "job_extra_directives": list(given.pop("directives")),
        "job_script_prologue": [f"export OMP_NUM_THREADS={given['cores']}", *given.pop("prologue")],
        "scheduler_options": NO_DASHBOARD,
    }


def _import(library: str) -> Any:
    try:
        return import_module(library)
    except ImportError as error:
        raise ConfigError(
            f"a cluster needs {library}, which is not installed ({error}); {install_command('cluster')}"
        ) from error
