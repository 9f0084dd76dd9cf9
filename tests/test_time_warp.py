"""Time warping of a batch is ESPnet's of each utterance, for the same frame and place."""

import pytest
import torch
from espnet2.layers import time_warp
from espnet2.layers.time_warp import TimeWarp

from synthst.espnet.time_warp import FastTimeWarp, draw_warps, warp

WINDOW = 5


def warp_one(x: torch.Tensor, center: int, target: int, monkeypatch: pytest.MonkeyPatch) -> torch.Tensor:
    """Warp (frames, size) with ESPnet's own code, which draws what it is told."""
    drawn = iter([center, target - 1])
    monkeypatch.setattr(torch, "randint", lambda *_: torch.tensor([next(drawn)]))
    warped: torch.Tensor = time_warp.time_warp(x[None].clone(), WINDOW)[0]
    monkeypatch.undo()
    return warped


def test_a_batch_is_warped_as_espnet_warps_each_utterance(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    # 11 frames are the fewest that are warped; 4 to the left and 5 to the right are the longest ways
    cases = [(11, 5, 1), (11, 5, 10), (40, 5, 1), (40, 34, 39), (50, 20, 21), (50, 20, 20), (33, 17, 13)]
    lengths, centers, targets = torch.tensor(cases).T
    x = torch.randn(len(cases), 50, 4)
    warped = warp(x, lengths, centers, targets)
    for row, (length, center, target) in enumerate(cases):
        wanted = warp_one(x[row, :length], center, target, monkeypatch)
        torch.testing.assert_close(warped[row, :length], wanted, rtol=1e-4, atol=2e-5)
        assert not warped[row, length:].any()


def test_utterances_too_short_to_be_warped_stay_as_they_are() -> None:
    x, lengths = torch.randn(4, 12, 3), torch.tensor([12, 10, 3, 1])
    warped = warp(x, lengths, *draw_warps(lengths, WINDOW))
    for row, length in enumerate([10, 3, 1], 1):
        assert torch.equal(warped[row, :length], x[row, :length])


@pytest.mark.parametrize(("length", "window"), [(11, 5), (13, 5), (20, 3)])
def test_frames_and_places_are_as_likely_as_espnets(length: int, window: int) -> None:
    """ESPnet's frame is one of window .. length - window - 1, and goes to one of 2 * window places."""
    torch.manual_seed(0)
    centers, targets = draw_warps(torch.full((20_000,), length), window)
    for drawn, wanted in (
        (centers, range(window, length - window)),
        (targets - centers, range(1 - window, window + 1)),
    ):
        values, counts = drawn.unique(return_counts=True)
        assert values.tolist() == list(wanted)
        share = 1 / len(wanted)
        assert (counts / 20_000 - share).abs().max() <= 5 * (share * (1 - share) / 20_000) ** 0.5
    assert targets.min() >= 1 and targets.max() < length


@pytest.mark.parametrize("lengths", [None, torch.tensor([30, 20])])
def test_on_a_cpu_it_is_espnets(lengths: torch.Tensor | None) -> None:
    x, warped = torch.randn(2, 30, 3), []
    for kind in (TimeWarp, FastTimeWarp):
        torch.manual_seed(0)
        warped.append(kind(WINDOW)(x.clone(), lengths)[0])
    assert torch.equal(*warped)
