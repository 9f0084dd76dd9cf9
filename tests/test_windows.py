"""Windows of a large corpus: every row once a pass, mixed, and read one at a time."""

from typing import Any

import numpy as np
from test_batches import make_batches, make_pairs

from synthst.espnet.batches import ParallelTokens
from synthst.espnet.windows import Windows


def test_windows_hold_every_row_once_and_mix_the_corpus() -> None:
    windows = Windows(10_000, 1, window=1_000, block=50)
    assert windows.count == 10
    rows = [windows.rows_of(window) for window in range(10)]
    assert sorted(np.concatenate(rows)) == list(range(10_000))
    assert max(map(len, rows)) <= 1_000
    assert all(part.min() < 3_000 and part.max() >= 7_000 for part in rows)
    assert sorted(windows.order(0)) == sorted(windows.order(1)) == list(range(10))
    assert windows.order(0) != windows.order(1)


def test_a_window_for_the_whole_corpus_is_the_corpus() -> None:
    windows = Windows(10_001, 1, window=7_000, block=50)
    assert windows.rows_of(0).tolist() == list(range(10_001)) and windows.order(5) == [0]


def test_passes_over_windows_hold_every_sentence_once_however_they_are_resumed() -> None:
    pairs = make_pairs(20_000)
    batches = make_batches(pairs, window=5_000, steps_per_epoch=100, max_steps=10**6)
    assert batches.windows.count == 4
    a_pass = sum(map(batches.count_batches, range(4)))
    epochs = -(-2 * a_pass // 100)
    rows = [tuple(batch) for epoch in range(1, epochs + 1) for batch in batches.plan_epoch(epoch)]
    for number in (0, 1):
        taken = rows[number * a_pass : (number + 1) * a_pass]
        assert sorted(row for batch in taken for row in batch) == list(range(20_000))
    assert set(rows[:a_pass]) != set(rows[a_pass : 2 * a_pass])
    resumed = make_batches(pairs, window=5_000, steps_per_epoch=100, max_steps=10**6)
    assert [tuple(batch) for batch in resumed.plan_epoch(epochs)] == rows[(epochs - 1) * 100 :]


def test_windows_read_the_lengths_of_the_window_at_hand_only() -> None:
    pairs, asked = make_pairs(20_000), set()

    class Watched(ParallelTokens):
        def bucket_keys(self, bucket_by: Any, rows: np.ndarray | None = None) -> list[np.ndarray]:
            assert rows is not None
            asked.add(len(rows))
            return super().bucket_keys(bucket_by, rows)

    batches = make_batches(Watched(pairs.src, pairs.tgt), window=5_000, steps_per_epoch=100, max_steps=100)
    planned = batches.plan_epoch(1)
    window = set(batches.windows.rows_of(batches.windows.order(0)[0]).tolist())
    assert asked == {len(window)} and {int(row) for batch in planned for row in batch} <= window
