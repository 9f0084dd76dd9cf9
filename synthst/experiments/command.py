"""The command `synthst table`: run what is missing of an experiment, write its table beside the paper's."""

import logging
import shlex
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from synthst.cluster import Cluster
from synthst.errors import ConfigError, DataError
from synthst.experiments.cells import Cell, list_cells
from synthst.experiments.definition import Experiment, read_experiment
from synthst.experiments.plan import Run, plan_runs
from synthst.experiments.runner import Failure, Runner
from synthst.experiments.scores import average_columns, score_cells, score_teachers, sum_up
from synthst.experiments.write import write_table

logger = logging.getLogger(__name__)


def table(
    experiment: Path,
    *,
    preset: str = "mini",
    rows: list[str] | None = None,
    columns: list[str] | None = None,
    workdir: Path = Path(),
    jobs: int = 1,
    seeds: list[int] | None = None,
    options: dict[str, str | int] | None = None,
    gpus: list[int] | None = None,
    cluster: str | None = None,
    out: Path | None = None,
    dry_run: bool = False,
) -> None:
    """Run what is missing of an ``experiment``, a YAML file of cells, and write its table beside the paper's.

    Every cell is a run of the experiment's run.sh with ``preset``, ``workdir`` (relative to the run.sh, as
    there), ``options`` ("{ngpu: 1}") and, for each of ``seeds``, its seed; without seeds the recipe's own.
    ``rows`` and ``columns`` name those to run and to show; without them it is all of them. What was decoded
    with these settings is not run again. ``jobs`` runs go on side by side, each with one of ``gpus`` in turn;
    0 runs nothing and shows what is finished.
    ``cluster`` is local[:N], slurm[:FILE.yaml] or tcp://HOST:PORT of Dask workers that run them, see
    `synthst.cluster`; recipe and ``workdir`` must be where the workers are. <name>.md, .csv and .tex go into
    ``out``, <workdir>/exp/tables/<preset> if not given, and what the runs tell into <name>_logs beside them.
    ``dry_run`` only tells what would be run.
    Raises DataError after the table is written when a run failed.
    """
    workers = find_workers(jobs, gpus, cluster)
    definition = read_experiment(experiment).only("rows", rows).only("columns", columns)
    given = {name: str(value) for name, value in (options or {}).items()}
    chosen = [*dict.fromkeys(seeds)] if seeds else [None]
    cells = list_cells(definition, preset=preset, seeds=chosen, options=given, workdir=str(workdir))
    if dry_run:
        print_plan(definition.recipe, plan_runs(definition.recipe, cells))
        return
    out = out or definition.recipe.parent / workdir / "exp" / "tables" / preset
    runner = partial(Runner, jobs=jobs, gpus=gpus or (), cluster=workers)
    run_cells(definition, cells, out, runner if jobs else None, preset=preset)


def find_workers(jobs: int, gpus: list[int] | None, cluster: str | None) -> Cluster | None:
    """Return the cluster of that address, if any; raises ConfigError for what does not go together."""
    if jobs < 0:
        raise ConfigError(f"--jobs is {jobs}, wanted is a number of runs side by side, or 0 to run nothing")
    if cluster and gpus:
        raise ConfigError("--gpus are this machine's, a --cluster's workers have theirs; give one of them")
    return Cluster(cluster) if cluster else None


def run_cells(
    experiment: Experiment, cells: list[Cell], out: Path, runner: Callable[..., Runner] | None, *, preset: str
) -> None:
    """Run what is missing, if there is a runner, and write the table; raise DataError if a run failed."""
    runs = plan_runs(experiment.recipe, cells)
    logs = out / f"{experiment.name}_logs"
    failures = runner(experiment.recipe, logs).run_all(runs) if runner else {}
    report_cells(experiment, cells, runs, failures, out=out, preset=preset)
    if failures:
        raise DataError(tell_failures(failures, runs))


def tell_failures(failures: Mapping[Run, Failure], runs: list[Run]) -> str:
    """Say which runs failed, and where to read why."""
    told = "; ".join(f"{run.cells[0].place}: {failure}" for run, failure in failures.items())
    return f"{len(failures)} of {len(runs)} runs failed ({told}); mend the cause and run again"


def report_cells(
    experiment: Experiment,
    cells: list[Cell],
    runs: list[Run],
    failures: Mapping[Run, Failure],
    *,
    out: Path,
    preset: str,
) -> None:
    """Score the cells and the teachers, write the table into ``out`` and print it."""
    summaries = sum_up(score_cells(cells, runs, failures))
    summaries += average_columns(summaries, experiment.average) if experiment.average else []
    command = shlex.join(["synthst", *sys.argv[1:]])
    teachers = score_teachers(runs)
    print(write_table(experiment, summaries, out, preset=preset, command=command, teachers=teachers), end="")
    logger.info("%s: %s.md, .csv and .tex", out, experiment.name)


def print_plan(recipe: Path, runs: list[Run]) -> None:
    """Print for each run whether it is finished, to do, or decoded in a way that is to check; its command."""
    for run in runs:
        state = "finished" if run.is_finished() else "to check" if run.is_decoded() else "to do   "
        print(f"{state}  {shlex.join([str(recipe), *run.cells[0].words])}")
