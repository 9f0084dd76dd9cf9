"""Measure what 300 million pairs would take, at sizes that fit here: stages 3 to 6 and the first batch.

    python benchmarks/scale.py                                     # 3M and 30M pairs, or what fits in 15 GB
    python benchmarks/scale.py --rows 100_000 1_000_000 --folder FOLDER --out scale.jsonl

Sentences are made-up: 4 to 24 words, a fifth of the rows repeated ones; the teacher translates at once, so
only the rest is measured. Each step runs in a process of its own. Memory is the largest amount that is the
process's own (RssAnon, looked at ten times a second): pages of mapped files come on top, which the system
takes back when it needs them. Disk is the largest size of the folder while the step runs, temporary files
included. The second size is cut down to what the first shows to fit in --max_gb. Every measurement is
written at once.
"""

import argparse
import json
import math
import multiprocessing
import os
import platform
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from store import InstantTeacher, make_rows

from synthst.datadir import new_directory, text_path
from synthst.tables import write_table, write_tables
from synthst.targets.expand import expand_targets
from synthst.targets.replace import replace_targets
from synthst.teacher.decode import decode_corpus
from synthst.teacher.plan import plan_parts
from synthst.tokens import read_tokens, train_tokenizers, write_tokens

LANGS = ["en", "de"]
EXTRA_SHARE = 10  # of the rows, one in so many is source-only text for stage 5
SAMPLE_ROWS = 50_000  # that the tokenisers are trained on
VOCABULARY = 8_000
BATCH_TOKENS = 25_000
FLAT = 20  # bytes a row by which memory may grow; a pair of these sentences has 220
JOINS_MB = 2_000  # DuckDB may take 1 GB, and what goes through Python comes on top
SPILL_MB = 1_000  # of memory, beyond which joins write to disk
TOLERANCE = 0.1  # of the exponent, for the noise of a shared machine


@dataclass(frozen=True)
class Measure:
    """What a step took with ``rows`` rows; memory and disk are peaks in MB, ``written`` what it left."""

    step: str
    rows: int
    seconds: float
    cpu_seconds: float
    memory: float
    disk: float
    written: float


def main() -> None:
    options = read_arguments()
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(f"{machine}; CPU is that of all threads")
    measures = read_measures(options.out)
    for rows in options.rows:
        if measures:
            rows = min(rows, rows_that_fit(measures, options.max_gb))
        if rows in measures:
            continue
        print(f"\n{rows:,} pairs\n{'step':<28}{'seconds':>9}{'CPU':>9}{'rows/CPU s':>12}{'peak MB':>9}"
              f"{'disk MB':>9}{'left MB':>9}")  # fmt: skip
        measures[rows] = []
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            for name, step in STEPS.items():
                measures[rows].append(measure(name, step, Path(folder), rows))
                show(measures[rows][-1], options.out)
    if len(measures) > 1:
        project(*[measures[rows] for rows in sorted(measures)[-2:]], options.project)


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[3_000_000, 30_000_000])
    parser.add_argument("--project", type=int, default=300_000_000)
    parser.add_argument("--max_gb", type=float, default=15.0, help="of disk, for the second size on")
    parser.add_argument("--folder", type=Path, help="where to make the temporary folder")
    parser.add_argument(
        "--out", type=Path, help="a file that gets a line of JSON for each measurement; sizes in it are done"
    )
    return parser.parse_args()


def read_measures(out: Path | None) -> dict[int, list[Measure]]:
    """Return what an earlier run has written of sizes that it came through with."""
    found: dict[int, dict[str, Measure]] = {}
    for line in out.read_text(encoding="utf-8").splitlines() if out and out.exists() else ():
        one = Measure(**json.loads(line))
        found.setdefault(one.rows, {})[one.step] = one
    return {
        rows: [steps[name] for name in STEPS] for rows, steps in found.items() if steps.keys() == STEPS.keys()
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


def measure(name: str, step: Callable[[Path, int], None], folder: Path, rows: int) -> Measure:
    """Run a step in a new process and watch it. Raises RuntimeError when it fails."""
    for done in NO_LONGER_WANTED.get(name, ()):
        shutil.rmtree(folder / done)
    context = multiprocessing.get_context("spawn")
    times = context.Queue()
    process = context.Process(target=run_step, args=(step, folder, rows, times))
    before, peaks, ended = size_of(folder), {"memory": 0.0, "disk": 0.0}, threading.Event()
    process.start()
    watcher = threading.Thread(target=watch, args=(process.pid, folder, peaks, ended))
    watcher.start()
    process.join()
    ended.set()
    watcher.join()
    if process.exitcode:
        raise RuntimeError(f"{name} failed at {rows:,} rows")
    after = size_of(folder)
    disk = max(peaks["disk"], after)
    return Measure(name, rows, *times.get(), peaks["memory"], disk / 1e6, (after - before) / 1e6)


def run_step(
    step: Callable[[Path, int], None], folder: Path, rows: int, times: "multiprocessing.Queue"
) -> None:
    start, cpu_start = time.monotonic(), time.process_time()
    step(folder, rows)
    times.put((time.monotonic() - start, time.process_time() - cpu_start))


def watch(pid: int, folder: Path, peaks: dict[str, float], ended: threading.Event) -> None:
    """Keep the peaks of a process's own memory in MB, and of the folder's size in bytes."""
    beat = 0
    while not ended.wait(0.1):
        peaks["memory"] = max(peaks["memory"], own_memory(pid))
        if beat % 20 == 0:
            peaks["disk"] = max(peaks["disk"], size_of(folder))
        beat += 1


def own_memory(pid: int) -> float:
    """Return a process's RssAnon in MB; 0 when it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0.0
    found = [line.split()[1] for line in status.split("\n") if line.startswith("RssAnon:")]
    return int(found[0]) / 1024 if found else 0.0


def size_of(folder: Path) -> float:
    """Return the bytes below a folder, of files that may come and go meanwhile."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_size
            except OSError:
                continue
    return float(total)


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


def make_data(folder: Path, rows: int) -> None:
    """Make the pairs, and source-only text for stage 5."""
    with new_directory(folder / "data", made_by={"step": "made-up"}) as out:
        pairs = ((key, (text, text.upper())) for key, text in make_rows(rows))
        write_tables([text_path(out, lang) for lang in LANGS], pairs)
    with new_directory(folder / "extra", made_by={"step": "made-up"}) as out:
        write_table(text_path(out, "en"), extra_rows(rows))
    with new_directory(folder / "sample", made_by={"step": "made-up"}) as out:
        pairs = ((key, (text, f"<{text}>0")) for key, text in make_rows(min(rows, SAMPLE_ROWS)))
        write_tables([text_path(out, lang) for lang in LANGS], pairs)


def extra_rows(rows: int) -> Iterator[tuple[str, str]]:
    for key, text in make_rows(rows // EXTRA_SHARE):
        yield f"x{key}", f"{text} more"


def plan(folder: Path, rows: int) -> None:
    """Stage 3 without a teacher's time: what is to be decoded, in which parts."""
    empty = folder / "empty"
    with new_directory(folder / "tiny", made_by={"step": "made-up"}) as out:
        write_table(text_path(out, "en"), [("u", "one sentence that no other has")])
    decode_corpus(InstantTeacher(1), folder / "tiny", empty, src="en")
    with plan_parts(empty, text_path(folder / "data", "en")) as planned:
        assert planned.parts and planned.sentences == planned.sources <= rows


def decode(folder: Path, rows: int) -> None:
    for data in ("data", "extra"):
        decode_corpus(InstantTeacher(1), folder / data, folder / "store", src="en")


def replace(folder: Path, rows: int) -> None:
    replace_targets(folder / "data", folder / "store", folder / "synth", src="en", tgt="de")


def expand(folder: Path, rows: int) -> None:
    expand_targets(
        folder / "synth", folder / "extra", folder / "store", folder / "mono", src="en", tgt="de", prefix="e_"
    )


def tokenizers(folder: Path, rows: int) -> None:
    train_tokenizers(folder / "sample", folder / "models", langs=LANGS, vocabulary_size=VOCABULARY)


def tokens(folder: Path, rows: int) -> None:
    write_tokens(folder / "mono", folder / "tokens", langs=LANGS, tokenizers=folder / "models")


def first_batch(folder: Path, rows: int) -> None:
    """From the start of a training process to its first batch, torch's import left out."""
    from synthst.espnet.batches import ParallelTokens, TrainingBatches

    pairs = ParallelTokens(*(read_tokens(folder / "tokens", lang) for lang in LANGS))
    batches = TrainingBatches(
        pairs, batch_tokens=BATCH_TOKENS, steps_per_epoch=1_000, max_steps=1_000, seed=1
    )
    ids, _ = next(iter(batches.build_iter(1)))
    assert ids


def import_torch(folder: Path, rows: int) -> None:
    """What the step before holds that is no data."""
    import synthst.espnet.batches  # noqa: F401


STEPS = {
    "make the pairs": make_data,
    "stage 3: deduplicate, plan": plan,
    "stage 3: plan, store all": decode,
    "stage 4: replace targets": replace,
    "stage 5: expand by a tenth": expand,
    "tokenisers, 50k sentences": tokenizers,
    "stage 6: token arrays": tokens,
    "import torch and espnet": import_torch,
    "first training batch": first_batch,
}
NO_LONGER_WANTED = {  # folders that make room before a step
    "stage 5: expand by a tenth": ("data", "empty"),
    "stage 6: token arrays": ("synth", "store"),
    "first training batch": ("mono",),
}

if __name__ == "__main__":
    main()
