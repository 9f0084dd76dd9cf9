"""Run copies of an encoder on several threads, each on one utterance at a time.

A thread per utterance uses a processor's cores better than several threads inside each of the encoder's many
small operations. ESPnet's modules change themselves as they compute (they lengthen their tables of
positions), so every thread has modules of its own, over the same weights.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from copy import copy, deepcopy
from itertools import chain

import synthst.espnet.lean  # noqa: F401

# isort: split
import torch
from espnet2.asr.espnet_model import ESPnetASRModel
from espnet2.st.espnet_model import ESPnetSTModel
from torch import Tensor

type SpeechModel = ESPnetASRModel | ESPnetSTModel
type Encode = Callable[[SpeechModel, Tensor], Tensor]


class EncoderPool:
    """Encode batches ahead of whoever reads them, one batch at most.

    What the reader computes meanwhile has `reader_threads` of torch's threads: the pool uses the others, or
    on fewer than four all of them.
    """

    def __init__(self, encode: Encode, model: SpeechModel, threads: int) -> None:
        """Prepare ``threads`` threads that call ``encode`` with copies of ``model`` and an utterance."""
        self.reader_threads = max(1, threads // 4)
        self._encode, self._model = encode, model
        self._local = threading.local()
        others = threads - self.reader_threads if threads >= 4 else threads
        self._executor = ThreadPoolExecutor(others, "encoder", self._start_thread)

    def encode_batches(self, batches: Iterable[Sequence[Tensor]]) -> Iterator[list[Tensor]]:
        """Yield the encoded utterances (frames, size) of each batch while the next one is being encoded.

        Until the last one torch computes on `reader_threads` here.
        """
        waiting: list[Future[Tensor]] = []
        threads = torch.get_num_threads()
        torch.set_num_threads(self.reader_threads)
        try:
            for number, features in enumerate(batches):
                before, waiting = waiting, [self._executor.submit(self._encode_one, one) for one in features]
                if number:
                    yield [one.result() for one in before]
            if waiting:
                yield [one.result() for one in waiting]
        finally:
            for one in waiting:
                one.cancel()
            torch.set_num_threads(threads)

    def _start_thread(self) -> None:
        torch.set_num_threads(1)
        self._local.model = with_modules_of_its_own(self._model)

    def _encode_one(self, features: Tensor) -> Tensor:
        return self._encode(self._local.model, features)


def with_modules_of_its_own(model: SpeechModel) -> SpeechModel:
    """Return a view on ``model`` that has another encoder over the same weights."""
    view = copy(model)
    view._modules = dict(model._modules)
    weights = chain(model.encoder.parameters(), model.encoder.buffers())
    view.encoder = deepcopy(model.encoder, {id(weight): weight for weight in weights})
    return view
