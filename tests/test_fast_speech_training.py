"""The fast parts of a speech model's training compute what ESPnet's compute."""

import argparse
import copy
from typing import Any

import pytest
import torch

from synthst.espnet.lean import lean_imports

with lean_imports():
    from espnet2.tasks.asr import ASRTask
    from espnet2.tasks.st import STTask

from synthst.espnet.loss import SmoothedCrossEntropy
from synthst.espnet.speech_config import SpeechModelConfig
from synthst.espnet.speech_fast import FastASRModel, FastSTModel, speed_up_speech
from synthst.espnet.speech_options import recogniser_options, translator_options

RATE, VOCABULARY = 8_000, 19
SHAPE = SpeechModelConfig(
    encoder_layers=2,
    decoder_layers=1,
    width=16,
    feedforward=32,
    heads=2,
    kernel=3,
    mels=20,
    frequency_mask_bins=3,
    dropout=0.0,
    attention_dropout=0.0,
    spec_augment=False,
)


def build_model(task: Any, options: dict[str, Any], criterion: str) -> Any:
    """Build ESPnet's model with our loss of the decoder, and its own of CTC."""
    tokens = ["<blank>", "<unk>", *(f"t{number}" for number in range(VOCABULARY - 3)), "<sos/eos>"]
    names = {"token_list": tokens, "src_token_list": tokens, "token_type": None, "src_token_type": None}
    torch.manual_seed(0)
    model = task.build_model(argparse.Namespace(**{**task.get_default_config(), **options, **names}))
    setattr(model, criterion, SmoothedCrossEntropy(VOCABULARY, 0.1))
    return model.double()  # biases before a normalisation have gradients of rounding errors only


def make_batch(*names: str) -> dict[str, torch.Tensor]:
    """Draw three recordings of other lengths, the longest of a second, and texts for them."""
    torch.manual_seed(1)
    lengths = torch.tensor([8_000, 5_000, 6_500])
    speech = torch.randn(3, 8_000, dtype=torch.float64).masked_fill(
        torch.arange(8_000) >= lengths.unsqueeze(1), 0.0
    )
    batch = {"speech": speech, "speech_lengths": lengths}
    for name in names:
        ends = torch.tensor([4, 2, 5])
        ids = torch.randint(2, VOCABULARY - 1, (3, 5))
        batch[name] = ids.masked_fill(torch.arange(5) >= ends.unsqueeze(1), -1)
        batch[f"{name}_lengths"] = ends
    return batch


@pytest.mark.parametrize("kind", ["st", "asr"])
def test_a_speech_model_keeps_its_loss_accuracy_gradients_and_names(kind: str) -> None:
    model: Any
    if kind == "st":
        model = build_model(STTask, translator_options(SHAPE, RATE), "criterion_st")
    else:
        model = build_model(ASRTask, recogniser_options(SHAPE, RATE), "criterion_att")
    faster: Any = copy.deepcopy(model)
    speed_up_speech(faster)
    faster_kind: Any = {"st": FastSTModel, "asr": FastASRModel}[kind]
    assert type(faster) is faster_kind
    assert list(faster.state_dict()) == list(model.state_dict())
    texts = ["text", "src_text"] if kind == "st" else ["text"]
    results = []
    for one in (model, faster):
        loss, stats, _ = one(**make_batch(*texts))
        loss.backward()
        accuracy = stats["acc"]
        results.append((loss.item(), float(accuracy), [p.grad for p in one.parameters()]))
    assert results[1][:2] == pytest.approx(results[0][:2], rel=1e-5)
    assert sum(grad is not None for grad in results[0][2]) > 50
    for wanted, found in zip(results[0][2], results[1][2], strict=True):
        assert (found is None) == (wanted is None)
        if wanted is not None:
            torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-6)
    for wanted, found in zip(model.buffers(), faster.buffers(), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
