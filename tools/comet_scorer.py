#!/usr/bin/env python3
"""Judge translations without references by a COMET model, for ``synthst replace_targets --select.by scorer``.

COMET wants other versions of libraries than synthst: give it an environment of its own, and its Python.

    python3 -m venv comet && comet/bin/pip install unbabel-comet 'setuptools<81'
    synthst replace_targets ... --select.by scorer \\
        --select.scorer "comet/bin/python tools/comet_scorer.py --model Unbabel/wmt22-cometkiwi-da --gpus 1"

Reads lines of source, tab, translation and writes a score for each, both in UTF-8; what libraries print goes
to standard error. The model must be one that needs no reference (Rei et al., "CometKiwi: IST-Unbabel 2022
Submission for the Quality Estimation Shared Task", WMT 2022): a name on Hugging Face (for that above you
accept its licence there first and log in), or a checkpoint, DIR/checkpoints/model.ckpt, with
DIR/hparams.yaml. Needs nothing of synthst.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from itertools import islice
from typing import IO, Any, NoReturn


def main() -> None:
    options = read_arguments()
    with take_standard_output() as answers:
        model = load_model(options.model)
        for pairs in read_pairs(sys.stdin.buffer, options.pairs_at_once):
            progress = sys.stderr.isatty()
            predicted = model.predict(
                pairs, batch_size=options.batch_size, gpus=options.gpus, progress_bar=progress
            )
            answers.writelines(f"{float(score):.6f}\n" for score in predicted.scores)
            answers.flush()


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True, help="a name on Hugging Face, or a file of weights")
    parser.add_argument("--gpus", type=int, default=0)
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--pairs_at_once", type=int, default=20_000, help="how many are in memory at once")
    return parser.parse_args()


def take_standard_output() -> IO[str]:
    """Return what was standard output; whatever is printed from now on goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    return answers


def load_model(name: str) -> Any:
    """Load a model of quality estimation."""
    try:
        from comet import download_model, load_from_checkpoint
    except ImportError as error:
        stop(f"COMET cannot be imported ({error}); run this by the Python of an environment that has it")
    model = load_from_checkpoint(name if os.path.isfile(name) else download_model(name))
    if model.requires_references():
        stop(f"{name} needs references; name a model of quality estimation, as Unbabel/wmt22-cometkiwi-da")
    return model


def read_pairs(lines: IO[bytes], pairs_at_once: int) -> Iterator[list[dict[str, str]]]:
    """Yield lists of sources and translations as COMET takes them."""
    numbered = enumerate(lines, 1)
    while chunk := list(islice(numbered, pairs_at_once)):
        yield [parse_pair(line, number) for number, line in chunk]


def parse_pair(line: bytes, number: int) -> dict[str, str]:
    """Split a line into source and translation."""
    fields = line.decode("utf-8").removesuffix("\n").split("\t")
    if len(fields) != 2:
        stop(f"line {number} has {len(fields)} columns; write source, tab, translation")
    return {"src": fields[0], "mt": fields[1]}


def stop(message: str) -> NoReturn:
    """End with an error."""
    print(f"comet_scorer: {message}", file=sys.stderr)
    sys.exit(1)


if __name__ == "__main__":
    main()
