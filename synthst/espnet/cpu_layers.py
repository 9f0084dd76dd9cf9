"""Give a copy of a network the layers that compute fastest on a processor, for inference.

The leaves are exchanged, the network's own code stays as it is: linear layers and pointwise convolutions
get weights in oneDNN's order, other convolutions have their channels last, which for a depthwise one is
several times faster, and a rectifier inside a sequence works in place, without another large tensor.
"""

from copy import deepcopy

import torch
from torch import Tensor
from torch.nn import functional

from synthst.espnet.linear import Linear


def with_cpu_layers[Module: torch.nn.Module](network: Module, dtype: torch.dtype = torch.float32) -> Module:
    """Return a copy of ``network`` with such layers, their weights in ``dtype``; the rest is as it was."""
    copied = deepcopy(network)
    for module in list(copied.modules()):
        for name, child in module.named_children():
            if (faster := _cpu_layer(child, dtype)) is not None:
                setattr(module, name, faster)
        if isinstance(module, torch.nn.Sequential):
            _rectify_in_place(module)
    return copied


class PackedLinear(torch.nn.Module):
    """Linear of ``dtype``, (..., inputs) to (..., outputs)."""

    def __init__(self, weight: Tensor, bias: Tensor | None, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype
        self.linear = Linear(weight.detach().to(dtype), None if bias is None else bias.detach().to(dtype))

    def forward(self, x: Tensor) -> Tensor:
        """Return what the linear layer gives, in its dtype."""
        rows = x.to(self.dtype).reshape(-1, x.size(-1))
        return self.linear(rows).view(*x.shape[:-1], -1)


class PointwiseConvolution(torch.nn.Module):
    """A convolution with a kernel of 1, (batch, inputs, time) to (batch, outputs, time)."""

    def __init__(self, convolution: torch.nn.Conv1d, dtype: torch.dtype) -> None:
        super().__init__()
        self.linear = PackedLinear(convolution.weight.squeeze(2), convolution.bias, dtype)

    def forward(self, x: Tensor) -> Tensor:
        """Return a view whose channels lie beside each other."""
        result: Tensor = self.linear(x.transpose(1, 2))
        return result.transpose(1, 2)


class DepthwiseConvolution(torch.nn.Module):
    """A convolution of each channel by itself, (batch, channels, time) to the same."""

    weight: Tensor
    bias: Tensor | None

    def __init__(self, convolution: torch.nn.Conv1d, dtype: torch.dtype) -> None:
        super().__init__()
        weight = convolution.weight.detach().to(dtype).unsqueeze(2)
        bias = None if convolution.bias is None else convolution.bias.detach().to(dtype)
        self.register_buffer("weight", weight.contiguous(memory_format=torch.channels_last))
        self.register_buffer("bias", bias)
        self.padding, self.groups = (0, int(convolution.padding[0])), convolution.groups

    def forward(self, x: Tensor) -> Tensor:
        """Return a view whose channels lie beside each other."""
        image = x.to(self.weight.dtype).unsqueeze(2).contiguous(memory_format=torch.channels_last)
        return functional.conv2d(
            image, self.weight, self.bias, padding=self.padding, groups=self.groups
        ).squeeze(2)


class ImageConvolution(torch.nn.Module):
    """A convolution over time and frequency, of images (batch, inputs, time, size); its channels are last."""

    def __init__(self, convolution: torch.nn.Conv2d, dtype: torch.dtype) -> None:
        super().__init__()
        self.convolution = convolution.to(dtype)
        weight = self.convolution.weight
        weight.data = weight.data.contiguous(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        """Return what the convolution gives, in its dtype."""
        image = x.to(self.convolution.weight.dtype).contiguous(memory_format=torch.channels_last)
        result: Tensor = self.convolution(image)
        return result


def _cpu_layer(layer: torch.nn.Module, dtype: torch.dtype) -> torch.nn.Module | None:
    """Return the faster counterpart of exactly these kinds of layers, not of their subclasses."""
    if type(layer) is torch.nn.Linear:
        return PackedLinear(layer.weight, layer.bias, dtype)
    if type(layer) is torch.nn.Conv2d and layer.padding_mode == "zeros":
        return ImageConvolution(layer, dtype)
    if type(layer) is not torch.nn.Conv1d or layer.padding_mode != "zeros" or isinstance(layer.padding, str):
        return None
    if layer.stride != (1,) or layer.dilation != (1,):
        return None
    if layer.kernel_size == (1,) and layer.groups == 1 and layer.padding == (0,):
        return PointwiseConvolution(layer, dtype)
    if layer.groups == layer.in_channels == layer.out_channels:
        return DepthwiseConvolution(layer, dtype)
    return None


def _rectify_in_place(sequence: torch.nn.Sequential) -> None:
    """Let a rectifier overwrite what the layer before it made; the first has no such layer."""
    for layer in list(sequence)[1:]:
        if type(layer) is torch.nn.ReLU:
            layer.inplace = True
