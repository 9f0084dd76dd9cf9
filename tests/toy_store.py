"""A translation store of n-best lists that a test writes down."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from synthst.store import StoreRow, open_store, write_part


def write_store(
    store: Path, lists: Mapping[str, Sequence[str]], *, nbest: int = 4, cut_off: str = "..."
) -> Path:
    """Make a store with one part: for each source its hypotheses, scores 0, -1, ...

    A hypothesis that ends in ``cut_off`` is not finished; each has as many tokens as words.
    """
    open_store(store, {"kind": "fake", "name": "fake"}, {"nbest": nbest})
    rows = [
        StoreRow(source, rank, text, float(-rank), len(text.split()), not text.endswith(cut_off))
        for source, texts in lists.items()
        for rank, text in enumerate(texts)
    ]
    write_part(store, rows)
    return store
