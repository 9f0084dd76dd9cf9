"""The loss must be ESPnet's, in value and gradient."""

import pytest
import torch
from espnet2.legacy.nets.pytorch_backend.transformer.label_smoothing_loss import LabelSmoothingLoss

from synthst.espnet.loss import SmoothedCrossEntropy


def make_batch(vocabulary: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw logits (4, 9, vocabulary) and targets (4, 9) with padding behind 9, 5, 1 and 7 tokens."""
    torch.manual_seed(seed)
    logits = 3 * torch.randn(4, 9, vocabulary)
    targets = torch.randint(0, vocabulary, (4, 9))
    for row, length in enumerate((9, 5, 1, 7)):
        targets[row, length:] = -1
    return logits, targets


@pytest.mark.parametrize("vocabulary", [2, 17, 1000])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.4])
def test_value_and_gradient_are_espnets(vocabulary: int, smoothing: float) -> None:
    logits, targets = make_batch(vocabulary)
    ours, theirs = (logits.clone().requires_grad_() for _ in range(2))
    loss = SmoothedCrossEntropy(vocabulary, smoothing)(ours, targets)
    wanted = LabelSmoothingLoss(vocabulary, -1, smoothing, normalize_length=True)(theirs, targets)
    loss.backward()
    wanted.backward()
    torch.testing.assert_close(loss, wanted, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-7)


def test_a_model_as_sure_as_the_smoothed_target_has_loss_zero() -> None:
    """At probability 0.9 for the right class and 0.1 / 4 for each of the others the divergence is 0."""
    logits = torch.tensor([[[0.9, 0.025, 0.025, 0.025, 0.025]]]).log()
    assert SmoothedCrossEntropy(5, 0.1)(logits, torch.tensor([[0]])).item() == pytest.approx(0, abs=1e-6)


def test_padding_has_no_gradient() -> None:
    logits, targets = make_batch(17)
    logits.requires_grad_()
    SmoothedCrossEntropy(17, 0.1)(logits, targets).backward()
    assert logits.grad is not None
    assert (logits.grad[targets == -1] == 0).all()
    assert (logits.grad[targets != -1] != 0).all()


def test_bfloat16_logits_are_summed_in_float32() -> None:
    logits, targets = make_batch(1000)
    rough = logits.bfloat16()
    loss = SmoothedCrossEntropy(1000, 0.1)
    assert loss(rough, targets).dtype == torch.float32
    torch.testing.assert_close(loss(rough, targets), loss(rough.float(), targets))
