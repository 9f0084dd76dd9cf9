"""The Conformer's convolution module, its channels beside each other, as a processor convolves fastest."""

import synthst.espnet.lean  # noqa: F401

# isort: split
import torch
from espnet2.legacy.nets.pytorch_backend.conformer.convolution import ConvolutionModule
from torch import Tensor
from torch.nn import functional


class FastConvolution(ConvolutionModule):  # type: ignore[misc]  # espnet2 has no types
    """Compute what `ConvolutionModule` computes; on a GPU and out of training it is that."""

    def forward(self, x: Tensor, mask_pad: Tensor | None = None) -> Tensor:
        """Take and return (batch, time, channels); ``mask_pad`` (batch, 1, time) is true on frames."""
        if not self.training or x.device.type != "cpu" or not isinstance(self.norm, torch.nn.BatchNorm1d):
            result: Tensor = super().forward(x, mask_pad)
            return result
        x = functional.glu(pointwise(self.pointwise_conv1, x), dim=-1)
        if mask_pad is not None:
            x = x * mask_pad.transpose(1, 2)
        x = self.activation(normalise(self.norm, depthwise(self.depthwise_conv, x)))
        return pointwise(self.pointwise_conv2, x)


def pointwise(convolution: torch.nn.Conv1d, x: Tensor) -> Tensor:
    """Convolve (batch, time, inputs) with a kernel of 1."""
    return functional.linear(x, convolution.weight.squeeze(2), convolution.bias)


def depthwise(convolution: torch.nn.Conv1d, x: Tensor) -> Tensor:
    """Convolve every channel of (batch, time, channels) by itself.

    Time goes down an image of width 1. Were it the width, oneDNN 3.10 would give each thread a part of a row
    where it has more threads than rows, and for some lengths compile its bfloat16 kernel without end.
    """
    image = x.contiguous().unsqueeze(2).permute(0, 3, 1, 2)  # strides of channels_last in each dimension
    weight = convolution.weight.unsqueeze(3).contiguous(memory_format=torch.channels_last)
    padding = (int(convolution.padding[0]), 0)
    y = functional.conv2d(image, weight, convolution.bias, padding=padding, groups=image.size(1))
    return y.squeeze(3).transpose(1, 2)


def normalise(norm: torch.nn.BatchNorm1d, x: Tensor) -> Tensor:
    """Normalise (batch, time, channels) over the batch and time, keeping the running statistics.

    Here time is the width: of images of width 1 batch_norm (torch 2.11) may misread the gradient's layout.
    """
    if norm.training and norm.num_batches_tracked is not None:
        norm.num_batches_tracked.add_(1)
    running = norm.running_mean, norm.running_var
    image = x.contiguous().unsqueeze(1).permute(0, 3, 1, 2)
    momentum = norm.momentum or 0.0
    y = functional.batch_norm(image, *running, norm.weight, norm.bias, norm.training, momentum, norm.eps)
    return y.squeeze(2).transpose(1, 2)
