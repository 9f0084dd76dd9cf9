"""Describe an ESPnet MT model in CTranslate2's terms, tensor by tensor."""

from collections.abc import Sequence
from typing import Any

import synthst.espnet.lean  # noqa: F401

# isort: split
import torch
from espnet2.asr.encoder.transformer_encoder import TransformerEncoder
from espnet2.legacy.nets.pytorch_backend.transformer.attention import MultiHeadedAttention
from espnet2.legacy.nets.pytorch_backend.transformer.embedding import (
    PositionalEncoding,
    ScaledPositionalEncoding,
)
from espnet2.legacy.nets.pytorch_backend.transformer.positionwise_feed_forward import PositionwiseFeedForward
from espnet2.mt.espnet_model import ESPnetMTModel
from espnet2.mt.frontend.embedding import Embedding
from torch import nn

from synthst.errors import ConfigError
from synthst.espnet.stepdecoder import check_decoder
from synthst.tokens import SOS_EOS, UNK


def check_exportable(model: ESPnetMTModel) -> None:
    """Raise ConfigError for a model that CTranslate2's Transformer cannot represent."""
    check_decoder(model.decoder)
    frontend, encoder = model.frontend, model.encoder
    _require(type(frontend) is Embedding, "frontend: embed", type(frontend).__name__)
    positions = frontend.embed[1]
    known = (PositionalEncoding, ScaledPositionalEncoding)
    _require(type(positions) in known, "absolute positions", type(positions).__name__)
    _require(type(encoder) is TransformerEncoder, "encoder: transformer", type(encoder).__name__)
    _require(encoder.embed is None, "encoder_conf.input_layer: null", type(encoder.embed).__name__)
    for name in ("preencoder", "postencoder"):
        part = getattr(model, name)
        _require(part is None, f"{name}: null", type(part).__name__)
    _require(not encoder.interctc_use_conditioning, "no conditioning on CTC", "interctc_use_conditioning")
    for layer in [*encoder.encoders, *model.decoder.decoders]:
        _check_layer(layer)


def _check_layer(layer: Any) -> None:
    _require(not layer.concat_after, "concat_after: false", "true")
    feed_forward = layer.feed_forward
    known = type(feed_forward) is PositionwiseFeedForward
    _require(known, "positionwise_layer_type: linear", type(feed_forward).__name__)
    activation = feed_forward.activation
    _require(isinstance(activation, nn.ReLU), "the activation ReLU", type(activation).__name__)
    for attention in (layer.self_attn, getattr(layer, "src_attn", layer.self_attn)):
        found = type(attention).__name__
        _require(isinstance(attention, MultiHeadedAttention), "plain multi-headed attention", found)
        normed = isinstance(getattr(attention, "q_norm", None), nn.LayerNorm)
        _require(not normed, "attention without query and key norms", "qk_norm: true")


def _require(holds: bool, wanted: str, found: str) -> None:
    if not holds:
        raise ConfigError(f"a model for CTranslate2 needs {wanted}, found {found}; decode it with espnet:DIR")


def build_spec(
    model: ESPnetMTModel, src_tokens: Sequence[str], tgt_tokens: Sequence[str], *, positions: int
) -> Any:
    """Return the model as CTranslate2's TransformerSpec, float32, for at most ``positions`` tokens a side.

    ESPnet's encoder reads ``<sos/eos>`` and the source, its decoder begins and ends with ``<sos/eos>``.
    """
    from ctranslate2.specs import transformer_spec

    encoder, decoder = model.encoder, model.decoder
    heads = [stack[0].self_attn.h for stack in (encoder.encoders, decoder.decoders)]
    spec = transformer_spec.TransformerSpec(
        transformer_spec.TransformerEncoderSpec(
            len(encoder.encoders), heads[0], pre_norm=encoder.normalize_before
        ),
        transformer_spec.TransformerDecoderSpec(
            len(decoder.decoders), heads[1], pre_norm=decoder.normalize_before
        ),
    )
    _set_embeddings(spec.encoder, spec.encoder.embeddings[0], model.frontend.embed, positions)
    _set_embeddings(spec.decoder, spec.decoder.embeddings, decoder.embed, positions)
    for part, stack in ((spec.encoder, encoder.encoders), (spec.decoder, decoder.decoders)):
        for layer_spec, layer in zip(part.layer, stack, strict=True):
            _set_layer(layer_spec, layer)
    for part, module in ((spec.encoder, encoder), (spec.decoder, decoder)):
        if module.normalize_before:
            _set_norm(part.layer_norm, module.after_norm)
    _set_linear(spec.decoder.projection, [decoder.output_layer])
    _set_tokens(spec, src_tokens, tgt_tokens, eps=decoder.decoders[0].norm1.eps)
    return spec


def _set_tokens(spec: Any, src_tokens: Sequence[str], tgt_tokens: Sequence[str], *, eps: float) -> None:
    spec.register_source_vocabulary(list(src_tokens))
    spec.register_target_vocabulary(list(tgt_tokens))
    spec.config.bos_token = spec.config.eos_token = spec.config.decoder_start_token = SOS_EOS
    spec.config.unk_token = UNK
    spec.config.add_source_bos, spec.config.add_source_eos = True, False
    spec.config.layer_norm_epsilon = eps


def _set_embeddings(part: Any, embeddings: Any, modules: Any, positions: int) -> None:
    """Set the vectors, and the encodings as the module itself makes them: it adds them to zeros."""
    table, encoding = modules
    embeddings.weight = table.weight.detach().float().numpy()
    scaled = type(encoding) is ScaledPositionalEncoding
    part.scale_embeddings = 1.0 if scaled else float(encoding.xscale)
    with torch.inference_mode():
        zeros = torch.zeros(1, positions, table.embedding_dim)
        part.position_encodings.encodings = encoding(zeros)[0].numpy()


def _set_layer(spec: Any, layer: Any) -> None:
    norms = [layer.norm1, layer.norm2]
    _set_attention(spec.self_attention, layer.self_attn, with_itself=True)
    _set_norm(spec.self_attention.layer_norm, norms[0])
    if hasattr(layer, "src_attn"):
        _set_attention(spec.attention, layer.src_attn, with_itself=False)
        _set_norm(spec.attention.layer_norm, norms[1])
        norms.append(layer.norm3)
    _set_linear(spec.ffn.linear_0, [layer.feed_forward.w_1])
    _set_linear(spec.ffn.linear_1, [layer.feed_forward.w_2])
    _set_norm(spec.ffn.layer_norm, norms[-1])


def _set_attention(spec: Any, attention: MultiHeadedAttention, *, with_itself: bool) -> None:
    """Set the projections; those that read the same input are one matrix."""
    reading = [attention.linear_q, attention.linear_k, attention.linear_v]
    cut = 3 if with_itself else 1
    _set_linear(spec.linear[0], reading[:cut])
    if not with_itself:
        _set_linear(spec.linear[1], reading[cut:])
    _set_linear(spec.linear[-1], [attention.linear_out])


def _set_linear(spec: Any, modules: Sequence[nn.Linear]) -> None:
    spec.weight = torch.cat([module.weight.detach().float() for module in modules]).numpy()
    spec.bias = torch.cat([module.bias.detach().float() for module in modules]).numpy()


def _set_norm(spec: Any, module: nn.LayerNorm) -> None:
    spec.gamma = module.weight.detach().float().numpy()
    spec.beta = module.bias.detach().float().numpy()
