"""Doubling and halving the side of feature maps."""

from __future__ import annotations

from torch import Tensor, nn

from ganbench.api.config import Downsampling, Upsampling


def up(kind: Upsampling, inputs: int, outputs: int, *, kernel: int = 4, bias: bool = False) -> nn.Module:
    """N inputs H W -> N outputs 2H 2W. `kernel` is that of the transposed convolution; the others use 3."""
    match kind:
        case "transposed":
            padding, odd = (kernel - 1) // 2, kernel % 2
            return nn.ConvTranspose2d(inputs, outputs, kernel, 2, padding, output_padding=odd, bias=bias)
        case "pixel_shuffle":  # sub-pixel convolution (Shi et al., 2016)
            return nn.Sequential(nn.Conv2d(inputs, 4 * outputs, 3, 1, 1, bias=bias), nn.PixelShuffle(2))
        case "nearest":
            return nn.Sequential(Repeat(), nn.Conv2d(inputs, outputs, 3, 1, 1, bias=bias))


def down(kind: Downsampling, inputs: int, outputs: int, *, kernel: int = 4, bias: bool = False) -> nn.Module:
    """N inputs H W -> N outputs H/2 W/2. `kernel` is that of the strided convolution; the others use 3."""
    match kind:
        case "strided":
            return nn.Conv2d(inputs, outputs, kernel, 2, (kernel - 1) // 2, bias=bias)
        case "average_pool":
            return nn.Sequential(nn.Conv2d(inputs, outputs, 3, 1, 1, bias=bias), nn.AvgPool2d(2))
        case "max_pool":
            return nn.Sequential(nn.Conv2d(inputs, outputs, 3, 1, 1, bias=bias), nn.MaxPool2d(2))


class Repeat(nn.Module):
    """Nearest-neighbour upsampling by 2; its backward is a plain sum, which is deterministic on every device."""

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        return x[:, :, :, None, :, None].expand(n, c, h, 2, w, 2).reshape(n, c, 2 * h, 2 * w)
