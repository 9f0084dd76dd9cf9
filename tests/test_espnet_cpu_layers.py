"""The layers for a processor give what the layers give that they stand for."""

import pytest
import torch

from synthst.espnet.cpu_layers import (
    DepthwiseConvolution,
    ImageConvolution,
    PackedLinear,
    PointwiseConvolution,
    with_cpu_layers,
)

LAYERS = [
    (torch.nn.Linear(6, 10), (2, 7, 6), PackedLinear),
    (torch.nn.Linear(6, 10, bias=False), (7, 6), PackedLinear),
    (torch.nn.Conv1d(6, 10, 1), (2, 6, 7), PointwiseConvolution),
    (torch.nn.Conv1d(6, 6, 5, padding=2, groups=6), (2, 6, 9), DepthwiseConvolution),
    (torch.nn.Conv1d(6, 6, 3, groups=6, bias=False), (1, 6, 9), DepthwiseConvolution),
    (torch.nn.Conv2d(1, 4, 3, 2), (2, 1, 9, 11), ImageConvolution),
    (torch.nn.Conv1d(6, 10, 3), (2, 6, 9), torch.nn.Conv1d),
    (torch.nn.Conv1d(6, 6, 3, groups=6, padding=1, padding_mode="circular"), (2, 6, 9), torch.nn.Conv1d),
    (torch.nn.Conv1d(6, 6, 3, groups=6, dilation=2), (2, 6, 9), torch.nn.Conv1d),
]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("layer", "shape", "kind"), LAYERS)
@torch.inference_mode()
def test_every_layer_gives_what_it_stands_for(
    layer: torch.nn.Module, shape: tuple[int, ...], kind: type, dtype: torch.dtype
) -> None:
    x = torch.linspace(-1, 1, int(torch.tensor(shape).prod())).view(shape).sin()
    sequence = with_cpu_layers(torch.nn.Sequential(layer, torch.nn.ReLU()), dtype)
    assert type(sequence[0]) is kind
    if kind is torch.nn.Conv1d and dtype == torch.bfloat16:
        return  # it is as it was, and autocast has it
    tolerance = 1e-6 if dtype == torch.float32 else 2e-2
    torch.testing.assert_close(sequence(x).float(), layer(x).relu(), atol=tolerance, rtol=tolerance)
    assert type(layer) is not kind or kind is torch.nn.Conv1d, "the network given is as it was"


@torch.inference_mode()
def test_a_rectifier_does_not_overwrite_what_is_put_in() -> None:
    sequence = with_cpu_layers(torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Linear(2, 2), torch.nn.ReLU()))
    x = torch.tensor([[-1.0, 2.0]])
    sequence(x)
    assert x.tolist() == [[-1.0, 2.0]]
    assert [layer.inplace for layer in sequence if isinstance(layer, torch.nn.ReLU)] == [False, True]
