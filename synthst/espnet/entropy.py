"""Measure the entropy of a model's next-token distributions (the paper's Table 8)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import batched
from typing import Any

import synthst.espnet.lean  # noqa: F401

# isort: split
import torch
from torch import Tensor

from synthst.espnet.load import TrainedModel
from synthst.espnet.options import Hypothesis, SearchOptions
from synthst.espnet.search import encode_sources, plan_batches, search

LOGITS_AT_A_TIME = 2**24  # 64 MiB of float32, and a few copies


@dataclass(frozen=True)
class SentenceEntropies:
    """Entropies in nats along a sentence, one for each next token, the end of the sentence included.

    ``reference`` are after the beginnings of the reference, as many as its tokens and one for the end;
    ``own`` after those of the model's own translation, as many as tokens that the search chose: with the
    end if it ``finished``, without one if the length limit cut it off.
    """

    reference: list[float]
    own: list[float]
    finished: bool


def text_entropies(
    trained: TrainedModel, sources: Sequence[str], references: Sequence[str], options: SearchOptions
) -> list[SentenceEntropies]:
    """Return the entropies for every sentence; ``options`` say how its own translation is searched.

    Teacher-forced in float32, without dropout or label smoothing, over the model's whole vocabulary.
    """
    encoded_sources = [trained.src_tokenizer.encode(source) for source in sources]
    hypotheses = [found[0] for found in search(trained.model, encoded_sources, options)]
    prefixes = [
        (trained.tgt_tokenizer.encode(reference), chosen_prefix(hypothesis))
        for reference, hypothesis in zip(references, hypotheses, strict=True)
    ]
    lengths = [
        1 + max(len(source), *map(len, pair)) for source, pair in zip(encoded_sources, prefixes, strict=True)
    ]
    found: dict[int, SentenceEntropies] = {}
    for batch in plan_batches(lengths, options.batch_tokens):
        encoded = encode_sources(trained.model, [encoded_sources[index] for index in batch])
        columns = measure_encoded(trained.model, *encoded, [prefixes[index] for index in batch])
        for index, (reference, own) in zip(batch, columns, strict=True):
            found[index] = SentenceEntropies(reference, own, hypotheses[index].finished)
    return [found[index] for index in range(len(sources))]


def chosen_prefix(hypothesis: Hypothesis) -> tuple[int, ...]:
    """Return the tokens that another was chosen after: all, but for the last one of a cut-off hypothesis."""
    return hypothesis.tokens if hypothesis.finished else hypothesis.tokens[:-1]


def measure_encoded(
    model: Any, encoded: Tensor, lengths: Tensor, prefixes: Sequence[Sequence[Sequence[int]]]
) -> list[list[list[float]]]:
    """Return what `prefix_entropies` gives for each of a sentence's prefixes, of which all have as many.

    ``encoded`` is the encoder's output (sentences, longest, size), ``lengths`` its valid lengths.
    """
    columns = [
        prefix_entropies(model.decoder, encoded, lengths, column, sos=model.sos)
        for column in zip(*prefixes, strict=True)
    ]
    return [list(row) for row in zip(*columns, strict=True)]


@torch.inference_mode()
def prefix_entropies(
    decoder: Any,
    encoded: Tensor,
    lengths: Tensor,
    prefixes: Sequence[Sequence[int]],
    *,
    sos: int,
) -> list[list[float]]:
    """Return, per sentence, the entropy of p(next token | source, y_1..y_i) for i = 0 to len(prefix).

    ``decoder`` is an ESPnet decoder in eval mode: (encoded, lengths, tokens, token lengths) to logits
    (sentences, longest, vocabulary). Entropies are in nats.
    """
    vocabulary = int(decoder.output_layer.out_features)
    longest = 1 + max(map(len, prefixes))
    together = max(1, LOGITS_AT_A_TIME // (longest * vocabulary))
    found: list[list[float]] = []
    for rows in batched(range(len(prefixes)), together):
        inputs = [torch.tensor([sos, *prefixes[row]]) for row in rows]
        input_lengths = torch.tensor([len(one) for one in inputs])
        padded = torch.nn.utils.rnn.pad_sequence(inputs, batch_first=True, padding_value=sos)
        part = slice(rows[0], rows[-1] + 1)
        device = encoded.device
        logits, _ = decoder(encoded[part], lengths[part], padded.to(device), input_lengths.to(device))
        entropies = entropy_of(logits).tolist()
        found += [row[:length] for row, length in zip(entropies, input_lengths.tolist(), strict=True)]
    return found


def entropy_of(logits: Tensor) -> Tensor:
    """Return -sum p log p in nats of p = softmax(logits): (..., vocabulary) to (...).

    The sum is over all tokens, special ones too; a logit of -inf adds nothing.
    """
    log_probabilities = torch.log_softmax(logits.float(), dim=-1)
    terms = log_probabilities.exp() * log_probabilities
    return -terms.masked_fill(log_probabilities == -math.inf, 0.0).sum(-1)
