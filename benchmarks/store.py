"""Measure time and memory of what the translation store does at ten million rows.

    python benchmarks/store.py                                   # a quarter of an hour of CPU
    python benchmarks/store.py --rows 1_000_000 --folder FOLDER

Each step runs in a process of its own, so that its peak of memory is its own. Sentences are made-up: 4 to 24
words, a fifth of the rows repeated ones. The teacher translates at once, so that only the rest is measured.
"""

import argparse
import multiprocessing
import platform
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

from synthst.datadir import subset_datadir
from synthst.lookup import check_store
from synthst.tables import write_table
from synthst.targets.replace import replace_targets
from synthst.teacher.decode import decode_corpus
from synthst.teacher.plan import plan_parts
from synthst.teacher.protocol import Hypothesis, SearchSettings


class Measure(NamedTuple):
    """What a step took; ``rss`` is the peak of its process's memory in MB."""

    seconds: float
    cpu_seconds: float
    rss: float


class InstantTeacher:
    """Give the source, marked and numbered, as its n-best list."""

    def __init__(self, nbest: int) -> None:
        self.identity = {"kind": "instant", "name": "instant"}
        self.settings = SearchSettings(nbest=nbest)

    def translate(self, sources: Sequence[str]) -> list[list[Hypothesis]]:
        """Return nbest hypotheses each."""
        ranks = range(self.settings.nbest)
        return [[Hypothesis(f"<{source}>{rank}", -rank, 20, True) for rank in ranks] for source in sources]


def main() -> None:
    options = read_arguments()
    machine = f"{platform.machine()}, Python {platform.python_version()}"
    print(f"{options.rows:,} rows, {options.nbest}-best lists, {machine}; CPU is that of all threads")
    print(f"\n{'step':<32}{'seconds':>9}{'CPU':>9}{'rows/s':>10}{'peak MB':>9}")
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for name, step in STEPS.items():
            took = measure(step, Path(folder), options.rows, options.nbest)
            speed = options.rows / took.seconds
            row = f"{name:<32}{took.seconds:>9,.0f}{took.cpu_seconds:>9,.0f}{speed:>10,.0f}{took.rss:>9,.0f}"
            print(row, flush=True)


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--nbest", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where to make the temporary folder, e.g. on a fast disk")
    return parser.parse_args()


def measure(step: Callable[[Path, int, int], None], folder: Path, rows: int, nbest: int) -> Measure:
    """Run a step in a new process."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(run_and_measure, step, folder, rows, nbest).result()


def run_and_measure(step: Callable[[Path, int, int], None], folder: Path, rows: int, nbest: int) -> Measure:
    start, cpu_start = time.monotonic(), time.process_time()
    step(folder, rows, nbest)
    seconds, cpu_seconds = time.monotonic() - start, time.process_time() - cpu_start
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (peak,) = [line.split()[1] for line in status.split("\n") if line.startswith("VmHWM:")]
    return Measure(seconds, cpu_seconds, int(peak) / 1024)


def make_data(folder: Path, rows: int, nbest: int) -> None:
    (folder / "data").mkdir()
    write_table(folder / "data" / "text.en", make_rows(rows))


def make_rows(rows: int) -> Iterator[tuple[str, str]]:
    choice = random.Random(0)
    words = ["".join(choice.choices("etaoinshrdlu", k=choice.randint(2, 10))) for _ in range(20_000)]
    frequent = [" ".join(choice.choices(words, k=choice.randint(4, 24))) for _ in range(10_000)]
    for number in range(rows):
        repeated = number % 5 == 0
        sentence = choice.choice(frequent) if repeated else " ".join(choice.choices(words, k=4 + number % 21))
        yield f"u{number:09d}", sentence


def plan(folder: Path, rows: int, nbest: int) -> None:
    (folder / "empty").mkdir()
    decode_corpus(InstantTeacher(nbest), make_tiny(folder), folder / "empty" / "store", src="en")
    with plan_parts(folder / "empty" / "store", folder / "data" / "text.en") as planned:
        assert planned.parts and planned.sentences == planned.sources <= rows


def make_tiny(folder: Path) -> Path:
    (folder / "tiny").mkdir()
    write_table(folder / "tiny" / "text.en", [("u", "one sentence that no other has")])
    return folder / "tiny"


def decode(folder: Path, rows: int, nbest: int) -> None:
    decode_corpus(InstantTeacher(nbest), folder / "data", folder / "store", src="en")


def plan_the_rest(folder: Path, rows: int, nbest: int) -> None:
    """Plan what is missing when every other part is there."""
    half = folder / "half"
    half.mkdir()
    (half / "manifest.json").hardlink_to(folder / "store" / "manifest.json")
    for part in sorted((folder / "store").glob("part-*.parquet"))[::2]:
        (half / part.name).hardlink_to(part)
    with plan_parts(half, folder / "data" / "text.en") as planned:
        assert 0 < planned.stored < planned.sources


def check(folder: Path, rows: int, nbest: int) -> None:
    assert check_store(folder / "store", folder / "data" / "text.en").missing == 0


def replace(folder: Path, rows: int, nbest: int) -> None:
    replace_targets(folder / "data", folder / "store", folder / "replaced", src="en", tgt="de")


def sample(folder: Path, rows: int, nbest: int) -> None:
    subset_datadir(folder / "replaced", folder / "sample", size=rows // 10)


STEPS = {
    "make the rows": make_data,
    "deduplicate, plan": plan,
    "plan, store all": decode,
    "plan the other half": plan_the_rest,
    "check completeness": check,
    "stage 4: join, write": replace,
    "sample a tenth": sample,
}

if __name__ == "__main__":
    main()
