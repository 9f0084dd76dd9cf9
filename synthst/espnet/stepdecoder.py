"""Run an ESPnet Transformer decoder one token at a time with cached keys and values.

Only the parameters of ESPnet's module are used. The cache is made for beam search: a *column* of
it holds one token's key and value, and is shared by every hypothesis that descends from that
token. Choosing new parents then moves no key or value, only the little table which says what
each hypothesis sees. Columns that none sees are dropped when the cache is full. All hypotheses
of a sentence are the queries of one attention, over the cache as over the encoded source, so
the source's keys and values exist once per sentence, however wide the beam.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import synthst.espnet.lean  # noqa: F401

# isort: split
import torch
from espnet2.asr.decoder.transformer_decoder import TransformerDecoder
from espnet2.legacy.nets.pytorch_backend.transformer.attention import MultiHeadedAttention
from espnet2.legacy.nets.pytorch_backend.transformer.decoder_layer import DecoderLayer
from espnet2.legacy.nets.pytorch_backend.transformer.embedding import (
    PositionalEncoding,
    ScaledPositionalEncoding,
)
from espnet2.legacy.nets.pytorch_backend.transformer.positionwise_feed_forward import PositionwiseFeedForward
from torch import Tensor
from torch.nn import functional

from synthst.errors import ConfigError
from synthst.espnet.linear import Linear

STEPS_BETWEEN_COMPACTIONS = 8


@dataclass
class DecoderCache:
    """What the decoder remembers of a batch of sentences, each with ``width`` hypotheses."""

    source: list[tuple[Tensor, Tensor]]
    """Per layer: keys and values of the source, each (sentences, heads, source tokens, head size)."""
    source_mask: Tensor
    """0 or -inf, (sentences, 1, 1, source tokens)."""
    target: list[Tensor]
    """Per layer: (sentences, heads, capacity, 2, head size), keys at 0 and values at 1."""
    visible: Tensor
    """Which columns a hypothesis descends from, bool (sentences, width, capacity)."""
    columns: int = 0
    position: int = 0

    def choose(self, parents: Tensor) -> None:
        """Let hypothesis ``i`` of each sentence go on from ``parents[:, i]`` (sentences, width)."""
        index = parents.unsqueeze(2).expand(-1, -1, self.visible.size(2))
        self.visible = self.visible.gather(1, index)

    def keep(self, sentences: Tensor) -> None:
        """Forget all sentences but these (indices), and all columns that nobody sees."""
        self.source = [
            (keys.index_select(0, sentences), values.index_select(0, sentences))
            for keys, values in self.source
        ]
        self.source_mask = self.source_mask.index_select(0, sentences)
        self._compact(sentences)

    def reserve(self, rows: int) -> None:
        """Make room for ``rows`` more columns."""
        if self.columns + rows > self.visible.size(2):
            self._compact(torch.arange(len(self.visible), device=self.visible.device))

    def _compact(self, sentences: Tensor) -> None:
        visible = self.visible.index_select(0, sentences)[:, :, : self.columns]
        live = visible.any(1)
        used = int(live.sum(1).max())
        capacity = used + STEPS_BETWEEN_COMPACTIONS * visible.size(1)
        order = functional.pad(
            live.int().argsort(dim=1, descending=True, stable=True)[:, :used], (0, capacity - used)
        )
        for layer, cache in enumerate(self.target):
            self.target[layer] = _select_columns(cache, sentences, order)
        seen = visible.gather(2, order.unsqueeze(1).expand(-1, visible.size(1), -1)[:, :, :used])
        self.visible = functional.pad(seen, (0, capacity - used))
        self.columns = used


def _select_columns(cache: Tensor, sentences: Tensor, columns: Tensor) -> Tensor:
    """Take ``columns`` (sentences kept, capacity) of (sentences, heads, old capacity, 2, head size)."""
    _, heads, capacity, two, size = cache.shape
    head = torch.arange(heads, device=cache.device)
    first = (sentences.unsqueeze(1) * heads + head) * capacity
    flat = (first.unsqueeze(2) + columns.unsqueeze(1)).flatten()
    rows = cache.view(-1, two * size).index_select(0, flat)
    return rows.view(len(sentences), heads, columns.size(1), two, size)


class _Norm:
    """Layer normalisation in float32."""

    def __init__(self, module: torch.nn.LayerNorm, scale: float = 1.0) -> None:
        self.weight = module.weight.detach().float() * scale
        self.bias = module.bias.detach().float() * scale
        self.eps = module.eps

    def __call__(self, x: Tensor) -> Tensor:
        return functional.layer_norm(x.float(), self.weight.shape, self.weight, self.bias, self.eps)


class _Layer:
    """The weights of one decoder layer; queries are scaled by 1/sqrt(head size) beforehand."""

    def __init__(self, layer: DecoderLayer, dtype: torch.dtype) -> None:
        own, src, feed_forward = layer.self_attn, layer.src_attn, layer.feed_forward
        assert isinstance(own, MultiHeadedAttention) and isinstance(src, MultiHeadedAttention)
        assert isinstance(feed_forward, PositionwiseFeedForward)
        self.heads = int(own.h)
        self.norms = [_Norm(norm) for norm in (layer.norm1, layer.norm2, layer.norm3)]
        self.own_query_key_value = _merge(
            [own.linear_q, own.linear_k, own.linear_v], [_scale(own), 1.0, 1.0], dtype
        )
        self.own_out = _merge([own.linear_out], [1.0], dtype)
        self.src_query = _merge([src.linear_q], [_scale(src)], dtype)
        self.src_key_value = _merge([src.linear_k, src.linear_v], [1.0, 1.0], dtype)
        self.src_out = _merge([src.linear_out], [1.0], dtype)
        self.own_norms = _query_key_norms(own)
        self.src_norms = _query_key_norms(src)
        self.inner = _merge([feed_forward.w_1], [1.0], dtype)
        self.outer = _merge([feed_forward.w_2], [1.0], dtype)
        self.activation: Callable[[Tensor], Tensor] = feed_forward.activation


def _scale(attention: MultiHeadedAttention) -> float:
    """Tell what the query's weights take: with query norms the norm takes the scale instead."""
    return 1.0 if _has_norms(attention) else float(attention.d_k) ** -0.5


def _has_norms(attention: MultiHeadedAttention) -> bool:
    return isinstance(getattr(attention, "q_norm", None), torch.nn.LayerNorm)


def _query_key_norms(attention: MultiHeadedAttention) -> tuple[_Norm, _Norm] | None:
    if not _has_norms(attention):
        return None
    return _Norm(attention.q_norm, float(attention.d_k) ** -0.5), _Norm(attention.k_norm)


def _merge(modules: Sequence[torch.nn.Linear], scales: Sequence[float], dtype: torch.dtype) -> Linear:
    """Stack linear layers that read the same input into one."""
    weight = torch.cat([m.weight.detach().float() * s for m, s in zip(modules, scales, strict=True)])
    bias = torch.cat([m.bias.detach().float() * s for m, s in zip(modules, scales, strict=True)])
    return Linear(weight.to(dtype), bias.to(dtype))


def attend(query: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
    """Attend with all hypotheses of a sentence at once.

    ``query`` is (sentences, width, heads, head size) and scaled, ``keys`` and ``values`` are
    (sentences, heads, columns, head size), ``mask`` adds to (sentences, heads, width, columns).
    Returns (sentences * width, heads * head size).
    """
    sentences, width, heads, size = query.shape
    folded = query.transpose(1, 2).reshape(sentences * heads, width, size)
    scores = torch.bmm(folded, keys.flatten(0, 1).transpose(1, 2)).view(sentences, heads, width, -1)
    weights = torch.softmax(scores.add_(mask), dim=-1).flatten(0, 1)
    context = torch.bmm(weights, values.flatten(0, 1)).view(sentences, heads, width, size)
    return context.transpose(1, 2).reshape(sentences * width, heads * size)


class StepDecoder:
    """A copy of a Transformer decoder's weights that computes one token per call.

    ``dtype`` is the type of weights and caches; the residual stream, layer norms and logits are
    float32 always. Raises ConfigError for a decoder it cannot reproduce.
    """

    def __init__(self, decoder: TransformerDecoder, dtype: torch.dtype = torch.float32) -> None:
        check_decoder(decoder)
        self.dtype = dtype
        self.embedding = decoder.embed[0].weight.detach().float()
        self._positions_module = decoder.embed[1]
        scaled = type(self._positions_module) is ScaledPositionalEncoding
        self.embedding_scale = 1.0 if scaled else float(self._positions_module.xscale)
        self.positions = self._position_table(512)
        self.layers = [_Layer(layer, dtype) for layer in decoder.decoders]
        self.normalize_before = bool(decoder.normalize_before)
        self.final_norm = _Norm(decoder.after_norm) if self.normalize_before else None
        self.output = _merge([decoder.output_layer], [1.0], dtype)
        self.vocabulary = int(decoder.output_layer.out_features)

    def start(self, encoded: Tensor, lengths: Tensor, width: int) -> DecoderCache:
        """Prepare the cache for ``encoded`` (sentences, source tokens, size), ``lengths`` (sentences,)."""
        sentences, longest, size = encoded.shape
        encoded = encoded.to(self.dtype)
        source = [self._source_keys_values(layer, encoded) for layer in self.layers]
        padded = torch.arange(longest, device=encoded.device) >= lengths.to(encoded.device).unsqueeze(1)
        mask = torch.zeros(padded.shape, dtype=self.dtype, device=encoded.device)
        mask = mask.masked_fill_(padded, float("-inf")).view(sentences, 1, 1, longest)
        capacity = STEPS_BETWEEN_COMPACTIONS * width
        shape = (sentences, self.layers[0].heads, capacity, 2, size // self.layers[0].heads)
        target = [encoded.new_empty(shape) for _ in self.layers]
        visible = torch.zeros(sentences, width, capacity, dtype=torch.bool, device=encoded.device)
        return DecoderCache(source, mask, target, visible)

    def step(self, tokens: Tensor, cache: DecoderCache) -> Tensor:
        """Extend every hypothesis by its token and return the logits of the next one.

        ``tokens`` is (sentences, rows), rows at most the width of the cache, where hypothesis ``i``
        sees what ``cache.choose`` made it see. Returns float32 (sentences, rows, vocabulary).
        """
        sentences, rows = tokens.shape
        cache.reserve(rows)
        end = cache.columns + rows
        own = torch.arange(rows, device=tokens.device)
        cache.visible[:, own, cache.columns + own] = True
        mask = torch.zeros(sentences, 1, rows, end, dtype=self.dtype, device=tokens.device)
        mask.masked_fill_(~cache.visible[:, :rows, :end].unsqueeze(1), float("-inf"))
        x = self._embed(tokens, cache.position)
        for number, layer in enumerate(self.layers):
            x = self._layer(layer, number, x, mask, cache)
        if self.final_norm is not None:
            x = self.final_norm(x)
        cache.columns = end
        cache.position += 1
        return self.output(x.to(self.dtype)).float().view(sentences, rows, -1)

    def _layer(self, layer: _Layer, number: int, x: Tensor, mask: Tensor, cache: DecoderCache) -> Tensor:
        def own(h: Tensor) -> Tensor:
            return self._attend_target(layer, h, mask, cache.target[number], cache.columns)

        def src(h: Tensor) -> Tensor:
            return self._attend_source(layer, h, cache.source[number], cache.source_mask)

        def feed(h: Tensor) -> Tensor:
            return layer.outer(layer.activation(layer.inner(h)))

        for norm, part in zip(layer.norms, (own, src, feed), strict=True):
            x = (
                x + part(norm(x).to(self.dtype))
                if self.normalize_before
                else norm(x + part(x.to(self.dtype)))
            )
        return x

    def _attend_target(self, layer: _Layer, h: Tensor, mask: Tensor, cache: Tensor, start: int) -> Tensor:
        sentences, _, rows, end = mask.shape
        heads, size = cache.size(1), cache.size(4)
        merged = layer.own_query_key_value(h).view(sentences, rows, 3, heads, size)
        query = merged[:, :, 0]
        if layer.own_norms is not None:
            query = layer.own_norms[0](query).to(self.dtype)
            merged[:, :, 1] = layer.own_norms[1](merged[:, :, 1])
        cache[:, :, start:end] = merged[:, :, 1:].permute(0, 3, 1, 2, 4)
        return layer.own_out(attend(query, cache[:, :, :end, 0], cache[:, :, :end, 1], mask))

    def _attend_source(self, layer: _Layer, h: Tensor, source: tuple[Tensor, Tensor], mask: Tensor) -> Tensor:
        keys, values = source
        query = layer.src_query(h).view(len(keys), -1, keys.size(1), keys.size(3))
        if layer.src_norms is not None:
            query = layer.src_norms[0](query).to(self.dtype)
        return layer.src_out(attend(query, keys, values, mask))

    def _source_keys_values(self, layer: _Layer, encoded: Tensor) -> tuple[Tensor, Tensor]:
        sentences, longest, size = encoded.shape
        merged = layer.src_key_value(encoded.flatten(0, 1))
        merged = merged.view(sentences, longest, 2, layer.heads, size // layer.heads)
        keys, values = merged.permute(2, 0, 3, 1, 4).contiguous().unbind(0)
        if layer.src_norms is not None:
            keys = layer.src_norms[1](keys).to(self.dtype)
        return keys, values

    def _embed(self, tokens: Tensor, position: int) -> Tensor:
        self.reserve_positions(position + 1)
        vectors = functional.embedding(tokens.reshape(-1), self.embedding)
        return vectors * self.embedding_scale + self.positions[position]

    def reserve_positions(self, length: int) -> None:
        """Make the table of positions long enough; then as many steps change nothing that threads share."""
        if length > len(self.positions):
            self.positions = self._position_table(max(length, 2 * len(self.positions)))

    def _position_table(self, length: int) -> Tensor:
        """Take the encodings of the decoder's own module, (length, size)."""
        module = self._positions_module
        module.extend_pe(self.embedding.new_zeros(1, length))
        table: Tensor = module.pe[0, :length] * getattr(module, "alpha", 1.0)  # of ScaledPositionalEncoding
        return table.detach().clone()


def check_decoder(decoder: TransformerDecoder) -> None:
    """Raise ConfigError unless the decoder is a Transformer of the kinds that StepDecoder computes."""
    wanted, instead = "fast search needs ESPnet's TransformerDecoder", "decode it with ESPnet's own inference"
    if type(decoder) is not TransformerDecoder:
        raise ConfigError(f"{wanted}, found {type(decoder).__name__}; {instead}")
    if not isinstance(decoder.embed[0], torch.nn.Embedding):
        raise ConfigError(f"{wanted} with input_layer: embed, found {type(decoder.embed[0]).__name__}")
    if type(decoder.embed[1]) not in (PositionalEncoding, ScaledPositionalEncoding):
        raise ConfigError(f"{wanted} with absolute positions, found {type(decoder.embed[1]).__name__}")
    if decoder.output_layer is None:
        raise ConfigError(f"{wanted} with use_output_layer: true")
    if any(layer.concat_after for layer in decoder.decoders):
        raise ConfigError(f"{wanted} with concat_after: false; {instead}")
