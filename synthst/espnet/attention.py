"""ESPnet's attention, faster in training: one product for query, key and value, and the right kernel."""

import math

import synthst.espnet.attention_kernels
import synthst.espnet.lean  # noqa: F401

# isort: split
import torch
from espnet2.legacy.nets.pytorch_backend.transformer.attention import (
    MultiHeadedAttention,
    RelPositionMultiHeadedAttention,
)
from torch import Tensor
from torch.nn import functional


class FastAttention(MultiHeadedAttention):  # type: ignore[misc]  # espnet2 has no types
    """Compute what `MultiHeadedAttention` computes; out of training it is that."""

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, expand_kv: bool = False
    ) -> Tensor:
        """Attend: query (batch, time1, size), key and value (batch, time2, size), mask as ESPnet's."""
        if not self.training or expand_kv or key is not value:
            result: Tensor = super().forward(query, key, value, mask, expand_kv)
            return result
        q, k, v = project(self, query, key)
        out = attend(self, q, k, v, None if mask is None else mask.unsqueeze(1))
        result = self.linear_out(out)
        return result


class FastRelPositionAttention(RelPositionMultiHeadedAttention):  # type: ignore[misc]
    """Compute what `RelPositionMultiHeadedAttention` computes; out of training it is that."""

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, pos_emb: Tensor, mask: Tensor | None
    ) -> Tensor:
        """Attend as `FastAttention`, with pos_emb (1, 2 time1 - 1, size)."""
        if not self.training or query is not value or key is not value or self.zero_triu:
            result: Tensor = super().forward(query, key, value, pos_emb, mask)
            return result
        q, k, v = project(self, query, key)
        positions = self.linear_pos(pos_emb).view(pos_emb.size(0), -1, self.h, self.d_k).transpose(1, 2)
        by_place = (q + self.pos_bias_v.unsqueeze(1)) @ positions.transpose(-2, -1)
        bias = self.rel_shift(by_place) / math.sqrt(self.d_k)
        if mask is not None:
            bias = bias.masked_fill(~mask.unsqueeze(1), torch.finfo(bias.dtype).min)
        out = attend(self, q + self.pos_bias_u.unsqueeze(1), k, v, bias)
        result = self.linear_out(out)
        return result


def project(attention: MultiHeadedAttention, query: Tensor, memory: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return query, key and value (batch, heads, time, size of a head), each input being read once."""
    if query is memory:
        layers = [attention.linear_q, attention.linear_k, attention.linear_v]
        q, k, v = product(layers, memory).chunk(3, -1)
    else:
        q = attention.linear_q(query)
        k, v = product([attention.linear_k, attention.linear_v], memory).chunk(2, -1)
    heads = [x.reshape(*x.shape[:2], attention.h, attention.d_k).transpose(1, 2) for x in (q, k, v)]
    return attention.q_norm(heads[0]), attention.k_norm(heads[1]), heads[2]


def product(layers: list[torch.nn.Linear], x: Tensor) -> Tensor:
    """Return the outputs of layers that share their input, one behind the other."""
    weight = torch.cat([layer.weight for layer in layers])
    return functional.linear(x, weight, torch.cat([layer.bias for layer in layers]))


def attend(
    attention: MultiHeadedAttention,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None,
    *,
    past: bool = False,
) -> Tensor:
    """Return (batch, time1, size): with torch's kernels on a GPU, with plain products on a CPU.

    ``mask`` (batch or 1, heads or 1, time1 or 1, time2) is true where attention may look, or is added to the
    scores; ``past`` says that it is the lower triangle. On a CPU the backward pass of torch's fused kernel is
    slow for short sequences.
    """
    compute = attend_plainly if q.device.type == "cpu" else attend_fused
    return compute(attention, q, k, v, mask, past=past).transpose(1, 2).flatten(2)


def attend_fused(
    attention: MultiHeadedAttention, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, *, past: bool
) -> Tensor:
    """Return (batch, heads, time1, size of a head); flash attention takes no mask, but knows the past."""
    dropout = attention.dropout.p if attention.training else 0.0
    mask = None if past else mask
    return functional.scaled_dot_product_attention(q, k, v, mask, dropout_p=dropout, is_causal=past)


def attend_plainly(
    attention: MultiHeadedAttention, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, *, past: bool
) -> Tensor:
    """Return (batch, heads, time1, size of a head); ``mask`` says all, so ``past`` is not used."""
    scores = (q / math.sqrt(attention.d_k)) @ k.transpose(-2, -1)
    if mask is not None and mask.dtype == torch.bool:
        scores = scores.masked_fill_(~mask, torch.finfo(scores.dtype).min)
    elif mask is not None:
        scores = scores + mask
    attended: Tensor = attention.dropout(scores.softmax(-1, dtype=torch.float32).to(v.dtype)) @ v
    return attended
