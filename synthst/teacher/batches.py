"""Group sentences of similar length into batches."""

from collections.abc import Sequence


def plan_batches(lengths: Sequence[int], *, max_tokens: int, max_sentences: int) -> list[list[int]]:
    """Group indices by length, the longest first, within ``max_tokens`` with the padding to the longest.

    A sentence longer than that is a batch of its own. Sentences of one length keep their order.
    """
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        room = batches and len(batches[-1]) < max_sentences
        if not room or (len(batches[-1]) + 1) * lengths[batches[-1][0]] > max_tokens:
            batches.append([])
        batches[-1].append(index)
    return batches
