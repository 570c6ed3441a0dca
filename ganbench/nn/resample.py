"""Doubling and halving the side of feature maps."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganbench.api.config import Downsampling, Upsampling
from ganbench.nn.convolution import Conv2d, ConvTranspose2d, conv2d, conv_transpose2d


def up(kind: Upsampling, inputs: int, outputs: int, *, kernel: int = 4, bias: bool = False) -> nn.Module:
    """N inputs H W -> N outputs 2H 2W. `kernel` is that of the transposed convolution; the others use 3."""
    match kind:
        case "transposed":
            padding, odd = (kernel - 1) // 2, kernel % 2
            return ConvTranspose2d(inputs, outputs, kernel, 2, padding, odd=odd, bias=bias)
        case "pixel_shuffle":  # sub-pixel convolution (Shi et al., 2016)
            return nn.Sequential(Conv2d(inputs, 4 * outputs, 3, 1, 1, bias=bias), nn.PixelShuffle(2))
        case "nearest":
            return NearestConv2d(inputs, outputs, bias=bias)


def down(kind: Downsampling, inputs: int, outputs: int, *, kernel: int = 4, bias: bool = False) -> nn.Module:
    """N inputs H W -> N outputs H/2 W/2. `kernel` is that of the strided convolution; the others use 3."""
    match kind:
        case "strided":
            return Conv2d(inputs, outputs, kernel, 2, (kernel - 1) // 2, bias=bias)
        case "average_pool":
            return ConvAveragePool2d(inputs, outputs, bias=bias)
        case "max_pool":
            return nn.Sequential(Conv2d(inputs, outputs, 3, 1, 1, bias=bias), nn.MaxPool2d(2))


class NearestConv2d(nn.Conv2d):
    """Nearest-neighbour upsampling by 2, then a 3 x 3 convolution, in one: a transposed convolution with stride 2.

    Where the four copies of a pixel meet the kernel its entries add up, so the 3 x 3 kernel is summed to 4 x 4 first
    (Karras et al., 2018). The same function at 4/9 of the products, and no repeated map in memory.
    """

    sums: Tensor

    def __init__(self, inputs: int, outputs: int, *, bias: bool = False) -> None:
        super().__init__(inputs, outputs, 3, bias=bias)
        self.register_buffer("sums", four_shifts().flip(1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return conv_transpose2d(x, widened(self.weight, self.sums).transpose(0, 1), self.bias, 2, 1)


class ConvAveragePool2d(nn.Conv2d):
    """A 3 x 3 convolution, then the mean over 2 x 2 pixels, in one: a 4 x 4 convolution with stride 2."""

    means: Tensor

    def __init__(self, inputs: int, outputs: int, *, bias: bool = False) -> None:
        super().__init__(inputs, outputs, 3, bias=bias)
        self.register_buffer("means", four_shifts() / 4, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return conv2d(x, widened(self.weight, self.means), self.bias, 2, 1)


def four_shifts() -> Tensor:
    """The linear map from a 3 x 3 kernel to the 4 x 4 sum of its four shifts by one pixel. [9, 16]"""
    side = torch.eye(3, 4) + torch.eye(3, 4).roll(1, 1)  # [3, 4]: the two shifts along one side
    return torch.kron(side, side)


def widened(weight: Tensor, shifts: Tensor) -> Tensor:
    """A kernel [O, I, 3, 3] under that map. [O, I, 4, 4]"""
    outputs, inputs = weight.shape[:2]
    return (weight.reshape(outputs * inputs, 9) @ shifts).view(outputs, inputs, 4, 4)


class Repeat(nn.Module):
    """Nearest-neighbour upsampling by 2; its backward is a plain sum, which is deterministic on every device."""

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        return x[:, :, :, None, :, None].expand(n, c, h, 2, w, 2).reshape(n, c, 2 * h, 2 * w)


class TentUp(nn.Module):
    """Linear interpolation to twice the side, with the filter [1, 2, 1]: every second position is a copy.

    Written as a convolution, whose derivatives are deterministic on every device; outside the map there are zeros.
    """

    tent: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("tent", 4 * tent_filter(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        channels = x.shape[1]
        return F.conv_transpose2d(x, self.tent.expand(channels, 1, 3, 3), stride=2, groups=channels)[:, :, :-1, :-1]


class TentDown(nn.Module):
    """Half the side: each second position, after smoothing with the filter [1, 2, 1] / 4 along both axes."""

    tent: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("tent", tent_filter(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        channels = x.shape[1]
        return F.conv2d(F.pad(x, (1, 0, 1, 0)), self.tent.expand(channels, 1, 3, 3), stride=2, groups=channels)


def tent_filter() -> Tensor:
    """[1, 2, 1] / 4 along both axes: 3 x 3 numbers whose sum is 1."""
    line = torch.tensor([1.0, 2.0, 1.0]) / 4
    return line[:, None] * line
