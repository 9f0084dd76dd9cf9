"""A Transformer decoder that computes for tokens only, not for the padding behind short sentences."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from synthst.espnet.attention import attend, product


class Places(NamedTuple):
    """Where the tokens of a padded batch are."""

    where: Tensor
    """(tokens,) int64, ascending, among batch * longest positions."""
    shape: tuple[int, int]
    """(batch, longest)."""


def find_places(lengths: Tensor, longest: int) -> Places:
    """Return the places of ``lengths`` (batch,) tokens, each sentence at the front of ``longest``."""
    inside = torch.arange(longest, device=lengths.device) < lengths.unsqueeze(1)
    return Places(inside.flatten().nonzero().squeeze(1), (len(lengths), longest))


def decoder_states(
    decoder: Any, memory: Tensor, memory_lengths: Tensor, tokens: Tensor, places: Places
) -> Tensor:
    """Return what goes into the output layer, (tokens, width): sentence after sentence, without padding.

    Equals ESPnet's TransformerDecoder with layers that normalise first. ``memory`` (batch, frames, width),
    ``tokens`` (batch, longest) are the decoder's input, and ``places`` says which are none.
    """
    longest = tokens.size(1)
    ahead = (
        torch.ones(longest, longest, dtype=torch.bool, device=tokens.device).tril().view(1, 1, longest, -1)
    )
    frames = torch.arange(memory.size(1), device=memory.device) < memory_lengths.unsqueeze(1)
    rows = pick(decoder.embed(tokens), places)
    for layer in decoder.decoders:
        rows = decoder_layer(layer, rows, places, ahead, memory, frames[:, None, None])
    result: Tensor = decoder.after_norm(rows)
    return result


def decoder_layer(
    layer: Any, rows: Tensor, places: Places, ahead: Tensor, memory: Tensor, frames: Tensor
) -> Tensor:
    """Return (tokens, width) of the next layer; the masks are true on the past and on frames."""
    rows = rows + layer.dropout(attend_to_past(layer.self_attn, layer.norm1(rows), places, ahead))
    rows = rows + layer.dropout(attend_to_memory(layer.src_attn, layer.norm2(rows), places, memory, frames))
    result: Tensor = rows + layer.dropout(layer.feed_forward(layer.norm3(rows)))
    return result


def attend_to_past(attention: Any, rows: Tensor, places: Places, mask: Tensor) -> Tensor:
    """Attend from tokens to those before them, (tokens, width); padding behind a sentence is never before."""
    projected = product([attention.linear_q, attention.linear_k, attention.linear_v], rows)
    q, k, v = (heads(x, attention) for x in pad(projected, places).chunk(3, -1))
    attended = attend(attention, attention.q_norm(q), attention.k_norm(k), v, mask, past=True)
    return _output(attention, attended, places)


def attend_to_memory(attention: Any, rows: Tensor, places: Places, memory: Tensor, mask: Tensor) -> Tensor:
    """Attend from tokens (tokens, width) to the encoder's frames."""
    q = heads(pad(attention.linear_q(rows), places), attention)
    k, v = (
        heads(x, attention) for x in product([attention.linear_k, attention.linear_v], memory).chunk(2, -1)
    )
    return _output(attention, attend(attention, attention.q_norm(q), attention.k_norm(k), v, mask), places)


def heads(x: Tensor, attention: Any) -> Tensor:
    """Cut (batch, time, size) into (batch, heads, time, size of a head)."""
    return x.reshape(*x.shape[:2], attention.h, attention.d_k).transpose(1, 2)


def _output(attention: Any, attended: Tensor, places: Places) -> Tensor:
    result: Tensor = attention.linear_out(pick(attended, places))
    return result


def pick(padded: Tensor, places: Places) -> Tensor:
    """Return the tokens' rows (tokens, size) of (batch, longest, size)."""
    result: Tensor = _Pick.apply(padded, places.where)  # type: ignore[no-untyped-call]
    return result


def pad(rows: Tensor, places: Places) -> Tensor:
    """Return (batch, longest, size) with zeros behind the rows (tokens, size) of every sentence."""
    result: Tensor = _Pad.apply(rows, places.where, places.shape)  # type: ignore[no-untyped-call]
    return result


def _spread(rows: Tensor, index: Tensor, shape: tuple[int, int]) -> Tensor:
    """Copy rows to their places, each of which is one row's; torch's own backward pass would add."""
    padded = rows.new_zeros(shape[0] * shape[1], rows.size(1))
    return padded.index_copy_(0, index, rows).view(*shape, -1)


class _Pick(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, padded: Tensor, index: Tensor) -> Tensor:
        ctx.save_for_backward(index)
        ctx.shape = padded.shape[:2]
        return padded.flatten(0, 1).index_select(0, index)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (index,) = ctx.saved_tensors
        return _spread(gradient, index, ctx.shape), None


class _Pad(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, index: Tensor, shape: tuple[int, int]) -> Tensor:
        ctx.save_for_backward(index)
        return _spread(rows, index, shape)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (index,) = ctx.saved_tensors
        return gradient.flatten(0, 1).index_select(0, index), None, None
