"""Ask filters of each pair by itself, in this process or in several."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from itertools import batched, chain
from typing import NamedTuple

from synthst.errors import ConfigError
from synthst.processes import forked_pool
from synthst.targets.filters.spec import CorpusFilter, FilterSpec, Pair, PairFilter, Value

BATCH = 2_000  # pairs that a process gets at a time; fewer in all are not worth a process


class Judgement(NamedTuple):
    """What filters, which go by their numbers, say of a pair by itself."""

    fallen: int | None
    """The first that drops it."""
    values: list[tuple[int, Value]]
    """What those before it compare with other pairs'."""
    unknown: list[int]
    """Those before it that could not judge it."""


class Judge:
    """The filters of a list; every process has one."""

    def __init__(self, specs: Sequence[FilterSpec], src: str, tgt: str) -> None:
        """Let the filters read what they need.

        Raises ConfigError for one that cannot work with these languages.
        """
        self._filters = [
            (number, spec, spec.test(src, tgt) if isinstance(spec, PairFilter) else None)
            for number, spec in enumerate(specs)
        ]

    def __call__(self, pair: Pair) -> Judgement:
        """Judge a pair; raises ConfigError when a filter needs what is not known of it."""
        values: list[tuple[int, Value]] = []
        unknown: list[int] = []
        for number, spec, test in self._filters:
            if spec.needs and getattr(pair, spec.needs) is None:
                refuse_unknown(spec, pair)
                unknown.append(number)
            elif isinstance(spec, CorpusFilter):
                values.append((number, spec.value(pair)))
            elif test is not None and test(pair):
                return Judgement(number, values, unknown)
        return Judgement(None, values, unknown)


def refuse_unknown(spec: FilterSpec, pair: Pair) -> None:
    """Raise ConfigError unless the filter's options say that what it cannot judge is kept."""
    if getattr(spec, "unknown", "error") == "error":
        found = f"filter {spec.name} needs to know of {pair.id} what only a translation store says"
        raise ConfigError(
            f"{found} ({spec.needs}); filter in replace_targets, write unknown: keep to keep what cannot "
            "be judged, or leave the filter out"
        )


@contextmanager
def judged(judge: Judge, pairs: Iterator[Pair], workers: int) -> Iterator[Iterator[tuple[Pair, Judgement]]]:
    """Give the pairs, in their order, with what ``judge`` says of them.

    Processes are started on entry, so that threads may be started after it.
    """
    batches = batched(pairs, BATCH)
    first = next(batches, ())
    if workers == 1 or len(first) < BATCH:
        yield ((pair, judge(pair)) for pair in chain(first, chain.from_iterable(batches)))
        return
    with forked_pool(workers, _keep, (judge,)) as pool:
        waiting = deque([(first, pool.submit(_judge_batch, first))])

        def results() -> Iterator[tuple[Pair, Judgement]]:
            for batch in batches:
                waiting.append((batch, pool.submit(_judge_batch, batch)))
                if len(waiting) > 2 * workers:
                    yield from _first_of(waiting)
            while waiting:
                yield from _first_of(waiting)

        yield results()


_judge: Judge
"""This process's, in one of a pool."""


def _keep(judge: Judge) -> None:
    global _judge
    _judge = judge


def _judge_batch(pairs: Sequence[Pair]) -> list[Judgement]:
    return [_judge(pair) for pair in pairs]


def _first_of(
    waiting: deque[tuple[tuple[Pair, ...], Future[list[Judgement]]]],
) -> Iterator[tuple[Pair, Judgement]]:
    pairs, judgements = waiting.popleft()
    return zip(pairs, judgements.result(), strict=True)
