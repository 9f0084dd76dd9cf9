"""Other engines that decode the same model, for benchmarks/decode.py: ESPnet, transformers, CTranslate2."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
import yaml
from espnet2.bin.mt_inference import Text2Text
from espnet2.mt.espnet_model import ESPnetMTModel
from torch import nn

from synthst.teacher.protocol import SearchSettings

ADDS_TO_STREAM = ("linear_out.weight", "linear_out.bias", "w_2.weight", "w_2.bias")


def deepen_model(directory: Path, out: Path, layers: int) -> Path:
    """Copy a model with layers added to both sides until there are ``layers``; its outputs stay the same.

    An added layer is a copy of a trained one whose last matrices are zero: it is computed like any other and
    adds nothing. So a small trained model costs what a deep one does and writes as many tokens.
    """
    config = yaml.safe_load((directory / "config.yaml").read_text(encoding="utf-8"))
    states = torch.load(directory / "model.pth", map_location="cpu", weights_only=True)
    for side, stack in (("encoder", "encoder.encoders"), ("decoder", "decoder.decoders")):
        trained = config[f"{side}_conf"]["num_blocks"]
        for added in range(trained, layers):
            prefix = f"{stack}.{added % trained}."
            for name in [name for name in states if name.startswith(prefix)]:
                rest = name.removeprefix(prefix)
                copied = states[name].clone()
                states[f"{stack}.{added}.{rest}"] = (
                    copied.zero_() if rest.endswith(ADDS_TO_STREAM) else copied
                )
        config[f"{side}_conf"]["num_blocks"] = max(trained, layers)
    out.mkdir()
    config |= {"src_bpemodel": str(out / "src.model"), "bpemodel": str(out / "tgt.model")}
    (out / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    torch.save(states, out / "model.pth")
    for name in ("src.model", "tgt.model"):
        (out / name).write_bytes((directory / name).read_bytes())
    return out


def make_espnet(directory: Path, beam: int, device: str) -> Text2Text:
    """Make ESPnet's own inference; by default it stops by end detection (maxlenratio 0)."""
    config, weights = directory / "config.yaml", directory / "model.pth"
    return Text2Text(config, weights, ctc_weight=0.0, beam_size=beam, device=device, normalize_length=True)


def make_transformers(model: ESPnetMTModel, device: str) -> nn.Module:
    """Return the model as transformers' Pegasus, the architecture there that is the same: pre-LayerNorm."""
    from transformers import PegasusConfig, PegasusForConditionalGeneration

    encoder, decoder = model.encoder, model.decoder
    config = PegasusConfig(
        vocab_size=model.vocab_size, d_model=encoder.output_size(), activation_function="relu",
        encoder_layers=len(encoder.encoders), decoder_layers=len(decoder.decoders),
        encoder_attention_heads=encoder.encoders[0].self_attn.h,
        decoder_attention_heads=decoder.decoders[0].self_attn.h,
        encoder_ffn_dim=encoder.encoders[0].feed_forward.w_1.out_features,
        decoder_ffn_dim=decoder.decoders[0].feed_forward.w_1.out_features,
        scale_embedding=True, dropout=0.0, attention_dropout=0.0, max_position_embeddings=1024,
        pad_token_id=0, eos_token_id=model.eos, decoder_start_token_id=model.sos, forced_eos_token_id=None,
        tie_word_embeddings=False,
    )  # fmt: skip
    copy = PegasusForConditionalGeneration(config)
    with torch.no_grad():
        for theirs, ours, embed in (
            (copy.model.encoder, encoder, model.frontend.embed),
            (copy.model.decoder, decoder, decoder.embed),
        ):
            theirs.embed_tokens = nn.Embedding.from_pretrained(embed[0].weight.detach())
            theirs.embed_positions.weight.copy_(embed[1](torch.zeros(1, 1024, config.d_model))[0])
            stack = getattr(ours, "encoders", None) or ours.decoders
            for layer, source in zip(theirs.layers, stack, strict=True):
                for target, module in zip(_their_parts(layer), _our_parts(source), strict=True):
                    target.load_state_dict(module.state_dict())
            theirs.layer_norm.load_state_dict(ours.after_norm.state_dict())
        copy.lm_head.weight.copy_(decoder.output_layer.weight)
        copy.final_logits_bias.copy_(decoder.output_layer.bias.unsqueeze(0))
    for module in copy.modules():
        if isinstance(module, nn.LayerNorm):
            module.eps = 1e-12
    return copy.to(device).eval()


def _their_parts(layer: nn.Module) -> Iterator[nn.Module]:
    names = ["self_attn", "encoder_attn"] if hasattr(layer, "encoder_attn") else ["self_attn"]
    for name in names:
        attention = getattr(layer, name)
        yield from (attention.q_proj, attention.k_proj, attention.v_proj, attention.out_proj)
        yield getattr(layer, f"{name}_layer_norm")
    yield from (layer.fc1, layer.fc2, layer.final_layer_norm)


def _our_parts(layer: nn.Module) -> Iterator[nn.Module]:
    names = ["self_attn", "src_attn"] if hasattr(layer, "src_attn") else ["self_attn"]
    for number, name in enumerate(names, 1):
        attention = getattr(layer, name)
        yield from (attention.linear_q, attention.linear_k, attention.linear_v, attention.linear_out)
        yield getattr(layer, f"norm{number}")
    yield from (layer.feed_forward.w_1, layer.feed_forward.w_2, getattr(layer, f"norm{len(names) + 1}"))


@torch.inference_mode()
def generate(
    model: nn.Module, sources: Sequence[Sequence[int]], *, sos: int, beam: int, batch: int
) -> list[list[int]]:
    """Decode with transformers' generate, sentences of like length together, ``batch`` at a time.

    A batch runs until its last sentence ends, so a sentence that never does costs much: the limit is ours.
    """
    found: list[list[int]] = [[] for _ in sources]
    order = sorted(range(len(sources)), key=lambda index: -len(sources[index]))
    device = next(model.parameters()).device
    for start in range(0, len(order), batch):
        chosen = order[start : start + batch]
        rows = [torch.tensor([sos, *sources[index]]) for index in chosen]
        padded = nn.utils.rnn.pad_sequence(rows, batch_first=True)
        mask = nn.utils.rnn.pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
        written = model.generate(
            input_ids=padded.to(device),
            attention_mask=mask.to(device),
            num_beams=beam,
            do_sample=False,
            max_new_tokens=int(SearchSettings.max_ratio * len(rows[0])) + SearchSettings.max_extra,
            length_penalty=1.0,
        )
        for index, tokens in zip(chosen, written.tolist(), strict=True):
            ended = [*tokens[1:], sos]
            found[index] = ended[: ended.index(sos)]
    return found
