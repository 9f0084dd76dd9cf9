"""Models on a GPU in bfloat16, without one: tensors here have a device and a type, but no numbers."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from synthst.espnet import fast
from synthst.espnet.config import ModelConfig, TrainingConfig
from synthst.espnet.fast import decoder_scores
from synthst.espnet.speech_config import InitConfig, SpeechModelConfig, SpeechTrainingConfig
from synthst.espnet.speech_options import training_options, translator_options
from synthst.espnet.speech_task import SpokenSTTask
from synthst.espnet.task import TokenMTTask
from synthst.espnet.time_warp import FastTimeWarp
from synthst.espnet.train import model_config, optimisation_config
from synthst.espnet.unpadded import Places

pytestmark = [
    pytest.mark.system,  # the first fake tensor loads a part of torch's compiler
    pytest.mark.skipif(torch.version.cuda is None, reason="this torch knows no GPU of NVIDIA's"),
]

SENTENCES, LONGEST, TOKENS = 3, 7, 15  # of 21 + 3 positions with the final eos
SPEECH = SpeechModelConfig(encoder_layers=1, decoder_layers=1, width=16, feedforward=32, heads=2, kernel=3)
RATE = 16_000


@contextmanager
def fake_gpu() -> Iterator[None]:
    """Make tensors of nothing but shapes, and let CUDA's autocast say which are bfloat16."""
    before = torch.is_autocast_enabled("cuda"), torch.get_autocast_dtype("cuda")
    torch.set_autocast_enabled("cuda", True)  # torch.autocast would first look for a GPU
    torch.set_autocast_dtype("cuda", torch.bfloat16)
    try:
        with FakeTensorMode(allow_non_fake_inputs=True):
            yield
    finally:
        torch.set_autocast_enabled("cuda", before[0])
        torch.set_autocast_dtype("cuda", before[1])
        torch.clear_autocast_cache()


def build(task: Any, config: dict[str, Any], folder: Path) -> Any:
    tokens = ["<blank>", "<unk>", *(f"t{number}" for number in range(20)), "<sos/eos>"]
    names = {"token_list": tokens, "src_token_list": tokens, "token_type": None, "src_token_type": None}
    config = {**task.get_default_config(), **config, **names, "output_dir": str(folder)}
    return task.build_model(argparse.Namespace(**config)).train()


def make_translator(folder: Path) -> Any:
    shape = model_config(ModelConfig(1, 1, 16, 32, 2), shared_vocabulary=False)
    return build(TokenMTTask, {**shape, **optimisation_config(TrainingConfig(bfloat16=False), 0)}, folder)


def make_speech_translator(folder: Path) -> Any:
    training = SpeechTrainingConfig(bfloat16=False)
    options = {**translator_options(SPEECH, RATE), **training_options(training, InitConfig(), RATE, 0)}
    return build(SpokenSTTask, options, folder)


def random_ids(*shape: int) -> Tensor:
    return torch.randint(2, 20, shape, device="cuda")


def encode_text(model: Any) -> Tensor:
    """Return (sentences, longest + 1, width); what the encoder asks the lengths for needs numbers."""
    x, _ = model._extract_feats(random_ids(SENTENCES, LONGEST), random_ids(SENTENCES))
    mask = torch.ones(SENTENCES, 1, LONGEST + 1, dtype=torch.bool, device="cuda")
    for layer in model.encoder.encoders:
        x, mask = layer(x, mask)
    return model.encoder.after_norm(x)  # type: ignore[no-any-return]


def encode_features(model: Any) -> Tensor:
    """Return (recordings, frames, width) of log-mel features."""
    features = torch.randn(SENTENCES, 51, SPEECH.mels, device="cuda")
    mask = torch.ones(SENTENCES, 1, 51, dtype=torch.bool, device="cuda")
    xs, mask = model.encoder.embed(features, mask)
    for layer in model.encoder.encoders:
        xs, mask = layer(xs, mask)
    return model.encoder.after_norm(xs[0])  # type: ignore[no-any-return]


def assert_decodes(model: Any, criterion: Any, encoded: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compute the decoder's loss and, as the loss does at once, its own gradients."""
    places = Places(torch.zeros(TOKENS, dtype=torch.int64, device="cuda"), (SENTENCES, LONGEST + 1))
    monkeypatch.setattr(fast, "find_places", lambda *_: places)  # how many tokens there are needs numbers
    lengths = random_ids(SENTENCES)
    scores = decoder_scores(model, criterion, encoded, lengths, random_ids(SENTENCES, LONGEST), lengths)
    for score in scores:
        assert (score.dtype, score.device.type) == (torch.float32, "cuda")
    assert scores.loss.requires_grad


def test_a_text_model_computes_on_a_gpu_in_bfloat16(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_translator(tmp_path)
    with fake_gpu():
        model = model.to("cuda")
        assert_decodes(model, model.criterion_mt, encode_text(model), monkeypatch)


def test_a_speech_model_computes_on_a_gpu_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_speech_translator(tmp_path)
    with fake_gpu():
        model = model.to("cuda")
        encoded = encode_features(model)
        assert encoded.device.type == "cuda"
        assert_decodes(model, model.criterion_st, encoded, monkeypatch)
        assert model.ctc.ctc_lo(encoded).dtype == torch.bfloat16  # CTC itself has no fake


def test_a_batch_is_warped_in_time_without_a_wait_for_the_gpu() -> None:
    with fake_gpu():
        features, lengths = torch.randn(SENTENCES, 51, 8, device="cuda"), random_ids(SENTENCES)
        warped, _ = FastTimeWarp(5)(features, lengths)
        assert (warped.shape, warped.dtype, warped.device.type) == (features.shape, torch.float32, "cuda")


def test_a_tensor_that_is_left_on_the_cpu_is_noticed() -> None:
    with fake_gpu(), pytest.raises(Exception, match="device"):
        torch.ones(2, device="cuda") + torch.ones(2)


def test_a_value_that_the_cpu_waits_for_is_noticed() -> None:
    with fake_gpu(), pytest.raises(DataDependentOutputException):
        torch.ones(2, device="cuda").sum().item()
