"""Measure training: stock ESPnet (mt_train, st_train) against ours, with the same model, start and batches.

    python benchmarks/train.py                                   # text: 6x6, width 512, vocabulary 32,000
    python benchmarks/train.py --preset small --rounds 30        # 3x3, width 256, vocabulary 4,000
    python benchmarks/train.py --task st --preset small          # speech: a small Conformer
    python benchmarks/train.py --tokens data/tokens_train --langs en-de --vocabulary 4002

Each side is a process of its own and trains with ESPnet's trainer; they take turns, a few batches each, so
that other work on the machine burdens both. On a CPU the ratio is one of processor time. The losses of all
batches go into losses.tsv and a plot; everything that is known is written after every round.
"""

import argparse
import json
import multiprocessing
import platform
import tempfile
import time
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from train_side import Options, Round, make_work, serve, training_flops
from train_work import Work

from synthst.atomic import atomic_file
from synthst.espnet.config import ModelConfig
from synthst.espnet.speech_config import SpeechModelConfig

PEAK_TFLOPS = {"H200": 989.0, "H100": 989.0, "A100": 312.0, "L40S": 362.0, "RTX 4090": 165.0, "V100": 125.0}
"""Dense bfloat16 (V100: float16) peaks of NVIDIA's data sheets, for the SXM versions."""
SMALL_SPEECH = {
    "encoder_layers": 6,
    "decoder_layers": 3,
    "width": 144,
    "feedforward": 576,
    "heads": 4,
    "kernel": 15,
}
MODELS: dict[tuple[str, str], tuple[ModelConfig | SpeechModelConfig, int, float]] = {
    ("mt", "small"): (ModelConfig(3, 3, 256, 1024, 4), 4_000, 1_500),
    ("mt", "full"): (ModelConfig(), 32_000, 1_000),
    ("st", "small"): (SpeechModelConfig(**SMALL_SPEECH), 1_000, 60),
    ("st", "full"): (SpeechModelConfig(), 8_000, 60),
}
"""Model, vocabulary and size of a batch, in source positions or seconds, unless --batch gives another."""


@dataclass
class Runner:
    """A side's process and what it answered."""

    pipe: Connection
    rounds: list[Round] = field(default_factory=list)

    def sum(self, name: str) -> float:
        """Return seconds of all rounds but the first, which warms up."""
        return sum(getattr(one, name) for one in self.rounds[1:])


def main() -> None:
    given = read_arguments()
    given.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        options = make_options(given, Path(folder) / "start.pth")
        work = make_work(options)
        print(describe(options, given, work))
        runners = {side: start(replace(options, side=side)) for side in choose_sides(given)}
        ends = time.monotonic() + 60 * given.minutes
        for number in range(given.rounds):
            if number > 1 and time.monotonic() > ends:
                break
            chosen = [(number * given.batches + place) % len(work.batches) for place in range(given.batches)]
            train_round(runners, chosen)
            write_results(given, options, work, runners)
        for runner in runners.values():
            runner.pipe.send(None)
    print((given.out / "train.txt").read_text(encoding="utf-8"))


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--task", choices=["mt", "st"], default="mt")
    parser.add_argument("--preset", choices=["small", "full"], default="full")
    parser.add_argument("--batch", type=float, help="source positions, or seconds of audio")
    parser.add_argument("--batches", type=int, default=2, help="in a round")
    parser.add_argument("--rounds", type=int, default=6, help="the first warms up and is not counted")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no round after so many")
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--learning_rate", type=float, default=1e-3)
    parser.add_argument("--tokens", type=Path, help="token arrays of stage 6, instead of a made-up cipher")
    parser.add_argument("--langs", default="en-de", help="of --tokens")
    parser.add_argument("--vocabulary", type=int, help="of --tokens, or of the made-up words")
    parser.add_argument(
        "--sides", nargs="+", help="of stock, stock_amp (GPU), ours_float32, ours, ours_compiled"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--ngpu", type=int, choices=[0, 1], default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("exp/benchmark_train"), help="folder of the results")
    return parser.parse_args()


def make_options(given: argparse.Namespace, start: Path) -> Options:
    """Return the options of the first side."""
    model, vocabulary, batch = MODELS[given.task, given.preset]
    return Options(
        task=given.task,
        side="ours",
        model=replace(model, dropout=given.dropout, attention_dropout=given.dropout),
        vocabulary=given.vocabulary or vocabulary,
        batch=given.batch or batch,
        batches=given.rounds * given.batches,
        learning_rate=given.learning_rate,
        threads=given.threads,
        ngpu=given.ngpu,
        seed=given.seed,
        start=start,
        tokens=given.tokens,
        langs=given.langs,
    )


def choose_sides(given: argparse.Namespace) -> list[str]:
    """Return the sides, stock first: the others are compared with it."""
    ours = ["stock_amp", "ours", "ours_compiled"] if given.ngpu else ["ours_float32", "ours"]
    return given.sides or ["stock", *ours]


def start(options: Options) -> Runner:
    """Start a side's process and wait until its model is built: the first one saves the weights for all."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    context.Process(target=serve, args=(options, there), daemon=True).start()
    there.close()
    assert here.recv() == "ready"
    return Runner(here)


def train_round(runners: dict[str, Runner], chosen: list[int]) -> None:
    """Let each side train on the batches ``chosen``; one that ends, as without a C compiler, is left out."""
    for side, runner in list(runners.items()):
        try:
            runner.pipe.send(chosen)
            runner.rounds.append(runner.pipe.recv())
        except (EOFError, ConnectionError):
            print(f"{side} has ended, see the error above; the others go on")
            del runners[side]


def describe(options: Options, given: argparse.Namespace, work: Work) -> str:
    """Say what is measured, and where."""
    unit = "target tokens" if options.task == "mt" else "seconds of audio"
    return (
        f"{machine(options.ngpu)}, {options.threads} threads, torch {torch.__version__}; {options.task} "
        f"{given.preset}, vocabulary {options.vocabulary:,}, dropout {given.dropout}; "
        f"{np.mean(work.amounts):,.0f} {unit} a batch, {work.padding:.0%} of the decoder's positions padding"
    )


def machine(ngpu: int) -> str:
    """Name the GPU or the processor."""
    if ngpu:
        return torch.cuda.get_device_name()
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return names[0].split(": ")[1] if names else platform.processor()


def write_results(
    given: argparse.Namespace, options: Options, work: Work, runners: dict[str, Runner]
) -> None:
    """Write the table, the numbers, the losses and the plot of what has been measured so far."""
    rows = (
        [measure(options, work, side, runner, runners["stock"]) for side, runner in runners.items()]
        if "stock" in runners
        else []
    )
    text = "\n".join([describe(options, given, work), "", *format_table(rows, options), ""])
    write(given.out / "train.txt", text)
    write(
        given.out / "train.json",
        json.dumps({"description": describe(options, given, work), "sides": rows}, indent=1),
    )
    losses = {
        side: [loss for one in runner.rounds for loss in one.losses] for side, runner in runners.items()
    }
    lines = [
        "\t".join(["batch", *losses]),
        *(
            "\t".join([str(number), *(f"{one:.6g}" for one in row)])
            for number, row in enumerate(zip(*losses.values(), strict=True), 1)
        ),
    ]
    write(given.out / "losses.tsv", "".join(f"{line}\n" for line in lines))
    plot(losses, given.out / "losses.png", describe(options, given, work))


def write(path: Path, text: str) -> None:
    with atomic_file(path) as file:
        file.write(text.encode())


def measure(options: Options, work: Work, side: str, runner: Runner, stock: Runner) -> dict[str, Any]:
    """Return the numbers of one side; a second is one of processor time on a CPU, of wall clock on a GPU."""
    first = len(runner.rounds[0].losses)
    count = sum(len(one.losses) for one in runner.rounds)
    counted = [number % len(work.batches) for number in range(first, count)]
    clock = "wall" if options.ngpu else "processor"
    seconds = runner.sum(clock)
    losses = np.array([loss for one in runner.rounds for loss in one.losses])
    others = np.array([loss for one in stock.rounds for loss in one.losses])
    row: dict[str, Any] = {
        "side": side,
        "batches": len(counted),
        "seconds": seconds,
        "wall": runner.sum("wall"),
    }
    if not counted:
        return row
    row["rate"] = sum(work.amounts[number] for number in counted) / seconds
    row["ratio"] = stock.sum(clock) / seconds
    row["peak_mb"] = runner.rounds[-1].peak_mb
    row["last_loss"] = float(losses[-max(1, count // 10) :].mean())
    row["loss_difference"] = float(np.abs(losses - others).max())
    flops = sum(training_flops(options, work.batches[number]) for number in counted)
    row["tflops"] = flops / row["wall"] / 1e12
    peak = next((peak for name, peak in PEAK_TFLOPS.items() if options.ngpu and name in machine(1)), None)
    row["mfu"] = row["tflops"] / peak if peak else None
    return row


def format_table(rows: list[dict[str, Any]], options: Options) -> list[str]:
    unit = "tokens/s" if options.task == "mt" else "audio s/s"
    clock = "wall clock" if options.ngpu else "processor time"
    head = f"{'side':14}{unit:>11}{'ratio':>7}{'peak MB':>9}{'TFLOP/s':>9}{'of peak':>9}"
    head += f"{'last loss':>11}{'max. apart':>12}"
    precision = "; stock computes in float32, without TF32" if options.ngpu else ""
    lines = [f"rates by {clock}, {rows[0]['batches'] if rows else 0} batches{precision}", head]
    for row in rows:
        if "rate" not in row:
            continue
        share = f"{row['mfu']:.1%}" if row["mfu"] else "-"
        lines.append(
            f"{row['side']:14}{row['rate']:>11,.1f}{row['ratio']:>7.2f}{row['peak_mb']:>9,.0f}"
            f"{row['tflops']:>9.3f}{share:>9}{row['last_loss']:>11.4f}{row['loss_difference']:>12.4f}"
        )
    return lines


def plot(losses: dict[str, list[float]], path: Path, title: str) -> None:
    """Draw the losses of all sides, batch by batch."""
    figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
    for number, (side, values) in enumerate(losses.items()):
        axes.plot(range(1, len(values) + 1), values, label=side, linestyle=["-", "--", ":"][number % 3])
    axes.set(xlabel="batch", ylabel="training loss (nats)")
    axes.set_title(title, fontsize=7, wrap=True)
    axes.locator_params(axis="x", integer=True)
    axes.legend()
    figure.savefig(path, dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    main()
