"""An exported model computes in CTranslate2 what it computes in ESPnet, and finds the same translations."""

import copy
import dataclasses
import json
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import ctranslate2
import pytest
import torch
from espnet2.asr.decoder.transformer_decoder import (
    LightweightConvolutionTransformerDecoder,
    TransformerDecoder,
)
from espnet2.asr.encoder.transformer_encoder import TransformerEncoder
from espnet2.legacy.nets.pytorch_backend.transformer.embedding import ScaledPositionalEncoding
from espnet2.mt.espnet_model import ESPnetMTModel
from espnet2.mt.frontend.embedding import Embedding
from toy_task import make_sentences, make_task

from synthst.errors import ConfigError, DataError, install_command
from synthst.espnet import export
from synthst.espnet.export import export_model, save_weights, score_exported, score_tokens
from synthst.espnet.export_spec import check_exportable
from synthst.espnet.load import load_model
from synthst.espnet.options import SearchOptions
from synthst.espnet.search import search
from synthst.espnet.train import train_model
from synthst.teacher.espnet import EspnetTeacher
from synthst.teacher.protocol import SearchSettings

WIDTH, SRC_VOCABULARY, TGT_VOCABULARY = 16, 12, 15
KINDS: dict[str, dict[str, dict[str, Any]]] = {
    "pre_norm": {},
    "post_norm": {"encoder": {"normalize_before": False}, "decoder": {"normalize_before": False}},
    "mixed_norm": {"encoder": {"normalize_before": False}},
    "scaled_positions": {
        "frontend": {"pos_enc_class": ScaledPositionalEncoding},
        "decoder": {"pos_enc_class": ScaledPositionalEncoding},
    },
    "deep_encoder": {"encoder": {"num_blocks": 3, "attention_heads": 4}, "decoder": {"num_blocks": 1}},
    "fused_attention": {"encoder": {"use_sdpa": True}, "decoder": {"use_sdpa": True}},
    "tied": {"model": {"share_decoder_input_output_embed": True}},
}


def token_list(vocabulary: int) -> list[str]:
    return ["<blank>", "<unk>", *(f"t{i}" for i in range(vocabulary - 3)), "<sos/eos>"]


TOKENS = token_list(SRC_VOCABULARY), token_list(TGT_VOCABULARY)


def build_model(seed: int = 0, ready: Any = None, **options: dict[str, Any]) -> ESPnetMTModel:
    """Make a random model whose outputs vary in length and whose choices are not flat."""
    torch.manual_seed(seed)
    shape = {"attention_heads": 2, "linear_units": 32, "num_blocks": 2}
    encoder = TransformerEncoder(WIDTH, WIDTH, **shape | {"input_layer": None} | options.get("encoder", {}))
    decoder = ready or TransformerDecoder(TGT_VOCABULARY, WIDTH, **shape | options.get("decoder", {}))
    model = ESPnetMTModel(
        TGT_VOCABULARY, TOKENS[1],
        Embedding(SRC_VOCABULARY, WIDTH, **options.get("frontend", {})), None, encoder, None, decoder,
        src_vocab_size=SRC_VOCABULARY, src_token_list=TOKENS[0], report_bleu=False,
        **options.get("model", {}),
    )  # fmt: skip
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.25 * torch.randn_like(parameter))
        model.decoder.embed[0].weight.mul_(0.3)
        if model.decoder.output_layer is not None:
            model.decoder.output_layer.weight[-1].mul_(2.0)
    return model.eval()


@cache
def model_of(kind: str, seed: int = 0) -> ESPnetMTModel:
    return build_model(seed, **KINDS[kind])


def draw(count: int, vocabulary: int, seed: int, longest: int = 9) -> list[list[int]]:
    chosen = random.Random(seed)
    return [
        [chosen.randrange(1, vocabulary - 1) for _ in range(chosen.randint(1, longest))] for _ in range(count)
    ]


def save(model: ESPnetMTModel, folder: Path, quantisation: export.Quantisation = "float32") -> Path:
    save_weights(model, *TOKENS, folder, quantisation)
    return folder


def score_both(
    model: ESPnetMTModel, folder: Path, pairs: Sequence[tuple[list[int], list[int]]]
) -> tuple[list[float], list[float]]:
    """Score pairs with CTranslate2 and with ESPnet, all tokens in one list."""
    found = score_exported(folder, *TOKENS, pairs)
    wanted = [score_tokens(model, *pair).tolist() for pair in pairs]
    assert [len(scores) for scores in found] == [len(scores) for scores in wanted]
    return sum(found, []), sum(wanted, [])


@pytest.mark.parametrize("kind", KINDS)
def test_log_probabilities_are_those_of_espnet(kind: str, tmp_path: Path) -> None:
    model = model_of(kind)
    check_exportable(model)
    pairs = list(zip(draw(12, SRC_VOCABULARY, 1), draw(12, TGT_VOCABULARY, 2), strict=True))
    found, wanted = score_both(model, save(model, tmp_path), pairs)
    assert found == pytest.approx(wanted, abs=1e-4)
    assert max(wanted) - min(wanted) > 2  # the choices are not flat


@pytest.mark.parametrize("beam", [1, 4])
@pytest.mark.parametrize("seed", range(4))
def test_the_best_by_sum_is_that_of_our_search(seed: int, beam: int, tmp_path: Path) -> None:
    model, sources = model_of("pre_norm", seed), draw(16, SRC_VOCABULARY, seed)
    options = SearchOptions(beam=beam, length_normalisation="none", max_ratio=0, max_extra=20)
    wanted = [hypotheses[0] for hypotheses in search(model, sources, options)]
    translator = ctranslate2.Translator(str(save(model, tmp_path)), intra_threads=1)
    found = translator.translate_batch(
        [[TOKENS[0][token] for token in source] for source in sources],
        beam_size=beam, length_penalty=0, max_decoding_length=20, min_decoding_length=0, return_scores=True,
    )  # fmt: skip
    tokens = [tuple(map(TOKENS[1].index, result.hypotheses[0])) for result in found]
    assert tokens == [hypothesis.tokens for hypothesis in wanted]
    scores = [result.scores[0] for result in found]
    assert scores == pytest.approx([hypothesis.score for hypothesis in wanted], abs=1e-3)
    assert len(set(tokens)) > 1


@pytest.mark.parametrize("nbest", [1, 4])
@pytest.mark.parametrize("limit", [4, 20])
@pytest.mark.parametrize("seed", range(4))
def test_those_that_come_first_are_the_same(seed: int, limit: int, nbest: int, tmp_path: Path) -> None:
    """Ordered by the mean of log probabilities, which shows when a search ends."""
    model, sources = model_of("pre_norm", seed), draw(16, SRC_VOCABULARY, seed)
    options = SearchOptions(nbest=nbest, stopping="first_come", max_ratio=0, max_extra=limit)
    wanted = search(model, sources, options)
    translator = ctranslate2.Translator(str(save(model, tmp_path)), intra_threads=1)
    found = translator.translate_batch(
        [[TOKENS[0][token] for token in source] for source in sources], num_hypotheses=nbest,
        beam_size=4, length_penalty=1, max_decoding_length=limit, min_decoding_length=0, return_scores=True,
    )  # fmt: skip
    tokens = [[tuple(map(TOKENS[1].index, hypothesis)) for hypothesis in one.hypotheses] for one in found]
    assert tokens == [[hypothesis.tokens for hypothesis in hypotheses] for hypotheses in wanted]
    shrinking = search(model, sources, dataclasses.replace(options, stopping="shrinking"))
    assert shrinking != wanted


@torch.no_grad()
def round_to_int8(model: ESPnetMTModel) -> ESPnetMTModel:
    """Round every matrix to 255 steps a row, as int8 does."""
    rounded = copy.deepcopy(model)
    for parameter in rounded.parameters():
        if parameter.dim() == 2:
            scale = 127 / parameter.abs().amax(1, keepdim=True)
            parameter.copy_((parameter * scale).round() / scale)
    return rounded


def test_int8_rounds_the_matrices_and_is_smaller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "POSITIONS", 32)
    model = model_of("deep_encoder")
    pairs = list(zip(draw(12, SRC_VOCABULARY, 1), draw(12, TGT_VOCABULARY, 2), strict=True))
    sizes = {}
    for quantisation, same in (("float32", model), ("int8", round_to_int8(model))):
        folder = tmp_path / quantisation
        folder.mkdir()
        found, _ = score_both(model, save(model, folder, quantisation), pairs)
        assert found == pytest.approx(
            sum((score_tokens(same, *pair).tolist() for pair in pairs), []), abs=1e-4
        )
        sizes[quantisation] = (folder / "model.bin").stat().st_size
    assert sizes["int8"] < 0.6 * sizes["float32"]  # of a larger model a quarter; norms and biases stay


def test_the_longest_source_and_target_have_positions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "POSITIONS", 12)
    model = model_of("pre_norm")
    save(model, tmp_path)
    longest = [2] * 11  # <sos/eos> comes before it
    found, wanted = score_both(model, tmp_path, [(longest, longest)])
    assert found == pytest.approx(wanted, abs=1e-4)
    with pytest.raises(RuntimeError, match="positions >= 12"):
        score_both(model, tmp_path, [([2, *longest], longest)])


def change_activation(model: ESPnetMTModel) -> None:
    model.encoder.encoders[1].feed_forward.activation = torch.nn.GELU()


def add_preencoder(model: ESPnetMTModel) -> None:
    model.preencoder = torch.nn.Linear(WIDTH, WIDTH)


@pytest.mark.parametrize(
    ("options", "change", "wanted"),
    [
        ({"decoder": {"qk_norm": True}}, None, "without query and key norms, found qk_norm: true"),
        ({"encoder": {"qk_norm": True}}, None, "without query and key norms, found qk_norm: true"),
        ({"decoder": {"concat_after": True}}, None, "concat_after: false"),
        ({"encoder": {"concat_after": True}}, None, "concat_after: false"),
        ({"encoder": {"input_layer": "linear"}}, None, "encoder_conf.input_layer: null, found Sequential"),
        ({"encoder": {"positionwise_layer_type": "conv1d"}}, None, "linear, found MultiLayeredConv1d"),
        ({}, change_activation, "the activation ReLU, found GELU"),
        ({}, add_preencoder, "preencoder: null, found Linear"),
    ],
)
def test_models_that_ctranslate2_cannot_represent_are_refused(
    options: dict[str, Any], change: Any, wanted: str
) -> None:
    model = build_model(**options)
    if change is not None:
        change(model)
    with pytest.raises(ConfigError, match=wanted):
        check_exportable(model)


def test_another_decoder_is_refused() -> None:
    decoder = LightweightConvolutionTransformerDecoder(
        TGT_VOCABULARY, WIDTH, num_blocks=2, conv_kernel_length=(3, 3)
    )
    with pytest.raises(ConfigError, match="LightweightConvolutionTransformerDecoder"):
        check_exportable(build_model(ready=decoder))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    train_model(out=folder / "model", **make_task(folder, shared=False))
    return folder / "model"


def test_a_directory_holds_all_that_translation_needs(trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "exported"
    export_model(trained, out, quantisation="float32")
    wanted = {"model.bin", "config.json", "source_vocabulary.json", "target_vocabulary.json"}
    assert {path.name for path in out.iterdir()} == {
        *wanted, "src.model", "tgt.model", "synthst_export.json", "info.json",
    }  # fmt: skip
    described = json.loads((out / "synthst_export.json").read_text(encoding="utf-8"))
    loaded = load_model(trained)
    assert described["format"] == 1
    assert described["origin"]["weights_sha256"] == loaded.checksum
    assert described["origin"]["tgt_tokenizer_sha256"] == loaded.tgt_tokenizer.checksum
    assert described["max_positions"] == 4096
    assert (out / "src.model").read_bytes() == (trained / "src.model").read_bytes()
    assert json.loads((out / "info.json").read_text(encoding="utf-8"))["largest_difference"] < 1e-4


def test_an_export_is_made_once_and_never_another_one_in_its_place(trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "exported"
    export_model(trained, out)
    before = (out / "model.bin").stat().st_mtime_ns
    export_model(trained, out)
    assert (out / "model.bin").stat().st_mtime_ns == before
    with pytest.raises(DataError, match='quantisation: "int8" then, "float32" now'):
        export_model(trained, out, quantisation="float32")
    other = Path(shutil.copytree(trained, tmp_path / "copy" / "model"))
    states = torch.load(other / "model.pth", weights_only=True)
    states["decoder.output_layer.bias"][0] += 1
    torch.save(states, other / "model.pth")
    with pytest.raises(DataError, match="origin: "):
        export_model(other, out)


def test_a_model_that_ctranslate2_computes_otherwise_is_not_exported(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = export.build_spec

    def build_wrongly(*arguments: Any, **options: Any) -> Any:
        spec = build(*arguments, **options)
        spec.decoder.scale_embeddings *= 1.01
        return spec

    monkeypatch.setattr(export, "build_spec", build_wrongly)
    with pytest.raises(ConfigError, match=r"differ by .* from ESPnet's.*decode it with espnet:"):
        export_model(trained, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_missing_library_is_named(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ctranslate2", None)
    told = re.escape(f"ctranslate2, which is not installed; {install_command('ct2')}")
    with pytest.raises(ConfigError, match=told):
        export_model(trained, tmp_path / "out")


NO_TORCH = (
    "import sys; sys.modules.update(dict.fromkeys(('torch', 'espnet2', 'transformers')))\n"
    "from synthst.cli import main; sys.exit(main(sys.argv[1:]))"
)


def test_the_command_translates_as_our_search_does_and_without_torch(trained: Path, tmp_path: Path) -> None:
    out, sentences = tmp_path / "out", [*make_sentences(20, seed=3), ""]
    export_model(trained, out, quantisation="float32")
    settings = SearchSettings(length_normalisation="none", max_extra=3)
    found = EspnetTeacher(trained, settings).translate(sentences[:-1])
    command = [
        *(sys.executable, "-c", NO_TORCH, "translate", "--model", str(out)),
        *("--search.length_normalisation", "none", "--search.max_extra", "3"),
        *("--options.compute_type", "float32"),
    ]
    text = "".join(f"{sentence}\n" for sentence in sentences)
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "".join(f"{hypotheses[0].text}\n" for hypotheses in found) + "\n"
