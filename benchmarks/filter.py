"""Measure the cleaning of parallel text (`synthst filter`) with one process and with one per core.

    python benchmarks/filter.py --data data/en-de-mini/corpus/train --src en --tgt de [--times 4]

The pairs are repeated with a number behind them, so that there are enough of them and no duplicates. Every
row is a run of its own: all filters, and all but language identification, whose model is loaded before.
Seconds are those of the wall clock and, behind them, of all processes together.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import yaml

from synthst.datadir import new_directory, text_path
from synthst.info import read_info
from synthst.tables import join_tables, write_tables
from synthst.targets.filter import filter_datadir
from synthst.targets.filters.language import load_detector

FILTERS = Path(__file__).parents[1] / "conf/filters_wmt.yaml"


def main() -> None:
    options = read_arguments()
    load_detector()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        pairs = repeat(options, data)
        print(f"{pairs:,} pairs, {len(os.sched_getaffinity(0))} cores, {options.filters.name}")
        print(
            f"{'filters':26}{'processes':>10}{'seconds':>9}{'CPU':>9}{'pairs/s':>10}{'ratio':>7}{'kept':>10}"
        )
        for name, filters in {
            "all": options.filters,
            "all but language": without_language(options.filters, Path(folder)),
        }.items():
            first = 0.0
            for workers in sorted({1, options.workers}):
                wall, cpu, kept = measure(options, data, filters, workers)
                first = first or wall
                print(f"{name:26}{workers:>10}{wall:>9.1f}{cpu:>9.1f}{pairs / wall:>10,.0f}"
                      f"{first / wall:>7.2f}{kept:>10,}", flush=True)  # fmt: skip


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="a data directory with both texts")
    parser.add_argument("--src", default="en")
    parser.add_argument("--tgt", default="de")
    parser.add_argument("--filters", type=Path, default=FILTERS)
    parser.add_argument("--times", type=int, default=4, help="how often the pairs are repeated")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    return parser.parse_args()


def repeat(options: argparse.Namespace, out: Path) -> int:
    """Write the pairs several times, each time with another number behind them; return how many there are."""
    rows = list(join_tables([text_path(options.data, lang) for lang in (options.src, options.tgt)]))
    with new_directory(out, made_by={"step": "repeated"}) as folder:
        repeated = (
            (f"{number}_{key}", tuple(f"{text} {number}" for text in texts))
            for number in range(options.times)
            for key, texts in rows
        )
        write_tables([text_path(folder, lang) for lang in (options.src, options.tgt)], sorted(repeated))
    return len(rows) * options.times


def without_language(filters: Path, folder: Path) -> Path:
    """Write the list of filters without language identification."""
    listed = [one for one in yaml.safe_load(filters.read_text(encoding="utf-8")) if one["name"] != "language"]
    path = folder / "filters.yaml"
    path.write_text(yaml.safe_dump(listed), encoding="utf-8")
    return path


def measure(options: argparse.Namespace, data: Path, filters: Path, workers: int) -> tuple[float, float, int]:
    """Return seconds, seconds of processor time, and the number of pairs that are kept."""
    with tempfile.TemporaryDirectory(dir=data.parent) as folder:
        out = Path(folder) / "out"
        start, cpu = time.perf_counter(), sum(os.times()[:4])
        filter_datadir(data, out, src=options.src, tgt=options.tgt, filters=filters, workers=workers)
        wall, cpu = time.perf_counter() - start, sum(os.times()[:4]) - cpu
        return wall, cpu, int(read_info(out)["counts"]["kept"])


if __name__ == "__main__":
    main()
