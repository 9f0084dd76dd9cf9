"""Find the targets with faults, as the filters of the same names define them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthst.audit.languages import FILTER as LANGUAGE
from synthst.audit.pairs import Floats, in_processes
from synthst.targets.filter import Pair, parse_filters


@dataclass(frozen=True)
class Fault:
    """What can be wrong with a target: the filter's name, a word to label it with, title and meaning."""

    name: str
    label: str
    title: str
    explanation: str


FAULTS = (
    Fault("cut_off", "cut off", "Cut off", "The search reached its length limit before an end."),
    Fault("repetition", "loop", "Loops", "Words or characters go round in circles, the source's do not."),
    Fault("copy", "copy", "Copies", "Nine tenths of the words, or more, are the source's."),
    Fault("length_ratio", "length", "Strange lengths", "Three times as long as the source, or a third."),
    Fault("language", "language", "Another language", "By py3langid, which errs, too."),
)
_TESTED = ("repetition", "copy", "length_ratio")

Flags = NDArray[np.bool_]


def find_faults(
    sources: Sequence[str],
    targets: Sequence[str],
    *,
    src: str,
    tgt: str,
    other_language: Floats | None,
    cut_off: Flags | None,
    workers: int = 1,
) -> dict[str, Flags]:
    """Return by fault which pairs have it, shape (pairs,), for the faults that can be told.

    ``other_language`` and ``cut_off`` are None where nobody knows.
    """
    tested = in_processes(partial(_test, src=src, tgt=tgt), sources, targets, workers=workers)
    found = {"cut_off": cut_off} | dict(zip(_TESTED, tested.T, strict=True))
    if other_language is not None:
        found["language"] = other_language > 1 - LANGUAGE.min_probability
    return {fault.name: flags for fault in FAULTS if (flags := found.get(fault.name)) is not None}


def _test(sources: Sequence[str], targets: Sequence[str], *, src: str, tgt: str) -> NDArray[Any]:
    """Return the verdicts of the filters with their default options, shape (pairs, filters)."""
    specs: list[Any] = list(parse_filters([{"name": name} for name in _TESTED]))
    tests = [spec.test(src, tgt) for spec in specs]
    pairs = (Pair("", source, target) for source, target in zip(sources, targets, strict=True))
    return np.array([[test(pair) for test in tests] for pair in pairs], bool)
