"""Label-smoothed cross-entropy without ESPnet's dense (tokens, vocabulary) target."""

import math

import torch
from torch.nn import functional


class SmoothedCrossEntropy(torch.nn.Module):
    """Equal ESPnet's ``LabelSmoothingLoss(normalize_length=True)`` in value and gradient, but faster.

    ESPnet spreads ``smoothing`` over the V - 1 wrong classes and reports the divergence KL(target || model);
    torch spreads it over all V and reports the cross-entropy. With smoothing * V / (V - 1) the targets are
    the same, and the target's entropy, a constant, is subtracted. Szegedy et al. 2016, section 7.
    """

    def __init__(self, vocabulary_size: int, smoothing: float, ignore_id: int = -1) -> None:
        """``smoothing`` is the probability taken from the right class, in [0, 1)."""
        super().__init__()
        self.ignore_id = ignore_id
        self.smoothing = smoothing * vocabulary_size / (vocabulary_size - 1)
        self.target_entropy = 0.0
        if smoothing > 0:
            wrong = smoothing / (vocabulary_size - 1)
            self.target_entropy = -(1 - smoothing) * math.log(1 - smoothing) - smoothing * math.log(wrong)

    def forward(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the mean over tokens, in nats: logits (batch, length, V), targets (batch, length) int64."""
        entropy = functional.cross_entropy(
            logits.reshape(-1, logits.size(-1)).float(),
            targets.reshape(-1),
            ignore_index=self.ignore_id,
            label_smoothing=self.smoothing,
        )
        return entropy - self.target_entropy
