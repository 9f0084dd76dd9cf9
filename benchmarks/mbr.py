"""Measure the choice of targets by minimum Bayes risk against sacreBLEU's own sentence scores.

    python benchmarks/mbr.py                                     # made-up lists of eight
    python benchmarks/mbr.py --store exp/teacher/beam8 --data data/train --src en

Made-up hypotheses have 20 words of 1 to 10 letters; they are a sentence in which some words are left out,
changed or swapped, so that they are as alike as a beam's. Nothing here uses more than one thread, and what is
told is sentences per second of CPU time: per second, if nothing else runs.
"""

import argparse
import platform
import random
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from synthst.nbest import read_nbest
from synthst.targets.mbr import expected_utility

Lists = Sequence[Sequence[str]]


def main() -> None:
    options = read_arguments()
    lists = read_lists(options) if options.store else make_lists(options.sentences, options.hypotheses)
    sizes = [len(texts) for texts in lists]
    characters = [len(text) for texts in lists for text in texts]
    print(f"{platform.processor() or platform.machine()}, numpy {np.__version__}, one process")
    made_of = f"{np.mean(sizes):.1f} hypotheses of {np.mean(characters):.0f} characters each"
    print(f"{len(lists)} sentences, {made_of}\n")
    print("utility  synthst sentences/s  sacreBLEU sentences/s  ratio  equal choices")
    for metric, scorer in (("chrf", CHRF()), ("bleu", BLEU(effective_order=True))):
        ours, speed = measure(lists, lambda texts: expected_utility(texts, metric, "de"))  # noqa: B023
        few = lists[: options.sacrebleu_sentences]
        theirs, their_speed = measure(few, lambda texts: mean_scores(texts, scorer))  # noqa: B023
        equal = sum(one == other for one, other in zip(ours, theirs, strict=False))
        print(
            f"{metric:<7}  {speed:>19,.0f}  {their_speed:>21,.1f}  {speed / their_speed:>5.0f}  "
            f"{equal} of {len(few)}"
        )


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--store", type=Path, help="a translation store with n-best lists")
    parser.add_argument("--data", type=Path, help="a data directory with its sources")
    parser.add_argument("--src", default="en")
    parser.add_argument("--sentences", type=int, default=1000)
    parser.add_argument("--hypotheses", type=int, default=8)
    parser.add_argument("--sacrebleu_sentences", type=int, default=50)
    return parser.parse_args()


def read_lists(options: argparse.Namespace) -> Lists:
    """Read the first lists of a store."""
    with read_nbest(options.store, options.data / f"text.{options.src}") as nbest:
        found = islice(nbest.lists(), options.sentences)
        return [[one.text for one in entry.hypotheses[: options.hypotheses]] for entry in found]


def make_lists(sentences: int, hypotheses: int, *, seed: int = 0) -> Lists:
    """Make lists up."""
    chance = random.Random(seed)
    letters = "eeeeennniiissrrattdhulcgmobwfkzpv"
    words = ["".join(chance.choices(letters, k=chance.randint(1, 10))) for _ in range(5000)]
    origins = [chance.choices(words, k=20) for _ in range(sentences)]
    return [[vary(origin, words, chance) for _ in range(hypotheses)] for origin in origins]


def vary(origin: Sequence[str], words: Sequence[str], chance: random.Random) -> str:
    """Leave out, change and swap one word in ten each."""
    kept = [
        chance.choice(words) if chance.random() < 0.1 else word for word in origin if chance.random() > 0.1
    ]
    for place in range(1, len(kept)):
        if chance.random() < 0.1:
            kept[place - 1], kept[place] = kept[place], kept[place - 1]
    return " ".join(kept)


def mean_scores(texts: Sequence[str], scorer: BLEU | CHRF) -> np.ndarray:
    """Do with sacreBLEU what `expected_utility` does."""
    return np.array([np.mean([scorer.sentence_score(hyp, [ref]).score for ref in texts]) for hyp in texts])


def measure(lists: Lists, utility: Callable[[Sequence[str]], np.ndarray]) -> tuple[list[int], float]:
    """Choose from every list; return the choices and sentences per CPU second."""
    utility(lists[0])  # load the tokenizer
    start = time.process_time()
    choices = [int(utility(texts).round(6).argmax()) for texts in lists]
    return choices, len(lists) / (time.process_time() - start)


if __name__ == "__main__":
    main()
