"""SpecAugment's time warping of a whole batch at once. Park et al. 2019, section 2."""

import synthst.espnet.lean  # noqa: F401

# isort: split
import torch
from espnet2.layers.time_warp import TimeWarp
from torch import Tensor

SHARPNESS = -0.75
"""What torch's bicubic interpolation takes for the ``a`` of Keys 1981, equation 15."""


class FastTimeWarp(TimeWarp):  # type: ignore[misc]  # espnet2 has no types
    """Warp as `TimeWarp` does, without its loop, in which a GPU waits for the CPU with each utterance.

    On a CPU, where the loop is twice as fast, it is that. On a GPU every utterance has its own warp; ESPnet
    gives all the same one if they happen to be of one length.
    """

    def forward(self, x: Tensor, x_lengths: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Warp features (batch, frames, size); behind ``x_lengths`` (batch,) they become 0."""
        if self.mode != "bicubic" or x.device.type == "cpu":
            result: tuple[Tensor, Tensor | None] = super().forward(x, x_lengths)
            return result
        lengths = x.new_full((len(x),), x.size(1), dtype=torch.int64) if x_lengths is None else x_lengths
        return warp(x, lengths, *draw_warps(lengths, self.window)), x_lengths


def draw_warps(lengths: Tensor, window: int) -> tuple[Tensor, Tensor]:
    """Return the frames to be moved and where to, (batch,) int64; an utterance too short keeps its end.

    A frame comes after ``window`` others and before as many, and moves by 1 - ``window`` to ``window``.
    """
    room = lengths - 2 * window
    centers = window + draw_below(room)
    targets = centers + 1 - window + draw_below(torch.full_like(lengths, 2 * window))
    return torch.where(room > 0, centers, lengths), torch.where(room > 0, targets, lengths)


def draw_below(bounds: Tensor) -> Tensor:
    """Return whole numbers from 0 up to but not including ``bounds``, int64, on their device."""
    drawn = (torch.rand(bounds.shape, device=bounds.device) * bounds).long()
    return torch.minimum(drawn, bounds - 1)  # for a product that is rounded up


def warp(x: Tensor, lengths: Tensor, centers: Tensor, targets: Tensor) -> Tensor:
    """Stretch the first ``centers`` frames of (batch, frames, size) to ``targets``, the others to the rest.

    Both parts are interpolated by cubic convolution (Keys 1981), each by itself. ``lengths``, ``centers`` and
    ``targets`` are (batch,) int64.
    """
    places = torch.arange(x.size(1), device=x.device)
    lengths, centers, targets = (one.unsqueeze(1) for one in (lengths, centers, targets))
    front = places < targets
    start = torch.where(front, 0, centers)
    frames = torch.where(front, centers, lengths - centers)
    wanted = torch.where(front, targets, lengths - targets).clamp(min=1)
    source = (places - torch.where(front, 0, targets) + 0.5) * (frames / wanted) - 0.5
    before = source.floor()
    warped = torch.zeros_like(x)
    for step, weight in enumerate(cubic_weights(source - before), -1):
        index = (start + torch.minimum((before.long() + step).clamp(min=0), frames - 1)).clamp(min=0)
        warped += weight.unsqueeze(2) * x.gather(1, index.unsqueeze(2).expand_as(x))
    return warped.masked_fill_((places >= lengths).unsqueeze(2), 0.0)


def cubic_weights(past: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the weights of the frames -1, 0, 1 and 2 after a place ``past`` frame 0, in [0, 1)."""
    a = SHARPNESS

    def near(distance: Tensor) -> Tensor:
        return ((a + 2) * distance - (a + 3)) * distance * distance + 1

    def far(distance: Tensor) -> Tensor:
        return ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a

    return far(past + 1), near(past), near(1 - past), far(2 - past)
