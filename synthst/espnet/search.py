"""Translate token sequences with an ESPnet encoder-decoder model, in batches."""

import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from hashlib import blake2b

import synthst.espnet.lean  # noqa: F401

# isort: split
import torch
from espnet2.mt.espnet_model import ESPnetMTModel
from torch import Tensor

from synthst.errors import ConfigError, DataError
from synthst.espnet.beam import search_encoded
from synthst.espnet.options import Hypothesis, SearchOptions
from synthst.espnet.stepdecoder import StepDecoder

__all__ = ["Hypothesis", "SearchOptions", "search", "search_batches"]

LARGEST_LOGITS = {"cpu": 2**26, "cuda": 2**30}
"""Numbers that a step computes: sentences times hypotheses times vocabulary."""


def search(
    model: ESPnetMTModel, sources: Sequence[Sequence[int]], options: SearchOptions
) -> list[list[Hypothesis]]:
    """Return the n-best hypotheses of every source, best first, in the order of ``sources``.

    Sources are ids of the model's source tokens without sos and eos. The search runs where the model
    is. Raises DataError for an empty source or an id that the model does not know, ConfigError for a
    model or options that cannot be served.
    """
    found: list[list[Hypothesis]] = [[] for _ in sources]
    for index, hypotheses in search_batches(model, sources, options):
        found[index] = hypotheses
    return found


def search_batches(
    model: ESPnetMTModel, sources: Sequence[Sequence[int]], options: SearchOptions
) -> Iterator[tuple[int, list[Hypothesis]]]:
    """Yield (index of the source, its n-best hypotheses) as batches are done, longest sources first."""
    check_model(model)
    check_sources(sources, model.src_vocab_size)
    dtype: torch.dtype = getattr(torch, options.dtype)
    decoder = StepDecoder(model.decoder, dtype)

    def search_batch(batch: list[int]) -> list[list[Hypothesis]]:
        chosen = [sources[index] for index in batch]
        encoded, lengths = encode_sources(model, chosen, dtype)
        keys = source_keys(chosen) if options.sampling else None
        return search_encoded(decoder, encoded, lengths, options, sos=model.sos, eos=model.eos, keys=keys)

    device = next(model.parameters()).device.type
    batches = plan_batches(
        [len(source) for source in sources],
        options.batch_tokens // options.width,
        max_sequences=LARGEST_LOGITS[device] // (options.width * decoder.vocabulary),
    )
    found_in = map_batches(search_batch, batches, parallel=device == "cpu")
    for batch, found in zip(batches, found_in, strict=True):
        yield from zip(batch, found, strict=True)


def map_batches[Result](
    function: Callable[[list[int]], Result], batches: Sequence[list[int]], *, parallel: bool
) -> Generator[Result]:
    """Yield the function's result for each batch, in their order.

    ``parallel``: torch's threads take a batch each instead of sharing every operation of one. The first batch
    comes before the others start: with the longest sources it lengthens all tables of positions, which
    ESPnet's modules do in place.
    """
    yield from map(function, batches[:1])
    threads = torch.get_num_threads()
    workers = min(threads, len(batches) - 1) if parallel else 1
    if workers < 2:
        yield from map(function, batches[1:])
        return
    torch.set_num_threads(threads // workers)
    try:
        with ThreadPoolExecutor(workers) as pool:
            yield from pool.map(function, batches[1:])
    finally:
        torch.set_num_threads(threads)


def check_model(model: ESPnetMTModel) -> None:
    """Raise ConfigError for a model whose outputs would be random or undefined."""
    if model.training:
        raise ConfigError(
            "the model is in training mode, where dropout is on; call model.eval() before the search"
        )
    if not model.src_vocab_size:
        raise ConfigError("the model has no source vocabulary (src_token_list), so it cannot read token ids")


def check_sources(sources: Sequence[Sequence[int]], vocabulary: int) -> None:
    """Raise DataError for the first source that is empty or has an id outside the vocabulary."""
    for index, source in enumerate(sources):
        if not source:
            raise DataError(f"source {index} (counted from 0) is empty; drop empty sentences before decoding")
        if min(source) < 0 or max(source) >= vocabulary:
            wrong = next(token for token in source if not 0 <= token < vocabulary)
            raise DataError(
                f"source {index} (counted from 0) has the token id {wrong}, "
                f"the model knows 0 to {vocabulary - 1}; "
                "were the sources tokenised with another model's vocabulary?"
            )


def plan_batches(
    lengths: Sequence[int], max_tokens: int, *, max_sequences: int = sys.maxsize
) -> list[list[int]]:
    """Group indices by length, longest first, so that no batch exceeds ``max_tokens`` with its padding.

    A sequence longer than that is a batch of its own. Sequences of one length keep their order.
    """
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        room = batches and len(batches[-1]) < max_sequences
        if not room or (len(batches[-1]) + 1) * lengths[batches[-1][0]] > max_tokens:
            batches.append([])
        batches[-1].append(index)
    return batches


@torch.inference_mode()
def encode_sources(
    model: ESPnetMTModel, sources: Sequence[Sequence[int]], dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor]:
    """Return the encoder's output (sources, longest + 1, size) and its lengths (sources,).

    The model puts its sos before each source. bfloat16 runs by autocast: the model stays as it is.
    """
    device = next(model.parameters()).device
    rows = [torch.tensor(source, dtype=torch.int64) for source in sources]
    padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=model.ignore_id)
    lengths = torch.tensor([len(source) for source in sources])
    with nullcontext() if dtype == torch.float32 else torch.autocast(device.type, dtype):
        encoded, lengths = model.encode(padded.to(device), lengths.to(device))
    return (encoded[0] if isinstance(encoded, tuple) else encoded), lengths


def source_keys(sources: Sequence[Sequence[int]]) -> Tensor:
    """Hash each source's tokens to an int64 (sources,), the same wherever the source stands."""
    digests = [blake2b(" ".join(map(str, source)).encode(), digest_size=8).digest() for source in sources]
    return torch.tensor(
        [int.from_bytes(digest, "little", signed=True) for digest in digests], dtype=torch.int64
    )
