"""Choose utterances by a hash of their ids: whatever else there is, and nested from size to size."""

from bisect import bisect_left
from collections.abc import Callable
from hashlib import blake2b
from itertools import accumulate
from pathlib import Path

from synthst.errors import DataError
from synthst.tables import read_table

_BIN_BITS = 12
_LOW_BITS = 128 - _BIN_BITS


def choose_ids(table: Path, size: int, *, seed: int = 0) -> Callable[[str], bool]:
    """Make a test that ``size`` ids of a table pass.

    The choice depends on ids and seed only, and a smaller one of the same seed is inside a larger one.
    Raises DataError when the table has fewer.
    """
    largest = _largest_digest(table, size, seed)
    return lambda utterance: _digest(utterance, seed) <= largest


def _largest_digest(table: Path, size: int, seed: int) -> int:
    """Find the ``size``-th smallest digest of the ids: count them in bins, then sort one bin only."""
    bins = [0] * 2**_BIN_BITS
    for utterance, _ in read_table(table):
        bins[_digest(utterance, seed) >> _LOW_BITS] += 1
    if not 0 < size <= sum(bins):
        raise DataError(
            f"{table.parent} has {sum(bins):,} utterances, {size:,} were wanted; ask for 1 to {sum(bins):,}"
        )
    ends = list(accumulate(bins))
    chosen = bisect_left(ends, size)
    digests = (_digest(utterance, seed) for utterance, _ in read_table(table))
    inside = sorted(digest for digest in digests if digest >> _LOW_BITS == chosen)
    return inside[size - ends[chosen] - 1]


def _digest(utterance: str, seed: int) -> int:
    return int.from_bytes(blake2b(f"{seed} {utterance}".encode(), digest_size=16).digest())
