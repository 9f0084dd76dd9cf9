"""Batches searched at the same time give what they give one after the other."""

import threading
from collections.abc import Iterator

import pytest
import torch
from test_search import assert_same, make_sources, tiny_model

from synthst.espnet.options import SearchOptions
from synthst.espnet.search import map_batches, search

SECONDS = 20  # after which a test that waits in vain fails
BATCHES = [[0], [1], [2], [3], [4]]


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("top_k", [0, 5])
def test_hypotheses_do_not_depend_on_the_threads(top_k: int, two_threads: None) -> None:
    model, sources = tiny_model(3), make_sources(10, 3, longest=5)
    options = SearchOptions(nbest=2, top_k=top_k, batch_tokens=20, max_extra=1)
    together = search(model, sources, options)
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)
    assert_same(together, search(model, sources, options))


def test_two_batches_are_searched_at_once_on_a_thread_each(two_threads: None) -> None:
    both, threads = threading.Barrier(2, timeout=SECONDS), []

    def meet(batch: list[int]) -> int:
        if batch != BATCHES[0]:
            both.wait()  # breaks unless another one comes
            threads.append(torch.get_num_threads())
        return batch[0]

    assert list(map_batches(meet, BATCHES, parallel=True)) == [0, 1, 2, 3, 4]
    assert threads == [1, 1, 1, 1]
    assert torch.get_num_threads() == 2


def test_the_first_batch_is_done_before_the_others_begin(two_threads: None) -> None:
    done: list[int] = []

    def note(batch: list[int]) -> bool:
        done.append(batch[0])
        return 0 in done[:1]

    assert all(map_batches(note, BATCHES, parallel=True))
    assert sorted(done) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("parallel", [True, False])
@pytest.mark.parametrize("batches", [[], [[7]], [[7], [8]]])
def test_few_batches_are_batches_too(batches: list[list[int]], parallel: bool, two_threads: None) -> None:
    assert list(map_batches(sum, batches, parallel=parallel)) == [sum(batch) for batch in batches]


def test_an_error_or_a_reader_who_has_enough_leaves_the_threads_as_they_were(two_threads: None) -> None:
    def fail(batch: list[int]) -> int:
        return 1 // (3 - batch[0])

    with pytest.raises(ZeroDivisionError):
        list(map_batches(fail, BATCHES, parallel=True))
    assert torch.get_num_threads() == 2
    reader = map_batches(sum, BATCHES, parallel=True)
    assert [next(reader), next(reader)] == [0, 1]
    reader.close()
    assert torch.get_num_threads() == 2
