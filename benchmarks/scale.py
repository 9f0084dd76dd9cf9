"""Measure what 300 million pairs would take, at sizes that fit here, from a user's files to the first batch.

    python benchmarks/scale.py                                     # 3M and 30M pairs, or what fits in 15 GB
    python benchmarks/scale.py --rows 100_000 1_000_000 --folder FOLDER --out scale.jsonl
    python benchmarks/scale.py --parts data   # or stages: what comes before them, or they alone

Sentences are made-up: 4 to 24 words, a fifth of the rows repeated ones; the teacher translates at once, so
only the rest is measured. Each step runs in a process of its own. Memory is the largest amount that this and
its children have of their own (RssAnon, looked at ten times a second; what forked children share is counted
in each): pages of mapped files come on top, which the system takes back when it needs them. Disk is the
largest size of the folder while the step runs, temporary files included. The second size is cut down to what
the first shows to fit in --max_gb. Every measurement is written at once.
"""

import argparse
import json
import math
import os
import platform
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from scale_steps import NO_LONGER_WANTED, PARTS
from scale_watch import Measure, measure

FLAT = 20  # bytes a row by which memory may grow; a pair of these sentences has 220
JOINS_MB = 2_000  # DuckDB may take 1 GB, and what goes through Python comes on top
SPILL_MB = 1_000  # of memory, beyond which joins write to disk
TOLERANCE = 0.1  # of the exponent, for the noise of a shared machine


def main() -> None:
    options = read_arguments()
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(f"{machine}; CPU is that of all threads")
    names = [name for part in options.parts for name in PARTS[part]]
    measures = read_measures(options.out, names)
    for rows in options.rows:
        if measures:
            rows = min(rows, rows_that_fit(measures, options.max_gb))
        if rows in measures:
            continue
        print(f"\n{rows:,} pairs\n{'step':<28}{'seconds':>9}{'CPU':>9}{'rows/CPU s':>12}{'peak MB':>9}"
              f"{'disk MB':>9}{'left MB':>9}")  # fmt: skip
        measures[rows] = []
        for part in options.parts:
            with tempfile.TemporaryDirectory(dir=options.folder) as folder:
                for name, step in PARTS[part].items():
                    unwanted = NO_LONGER_WANTED.get(name, ())
                    measures[rows].append(measure(name, step, Path(folder), rows, unwanted))
                    show(measures[rows][-1], options.out)
    if len(measures) > 1:
        project(*[measures[rows] for rows in sorted(measures)[-2:]], options.project)


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[3_000_000, 30_000_000])
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--project", type=int, default=300_000_000)
    parser.add_argument("--max_gb", type=float, default=15.0, help="of disk, for the second size on")
    parser.add_argument("--folder", type=Path, help="where to make the temporary folder")
    parser.add_argument(
        "--out", type=Path, help="a file that gets a line of JSON for each measurement; sizes in it are done"
    )
    return parser.parse_args()


def read_measures(out: Path | None, names: Sequence[str]) -> dict[int, list[Measure]]:
    """Return what an earlier run has written of sizes that it came through with, for steps of these names."""
    found: dict[int, dict[str, Measure]] = {}
    for line in out.read_text(encoding="utf-8").splitlines() if out and out.exists() else ():
        one = Measure(**json.loads(line))
        found.setdefault(one.rows, {})[one.step] = one
    return {
        rows: [steps[name] for name in names] for rows, steps in found.items() if steps.keys() >= set(names)
    }


def rows_that_fit(measures: dict[int, list[Measure]], max_gb: float) -> int:
    """Return the rows whose steps stay below ``max_gb`` of disk, by the largest size measured so far.

    What a join would take in memory beyond its limit goes to disk, so memory is counted as disk.
    """
    rows = max(measures)
    return int(
        (0.95 * max_gb * 1000 + SPILL_MB) * rows / max(one.disk + one.memory for one in measures[rows])
    )


def show(one: Measure, out: Path | None) -> None:
    speed = f"{one.rows / one.cpu_seconds:,.0f}" if one.cpu_seconds >= 0.1 else "-"
    print(
        f"{one.step:<28}{one.seconds:>9,.1f}{one.cpu_seconds:>9,.1f}{speed:>12}{one.memory:>9,.0f}"
        f"{one.disk:>9,.0f}{one.written:>9,.0f}",
        flush=True,
    )
    if out is not None:
        with out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(one)) + "\n")


def project(small: Sequence[Measure], large: Sequence[Measure], rows: int) -> None:
    """Print how time and memory grow between two sizes, and what they say of ``rows``.

    Time is taken to grow as n log n, or as measured where that is faster still; disk as n; memory by as many
    bytes a row as between the two sizes.
    """
    print(f"\nprojected to {rows:,} pairs from {small[0].rows:,} and {large[0].rows:,}")
    print(
        f"{'step':<28}{'exponent':>9}{'B/row more':>12}{'CPU hours':>11}{'peak GB':>9}{'disk GB':>9}  verdict"
    )
    for one, two in zip(small, large, strict=True):
        grown, n_log_n = exponents(one, two)
        more = max(0.0, (two.memory - one.memory) * 2**20 / (two.rows - one.rows))
        worse = two.cpu_seconds >= 5 and grown > n_log_n + TOLERANCE
        power = grown if worse else n_log_n
        hours = two.cpu_seconds * (rows / two.rows) ** power / 3600
        memory = f"{(two.memory * 2**20 + more * (rows - two.rows)) / 1e9:.1f}" if known(more, two) else "?"
        told = verdict(worse, more, two)
        print(f"{two.step:<28}{grown:>9.2f}{more:>12.1f}{hours:>11.1f}{memory:>9}"
              f"{two.disk / 1e3 * rows / two.rows:>9.0f}  {told}")  # fmt: skip


def exponents(one: Measure, two: Measure) -> tuple[float, float]:
    """Return the power of n by which time grew between two sizes, and that of n log n."""
    between = math.log(two.rows / one.rows)
    grown = math.log(max(two.cpu_seconds, 1e-3) / max(one.cpu_seconds, 1e-3)) / between
    return grown, 1 + math.log(math.log(two.rows) / math.log(one.rows)) / between


def known(more: float, two: Measure) -> bool:
    """Tell whether memory can be foretold: joins may use 1 GB, and grow up to it."""
    return more <= FLAT or two.memory >= JOINS_MB


def verdict(worse: bool, more: float, two: Measure) -> str:
    """Say whether a step breaks a rule: none may be slower than n log n or hold the corpus in memory."""
    told = ["slower than n log n"] if worse else []
    if not known(more, two):
        told.append("memory is still below the joins' limit")
    elif more > FLAT:
        told.append("memory grows with the corpus")
    return ", ".join(told) or "ok"


if __name__ == "__main__":
    main()
