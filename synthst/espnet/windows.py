"""Cut a corpus that is too large to sort as a whole into windows that are planned one at a time."""

import numpy as np

BLOCK = 4_096  # neighbouring rows that stay together
WINDOW = 1 << 20  # rows whose lengths are sorted at a time


class Windows:
    """A fixed partition of row numbers into ``count`` windows of about ``window`` rows.

    A window is made of blocks of neighbouring rows, drawn from the whole corpus, so that corpora which lie
    one behind the other are mixed in it. A corpus of up to one and a half windows is a single one.
    """

    def __init__(self, rows: int, seed: int, *, window: int = WINDOW, block: int = BLOCK) -> None:
        """Draw the blocks of every window; this takes eight bytes for each block."""
        self.rows, self.seed, self.block = rows, seed, block
        self.count = max(1, round(rows / window))
        blocks = np.arange(-(-rows // block))
        if self.count > 1:
            blocks = np.random.default_rng((seed, rows)).permutation(blocks)
        self.blocks = np.array_split(blocks, self.count)

    def rows_of(self, window: int) -> np.ndarray:
        """Return the rows of a window, (rows,) int64."""
        starts = np.sort(self.blocks[window]) * self.block
        rows = (starts[:, None] + np.arange(self.block)).reshape(-1)
        return rows[rows < self.rows]

    def order(self, number: int) -> list[int]:
        """Return the windows in the order in which the pass ``number`` (from 0) takes them."""
        if self.count == 1:
            return [0]
        order: list[int] = np.random.default_rng((self.seed, number)).permutation(self.count).tolist()
        return order
