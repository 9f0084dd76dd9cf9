"""The command `synthst plan`: a recipe's stages, what they write, and estimates of sizes and hours."""

import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from synthst.estimate.commands import check_commands, read_commands
from synthst.estimate.forecast import Estimate, Forecast
from synthst.estimate.rates import read_expected, read_rates

LONG_HOURS = 24
"""From here on a run on CPUs is told that there are GPUs."""
UNITS = ("B", "kB", "MB", "GB", "TB")


def plan(rates: Path, *, expected: Path | None = None) -> None:
    """Read what `./run.sh --dry_run` prints from standard input; print the plan of the run.

    ``rates`` is a file like conf/rates.yaml, ``expected`` one like a recipe's conf/plan.yaml, if there is
    one. What is there is measured, and takes no time; all else is an estimate, "?" where nothing is known.
    GPU hours are hours times GPUs, of training and beam search; what computes on the CPU beside has none.
    Options and settings files are checked first, by the commands themselves. Raises ConfigError for those
    that a command would refuse.
    """
    forecast = Forecast(read_rates(rates), read_expected(expected))
    commands = read_commands(sys.stdin)
    check_commands(commands)
    estimates = [forecast.add(command) for command in commands]
    print(show_plan(estimates, rates))


def show_plan(estimates: Sequence[Estimate], rates: Path) -> str:
    """Return the plan as a table, with what it sums up to and how much disk is free."""
    rows = [("stage", "command", "rows", "size", "hours", "GPU hours", "writes")]
    rows += [_row(estimate) for estimate in estimates]
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    lines = []
    for row in rows:
        left = f"{row[0]:>{widths[0]}}  {row[1]:<{widths[1]}}"
        right = "  ".join(f"{row[column]:>{widths[column]}}" for column in (2, 3, 4, 5))
        lines.append(f"{left}  {right}  {row[6]}".rstrip())
    free = show_bytes(shutil.disk_usage(Path.cwd()).free)
    lines += ["", *_sum_up([estimate for estimate in estimates if not estimate.is_there], free)]
    lines.append(
        f"These are estimates by the formulas and rates of {rates}, right within a factor of two or three at "
        "best; what is there already was measured."
    )
    return "\n".join(lines)


def _sum_up(to_do: Sequence[Estimate], free: str) -> list[str]:
    """Return lines with the disk and the hours of what is to do, and what is not in the sum."""
    hours = sum(estimate.hours or 0.0 for estimate in to_do)
    gpu_hours = sum(estimate.gpu_hours for estimate in to_do)
    unknown = Counter(estimate.command.name for estimate in to_do if estimate.hours is None)
    told = ", ".join(name if count == 1 else f"{count} {name}" for name, count in unknown.items())
    size = show_bytes(sum(estimate.bytes or 0.0 for estimate in to_do))
    lines = [
        f"to do: {size} of disk ({free} are free here), "
        + ("at least " if unknown else "")
        + f"{show_hours(hours)} hours, one after the other"
        + (f", {show_hours(gpu_hours)} GPU hours" if gpu_hours else "")
        + (f"; of unknown length, and not in it: {told}" if unknown else "")
    ]
    if hours >= LONG_HOURS and not gpu_hours:
        lines.append("These hours are on CPUs; give --ngpu N for GPUs.")
    return lines


def show_bytes(count: float) -> str:
    """Return a number of bytes in a unit that leaves at most three digits before the point."""
    unit = 0
    while count >= 1000 and unit < len(UNITS) - 1:
        count, unit = count / 1000, unit + 1
    return f"{count:.1f} {UNITS[unit]}"


def show_hours(hours: float) -> str:
    """Return hours with as many digits as mean something."""
    return f"{hours:,.0f}" if hours >= 10 else f"{hours:.1f}" if hours >= 0.1 else "< 0.1"


def _row(estimate: Estimate) -> tuple[str, str, str, str, str, str, str]:
    rows, size, hours = estimate.rows, estimate.bytes, estimate.hours
    return (
        str(estimate.command.stage),
        estimate.command.name,
        "" if rows is None else f"{rows:,}",
        "?" if size is None else show_bytes(size),
        "there" if estimate.is_there else "?" if hours is None else show_hours(hours),
        show_hours(estimate.gpu_hours) if estimate.gpu_hours and not estimate.is_there else "",
        str(estimate.out or "-"),
    )
