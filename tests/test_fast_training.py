"""The fast parts of a training compute what ESPnet's compute."""

import argparse
import copy
import subprocess
import sys
import unittest.mock
from typing import Any

import pytest
import torch
from espnet2.legacy.nets.pytorch_backend.conformer.convolution import ConvolutionModule
from espnet2.legacy.nets.pytorch_backend.transformer.attention import (
    MultiHeadedAttention,
    RelPositionMultiHeadedAttention,
)
from espnet2.legacy.nets.pytorch_backend.transformer.embedding import RelPositionalEncoding
from espnet2.tasks.mt import MTTask
from torch.nn import functional

from synthst.espnet import output_loss
from synthst.espnet.attention import (
    FastAttention,
    FastRelPositionAttention,
    attend_fused,
    attend_plainly,
)
from synthst.espnet.config import ModelConfig
from synthst.espnet.dropout import FastDropout
from synthst.espnet.fast import FastMTModel, speed_up
from synthst.espnet.fast_convolution import FastConvolution
from synthst.espnet.loss import SmoothedCrossEntropy
from synthst.espnet.output_loss import CHUNK, OutputLoss
from synthst.espnet.train import model_config

VOCABULARY = 23


def gradients(module: torch.nn.Module, *inputs: Any) -> list[torch.Tensor]:
    """Return the output, and the gradients of all parameters for a fixed weighting of the output."""
    module.zero_grad()
    output = module(*inputs)
    (output * torch.linspace(-1, 1, output.numel()).view_as(output)).sum().backward()
    return [output.detach(), *(p.grad.clone() for p in module.parameters() if p.grad is not None)]


def assert_same(module: torch.nn.Module, kind: type[torch.nn.Module], *inputs: Any) -> None:
    faster = copy.deepcopy(module)
    faster.__class__ = kind
    wanted, found = gradients(module, *inputs), gradients(faster, *inputs)
    assert len(wanted) == len(found) > 1
    for one, other in zip(wanted, found, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-5)


def masks() -> torch.Tensor:
    """Return (2, 1, 5): the second sentence has 3 positions."""
    return torch.arange(5).view(1, 1, 5) < torch.tensor([5, 3]).view(2, 1, 1)


def test_attention_is_espnets_to_itself_to_the_past_and_to_other_frames() -> None:
    torch.manual_seed(0)
    x, other = torch.randn(2, 5, 8), torch.randn(2, 4, 8)
    to_the_past = masks() & torch.ones(5, 5, dtype=torch.bool).tril()
    for query, mask in ((x, masks()), (x, to_the_past), (other, masks()), (x, None)):
        assert_same(MultiHeadedAttention(2, 8, 0.0), FastAttention, query, x, x, mask)


@pytest.mark.parametrize("past", [True, False])
def test_the_kernels_of_a_gpu_attend_as_the_products_of_a_cpu_do(past: bool) -> None:
    torch.manual_seed(0)
    attention = MultiHeadedAttention(2, 8, 0.0).train()
    tensors = [torch.randn(3, 2, 5, 4, requires_grad=True) for _ in range(3)]
    mask = torch.ones(5, 5, dtype=torch.bool).tril().view(1, 1, 5, 5)
    mask = mask if past else mask & (torch.arange(5) < torch.tensor([5, 3, 1]).view(3, 1, 1, 1))
    found = []
    for compute in (attend_fused, attend_plainly):
        output = compute(attention, *tensors, mask, past=past)
        found.append([output, *torch.autograd.grad(output.square().sum(), tensors)])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


def test_the_past_needs_no_mask_on_a_gpu() -> None:
    """With a mask, torch cannot choose flash attention."""
    with unittest.mock.patch.object(functional, "scaled_dot_product_attention") as kernel:
        attend_fused(MultiHeadedAttention(2, 8, 0.1).eval(), *torch.zeros(3, 1, 2, 5, 4), masks(), past=True)
    assert kernel.call_args.args[3] is None
    assert kernel.call_args.kwargs == {"dropout_p": 0.0, "is_causal": True}


@pytest.mark.system
@pytest.mark.parametrize("module", ["espnet.task", "espnet.speech_task", "espnet.search", "espnet.beam"])
def test_attention_on_a_gpu_is_not_cudnns(module: str) -> None:
    """The teachers hf: search by espnet.beam."""
    asked = f"import synthst.{module}, torch; print(torch.backends.cuda.cudnn_sdp_enabled())"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_relative_attention_is_espnets() -> None:
    torch.manual_seed(0)
    x, positions = RelPositionalEncoding(8, 0.0)(torch.randn(2, 5, 8))
    assert_same(
        RelPositionMultiHeadedAttention(2, 8, 0.0), FastRelPositionAttention, x, x, x, positions, masks()
    )


def test_the_convolution_is_espnets_and_keeps_the_running_statistics() -> None:
    torch.manual_seed(0)
    module = ConvolutionModule(6, 3, torch.nn.SiLU())
    x = torch.randn(2, 5, 6)
    assert_same(module, FastConvolution, x, masks())
    faster = copy.deepcopy(module)
    faster.__class__ = FastConvolution
    module(x, masks()), faster(x, masks())
    for (name, wanted), found in zip(module.named_buffers(), faster.buffers(), strict=True):
        torch.testing.assert_close(found, wanted, msg=name)
    assert faster.norm.num_batches_tracked == 2


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_dropout_drops_its_share_and_scales_the_rest(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    ones = torch.ones(400, 250, dtype=dtype, requires_grad=True)
    dropped = FastDropout(0.1)(ones)
    dropped.sum().backward()
    share = float((dropped == 0).double().mean())
    assert abs(share - 0.1) < 0.004  # four standard deviations of 100,000 draws: 4 * sqrt(0.09 / 100,000)
    assert set(dropped.unique().tolist()) == {0.0, float(torch.tensor(1 / 0.9, dtype=dtype))}
    assert ones.grad is not None and torch.equal(ones.grad, dropped.detach())


def test_dropout_repeats_itself_with_torchs_seed_and_does_nothing_out_of_training() -> None:
    layer, x = FastDropout(0.5), torch.ones(7, 3)
    draws = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        draws.append(layer(x))
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])
    assert torch.equal(layer.eval()(x), x)
    assert FastDropout(0.0)(x) is x or torch.equal(FastDropout(0.0)(x), x)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("logits_at_a_time", [VOCABULARY * 4, 1 << 20])
def test_the_output_loss_is_the_criterions_in_value_and_gradient(
    smoothing: float, logits_at_a_time: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CHUNK, "cpu", logits_at_a_time)  # 4 tokens at a time, or all at once
    torch.manual_seed(0)
    layer, criterion = torch.nn.Linear(8, VOCABULARY), SmoothedCrossEntropy(VOCABULARY, smoothing)
    targets = torch.randint(0, VOCABULARY, (11,))
    plain, fused = (torch.linspace(-2, 2, 88).sin().view(11, 8).requires_grad_() for _ in range(2))
    logits = layer(plain)
    loss = 3 * criterion(logits.unsqueeze(0), targets.unsqueeze(0))
    wanted = torch.autograd.grad(loss, [plain, *layer.parameters()])
    scores = OutputLoss(criterion)(fused, layer, targets)
    found = torch.autograd.grad(3 * scores.loss, [fused, *layer.parameters()])
    torch.testing.assert_close(3 * scores.loss, loss)
    assert float(scores.accuracy) == pytest.approx(float((logits.argmax(1) == targets).float().mean()))
    for one, other in zip(wanted, found, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("dtype", "apart"), [(torch.float32, 1e-5), (torch.bfloat16, 2**-8)])
def test_the_passes_of_a_gpu_give_what_those_of_a_cpu_do_in_the_same_memory(
    dtype: torch.dtype, apart: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """bfloat16 keeps 8 bits: what is written is at most 2**-8 from what was computed, relatively."""
    torch.manual_seed(0)
    logits, targets = (8 * torch.randn(11, VOCABULARY)).to(dtype), torch.randint(0, VOCABULARY, (11,))
    logits[0, 1], targets[0] = 200.0, 2  # whose probability is none in float32
    wanted = output_loss.score_logits(logits.float().clone(), targets, 0.1, True)
    monkeypatch.setattr(output_loss, "exponentiate_on_cpu", output_loss.exponentiate_on_gpu)
    loss, hits, gradient = output_loss.score_logits(logits, targets, 0.1, True)
    assert gradient is not None and gradient.dtype == dtype and gradient.data_ptr() == logits.data_ptr()
    torch.testing.assert_close(loss, wanted[0])
    assert hits == wanted[1]
    torch.testing.assert_close(gradient.float(), wanted[2], rtol=apart, atol=1e-7)


def test_the_output_loss_needs_no_gradient_where_none_is_wanted() -> None:
    layer, criterion = torch.nn.Linear(8, VOCABULARY), SmoothedCrossEntropy(VOCABULARY, 0.1)
    with torch.no_grad():
        scores = OutputLoss(criterion)(torch.ones(2, 8), layer, torch.tensor([1, 2]))
    assert not scores.loss.requires_grad


def test_the_output_loss_under_autocast_is_near() -> None:
    torch.manual_seed(0)
    layer, criterion = torch.nn.Linear(8, VOCABULARY), SmoothedCrossEntropy(VOCABULARY, 0.1)
    hidden, targets = torch.randn(11, 8), torch.randint(0, VOCABULARY, (11,))
    exact = OutputLoss(criterion)(hidden, layer, targets).loss
    with torch.autocast("cpu", torch.bfloat16):
        rough = OutputLoss(criterion)(hidden, layer, targets).loss
    rough.sum().backward()  # type: ignore[no-untyped-call]
    assert rough.dtype == torch.float32 and layer.weight.grad is not None
    assert layer.weight.grad.dtype == torch.float32
    assert 0 < abs((rough - exact).item()) < 0.02


def build_model(shape: ModelConfig) -> Any:
    """Build ESPnet's MT model with our loss, as `TokenMTTask` does."""
    tokens = ["<blank>", "<unk>", *(f"t{number}" for number in range(VOCABULARY - 3)), "<sos/eos>"]
    config = {**MTTask.get_default_config(), **model_config(shape, shared_vocabulary=True)}
    names = {"token_list": tokens, "src_token_list": tokens, "token_type": None, "src_token_type": None}
    model = MTTask.build_model(argparse.Namespace(**{**config, **names}))
    model.criterion_mt = SmoothedCrossEntropy(VOCABULARY, 0.1)
    return model


def make_batch() -> dict[str, torch.Tensor]:
    """Draw three sentence pairs of other lengths, padded with -1."""
    torch.manual_seed(1)
    batch = {}
    for name, lengths in (("src_text", [3, 6, 4]), ("text", [5, 2, 7])):
        batch[name] = torch.full((3, max(lengths)), -1)
        for row, length in enumerate(lengths):
            batch[name][row, :length] = torch.randint(2, VOCABULARY - 1, (length,))
        batch[f"{name}_lengths"] = torch.tensor(lengths)
    return batch


@pytest.mark.parametrize("tied", [False, True])
def test_a_model_keeps_its_loss_accuracy_gradients_and_names(tied: bool) -> None:
    torch.manual_seed(0)
    model = build_model(ModelConfig(2, 2, 16, 32, 2, 0.0, 0.0, tied_embeddings=tied))
    faster = copy.deepcopy(model)
    speed_up(faster)
    assert type(faster) is FastMTModel
    assert list(faster.state_dict()) == list(model.state_dict())
    results = []
    for one in (model, faster):
        loss, stats, _ = one(**make_batch())
        loss.backward()
        results.append((loss.item(), float(stats["acc"]), [p.grad for p in one.parameters()]))
    assert results[1][0] == pytest.approx(results[0][0], rel=1e-5)
    assert results[1][1] == pytest.approx(results[0][1])
    for wanted, found in zip(results[0][2], results[1][2], strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-6)
    with torch.no_grad():
        assert float(faster.eval()(**make_batch())[0]) == pytest.approx(results[0][0], rel=1e-5)


def test_only_dropout_makes_two_passes_differ() -> None:
    torch.manual_seed(0)
    faster = build_model(ModelConfig(1, 1, 16, 32, 2, 0.3, 0.3))
    speed_up(faster)
    batch = make_batch()
    first, second = (faster(**batch)[0].item() for _ in range(2))
    assert first != second
    faster.eval()
    assert faster(**batch)[0].item() == faster(**batch)[0].item()


def test_the_loss_of_padding_does_not_count() -> None:
    """The mean over the tokens of three sentences is that of each alone, weighted by its tokens."""
    torch.manual_seed(0)
    model = build_model(ModelConfig(1, 1, 16, 32, 2, 0.0, 0.0))
    speed_up(model)
    batch = make_batch()
    total = 0.0
    for row in range(3):
        one = {name: tensor[row : row + 1].clone() for name, tensor in batch.items()}
        total += model(**one)[0].item() * (int(one["text_lengths"]) + 1)
    assert model(**batch)[0].item() == pytest.approx(total / (5 + 2 + 7 + 3), rel=1e-5)


def test_softmax_sums_of_the_output_loss_do_not_overflow() -> None:
    layer = torch.nn.Linear(1, 3, bias=False)
    layer.weight.data = torch.tensor([[200.0], [0.0], [-200.0]])
    scores = OutputLoss(SmoothedCrossEntropy(3, 0.0))(torch.ones(1, 1), layer, torch.tensor([1]))
    assert float(scores.loss) == pytest.approx(200.0)
    assert float(scores.accuracy) == 0.0
    assert functional.linear(torch.ones(1, 1), layer.weight).argmax() == 0
