"""Output layer, label-smoothed cross-entropy and accuracy in one, without a (tokens, vocabulary) matrix."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from synthst.espnet.loss import SmoothedCrossEntropy

CHUNK = {"cpu": 1 << 23, "cuda": 1 << 27}
"""Logits that are in memory at a time."""


class Scores(NamedTuple):
    """What a batch gives: the mean loss per token in nats and the share of right tokens, () each."""

    loss: Tensor
    accuracy: Tensor


@dataclass(frozen=True)
class OutputLoss:
    """Equal `SmoothedCrossEntropy` of an output layer's logits, in value and gradient.

    Logits are computed for a part of the tokens at a time, and turned at once into the gradients of the layer
    and of its input (Hsu et al. 2024, Liger Kernel, section 3.2). Padding is left out from the start.
    """

    criterion: SmoothedCrossEntropy

    def __call__(self, hidden: Tensor, layer: torch.nn.Linear, targets: Tensor) -> Scores:
        """Take hidden (tokens, width) of ``layer``'s input and targets (tokens,) int64, without padding."""
        kind = hidden.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else hidden.dtype
        total, right = _OutputLoss.apply(  # type: ignore[no-untyped-call]
            hidden,
            layer.weight,
            layer.bias,
            targets,
            self.criterion.smoothing,
            dtype,
            torch.is_grad_enabled(),
        )
        tokens = targets.numel()
        return Scores(total / tokens - self.criterion.target_entropy, right / tokens)


class _OutputLoss(torch.autograd.Function):
    """The sum over tokens, so that gradients have a size that half-precision types can hold."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        targets: Tensor,
        smoothing: float,
        dtype: torch.dtype,
        with_gradients: bool,
    ) -> tuple[Tensor, Tensor]:
        layer = weight.to(dtype), None if bias is None else bias.to(dtype)
        gradients = _zero_gradients(hidden, weight, bias) if with_gradients else None
        total = torch.zeros((), device=hidden.device)
        right = torch.zeros((), device=hidden.device)
        step = max(1, CHUNK.get(hidden.device.type, 1 << 24) // len(weight))
        for start in range(0, len(hidden), step):
            part = slice(start, start + step)
            rows = hidden[part].to(dtype)
            logits = functional.linear(rows, *layer)
            if logits.device.type == "cpu":  # whose kernels would make a copy each
                logits = logits.float()
            loss, hits, gradient = score_logits(logits, targets[part], smoothing, gradients is not None)
            total += loss
            right += hits
            if gradients is not None and gradient is not None:
                _add_gradients(gradients, part, gradient.to(dtype), rows, layer[0])
        ctx.save_for_backward(*(gradients or ()))
        ctx.mark_non_differentiable(right)
        return total, right

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        hidden, weight, bias = ctx.saved_tensors
        scaled = [None if one is None else one.mul_(gradient) for one in (hidden, weight, bias)]
        return (*scaled, None, None, None, None)


def score_logits(
    logits: Tensor, targets: Tensor, smoothing: float, with_gradient: bool
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return the summed loss, the number of right tokens and the loss's gradient, written over ``logits``.

    ``logits`` (tokens, V) float32 or, on a GPU, bfloat16; ``targets`` (tokens,); ``smoothing`` as torch
    counts it, over all V. Sums are in float32, and so is the gradient until it is written.
    """
    chosen = targets.unsqueeze(1)
    wanted, mean = logits.gather(1, chosen).float(), logits.mean(1, keepdim=True, dtype=torch.float32)
    best, guess = logits.max(1, keepdim=True)
    hits = (guess == chosen).sum()
    share = smoothing / logits.size(1)
    exponentiate = exponentiate_on_cpu if logits.device.type == "cpu" else exponentiate_on_gpu
    mass, gradient = exponentiate(logits, best.float(), guess, share)
    surprise = mass.log() + best - wanted
    loss = (surprise + smoothing * (wanted - mean)).sum()
    if not with_gradient:
        return loss, hits, None
    of_chosen = surprise.neg().exp() - share - (1 - smoothing)
    return loss, hits, gradient.scatter_(1, chosen, of_chosen.to(gradient.dtype))


def exponentiate_on_cpu(logits: Tensor, best: Tensor, guess: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Return the sum of exp(logits - best), (tokens, 1), and the probabilities minus ``share`` in place.

    ``best`` and ``guess`` (tokens, 1) are the largest logit and where it is. One kernel goes through a row
    while that is in the processor's cache.
    """
    probabilities = torch.softmax(logits, 1, out=logits)
    return probabilities.gather(1, guess).reciprocal(), probabilities.sub_(share)


def exponentiate_on_gpu(logits: Tensor, best: Tensor, _: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Return the same: few passes over memory, which read and write bfloat16 and compute in float32.

    torch's softmax of bfloat16 into float32 would copy first.
    """
    masses = torch.sub(logits, best, out=logits if logits.dtype == best.dtype else None).exp_()
    mass = masses.sum(1, keepdim=True)
    return mass, torch.addcdiv(mass.new_full((), -share), masses, mass, out=logits)


def _zero_gradients(hidden: Tensor, weight: Tensor, bias: Tensor | None) -> list[Tensor | None]:
    """Make room for the gradients of the input and of the layer, summed in float32."""
    layer = [None if one is None else torch.zeros_like(one, dtype=torch.float32) for one in (weight, bias)]
    return [torch.empty_like(hidden), *layer]


def _add_gradients(
    gradients: list[Tensor | None], part: slice, gradient: Tensor, rows: Tensor, weight: Tensor
) -> None:
    """Add what the tokens ``part`` give: gradient (part, V) of their logits, rows (part, width)."""
    of_hidden, of_weight, of_bias = gradients
    assert of_hidden is not None and of_weight is not None
    of_hidden[part] = gradient @ weight
    if gradient.dtype == of_weight.dtype:
        of_weight.addmm_(gradient.T, rows)
    else:
        of_weight += gradient.T @ rows
    if of_bias is not None:
        of_bias += gradient.sum(0, dtype=torch.float32)
