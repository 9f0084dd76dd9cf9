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
        image = depthwise(self.depthwise_conv, x.transpose(1, 2).unsqueeze(2))
        normal = self.activation(normalise(self.norm, image)).squeeze(2).transpose(1, 2)
        return pointwise(self.pointwise_conv2, normal)


def pointwise(convolution: torch.nn.Conv1d, x: Tensor) -> Tensor:
    """Convolve (batch, time, inputs) with a kernel of 1."""
    return functional.linear(x, convolution.weight.squeeze(2), convolution.bias)


def depthwise(convolution: torch.nn.Conv1d, image: Tensor) -> Tensor:
    """Convolve every channel of (batch, channels, 1, time) by itself; channels are beside each other."""
    weight = convolution.weight.unsqueeze(2).contiguous(memory_format=torch.channels_last)
    image = image.contiguous(memory_format=torch.channels_last)
    padding = (0, int(convolution.padding[0]))
    return functional.conv2d(image, weight, convolution.bias, padding=padding, groups=image.size(1))


def normalise(norm: torch.nn.BatchNorm1d, image: Tensor) -> Tensor:
    """Normalise (batch, channels, 1, time) over the batch and time, keeping the running statistics."""
    if norm.training and norm.num_batches_tracked is not None:
        norm.num_batches_tracked.add_(1)
    running = norm.running_mean, norm.running_var
    momentum = norm.momentum or 0.0
    return functional.batch_norm(image, *running, norm.weight, norm.bias, norm.training, momentum, norm.eps)
