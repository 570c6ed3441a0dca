"""Convolutions and transposed convolutions, each computed in the way that is quickest for its shape on a processor.

A convolution with weight W [A, B, k, k] joins a large map X [N, B, H, W] and a small one Y [N, A, h, w] by three maps:

    correlate: X, W -> Y      the convolution; the derivative of the other two by Y
    spread:    Y, W -> X      the transposed convolution; the derivative by X
    gradient:  Y, X -> W      the derivative by W

Each is linear in both arguments, and its derivatives are the other two: to any order, as gradient penalties need.
torch computes them well but for three shapes, which DCGAN has in its deepest, its first and its last layer:

- a small map of few pixels under many weights is one matrix product over all windows: .6 to .9 of the time;
- a small map of one pixel is a matrix product as it stands: a tenth to a quarter of the time;
- an image out of many features: the s x s phases of its pixels as channels of a convolution of the small map, whose
  kernel has a side of k / s (Shi et al., 2016, "Is the deconvolution layer the same as a convolutional layer?"): .4.

Times are those of AVX-512 processors (docs/performance.md). Elsewhere than in fp32 on a CPU, torch's own are taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function

FEW_PIXELS, MANY_WEIGHTS = 16, 2**20
FEW_CHANNELS = 4  # an image's
WINDOWS, PIXELS = 256, 2**14  # of the small map that are worked on at once: copied, and made phases of


class Conv2d(nn.Conv2d):
    """`torch.nn.Conv2d(inputs, outputs, kernel, stride=1, padding=0, *, bias=True)`: square kernels, zeros around."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, padding: int = 0, *, bias: bool = True
    ) -> None:
        super().__init__(inputs, outputs, kernel, stride, padding, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """N inputs H W -> N outputs h w."""
        return conv2d(x, self.weight, self.bias, self.stride[0], int(self.padding[0]))


class ConvTranspose2d(nn.ConvTranspose2d):
    """`torch.nn.ConvTranspose2d(inputs, outputs, kernel, stride=1, padding=0, *, odd=0, bias=True)`: square kernels.

    `odd` is the output_padding: rows and columns more than the last window needs, below `stride`.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int = 1,
        padding: int = 0,
        *,
        odd: int = 0,
        bias: bool = True,
    ) -> None:
        super().__init__(inputs, outputs, kernel, stride, padding, output_padding=odd, bias=bias)

    def forward(self, y: Tensor, output_size: list[int] | None = None) -> Tensor:
        """N inputs h w -> N outputs H W."""
        if output_size is not None:
            return super().forward(y, output_size)
        return conv_transpose2d(y, self.weight, self.bias, self.stride[0], int(self.padding[0]), self.output_padding[0])


def conv2d(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: int) -> Tensor:
    """`torch.nn.functional.conv2d`, without groups and dilation."""
    geometry = Geometry(weight.shape[2], stride, padding, x.shape[2], x.shape[3])
    if not ours(x) or way(geometry, weight) == "torch":
        return F.conv2d(x, weight, bias, stride, padding)
    return with_bias(call(Correlate, x, weight, geometry), bias)


def conv_transpose2d(y: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: int, odd: int = 0) -> Tensor:
    """`torch.nn.functional.conv_transpose2d`, without groups and dilation."""
    height, width = ((side - 1) * stride - 2 * padding + weight.shape[2] + odd for side in y.shape[2:])
    geometry = Geometry(weight.shape[2], stride, padding, height, width)
    if not ours(y) or way(geometry, weight) == "torch":
        return F.conv_transpose2d(y, weight, bias, stride, padding, odd)
    return with_bias(call(Spread, y, weight, geometry), bias)


class Geometry(NamedTuple):
    """Where the windows of a kernel lie in the large map."""

    kernel: int
    stride: int
    padding: int
    height: int  # of the large map
    width: int

    @property
    def small(self) -> tuple[int, int]:
        """Height and width of the small map."""
        kernel, stride, padding, height, width = self
        return (height + 2 * padding - kernel) // stride + 1, (width + 2 * padding - kernel) // stride + 1

    @property
    def rest(self) -> int:
        """Rows or columns of the large map that no window sees, the padding included."""
        return max((side + 2 * self.padding - self.kernel) % self.stride for side in (self.height, self.width))

    @property
    def one_window(self) -> bool:
        return self.padding == 0 and self.height == self.width == self.kernel


def ours(x: Tensor) -> bool:
    """Is this a tensor for which the shapes below were measured?"""
    if x.device.type != "cpu" or x.dtype not in (torch.float32, torch.float64):
        return False
    return not torch.is_autocast_enabled("cpu") and not torch.compiler.is_compiling()


def way(geometry: Geometry, weight: Tensor) -> Literal["product", "phases", "torch"]:
    height, width = geometry.small
    if min(height, width) < 1:
        return "torch"  # it says what is wrong
    if geometry.one_window or (height * width <= FEW_PIXELS and weight.numel() >= MANY_WEIGHTS):
        return "product"
    by_twos = geometry.kernel == 2 * geometry.stride and geometry.rest <= geometry.padding
    return "phases" if by_twos and weight.shape[1] <= FEW_CHANNELS else "torch"


class Correlate(Function):
    """X, W -> Y."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.geometry = geometry
        if way(geometry, weight) != "product":
            return F.conv2d(x, weight, None, geometry.stride, geometry.padding)
        y = channels_last(x, (len(x), len(weight), *geometry.small))
        for some_x, some_y in in_parts(geometry, x, y, WINDOWS):
            torch.mm(windows(some_x, geometry), rows_of_weights(weight).t(), out=rows_of_pixels(some_y))
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        return (
            call(Spread, dy, weight, ctx.geometry) if ctx.needs_input_grad[0] else None,
            call(Gradient, dy, x, weight.shape, ctx.geometry) if ctx.needs_input_grad[1] else None,
            None,
        )


class Spread(Function):
    """Y, W -> X."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
        ctx.save_for_backward(y, weight)
        ctx.geometry = geometry
        x = channels_last(y, (len(y), weight.shape[1], geometry.height, geometry.width))
        if way(geometry, weight) == "phases":
            for some_x, some_y in in_parts(geometry, x, y, PIXELS):
                by_phases(some_x, some_y, weight, geometry)
            return x
        if geometry.one_window:
            torch.mm(y.flatten(1), rows_of_weights(weight), out=x.permute(0, 2, 3, 1).view(len(y), -1))
            return x
        for some_x, some_y in in_parts(geometry, x, y, WINDOWS):
            overlap(some_x, rows_of_pixels(some_y) @ rows_of_weights(weight), geometry)
        return x

    @staticmethod
    def backward(ctx: Any, dx: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        y, weight = ctx.saved_tensors
        return (
            call(Correlate, dx, weight, ctx.geometry) if ctx.needs_input_grad[0] else None,
            call(Gradient, y, dx, weight.shape, ctx.geometry) if ctx.needs_input_grad[1] else None,
            None,
        )


class Gradient(Function):
    """Y, X -> W."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, x: Tensor, shape: torch.Size, geometry: Geometry) -> Tensor:
        ctx.save_for_backward(y, x)
        ctx.geometry = geometry
        weight = channels_last(x, tuple(shape))
        if way(geometry, weight) == "product":
            sums = rows_of_weights(weight)
            for part, (some_x, some_y) in enumerate(in_parts(geometry, x, y, WINDOWS)):
                sums.addmm_(rows_of_pixels(some_y).t(), windows(some_x, geometry), beta=min(part, 1))
            return weight
        _, stride, padding, *_ = geometry
        sides: Any = [stride] * 2, [padding] * 2, [1, 1]
        result: Tensor = torch.ops.aten.convolution_backward(
            y, x, weight, None, *sides, False, [0, 0], 1, [False, True, False]
        )[1]
        return result

    @staticmethod
    def backward(ctx: Any, dweight: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        y, x = ctx.saved_tensors
        return (
            call(Correlate, x, dweight, ctx.geometry) if ctx.needs_input_grad[0] else None,
            call(Spread, y, dweight, ctx.geometry) if ctx.needs_input_grad[1] else None,
            None,
            None,
        )


def in_parts(geometry: Geometry, x: Tensor, y: Tensor, most: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The batch in parts of at most so many windows: they need little memory, and multiply as fast."""
    height, width = geometry.small
    images = max(1, most // (height * width))
    return zip(torch.split(x, images), torch.split(y, images), strict=True)


def windows(x: Tensor, geometry: Geometry) -> Tensor:
    """All windows of a large map, [N h w, k k B]: a copy with each pixel as often as there are windows that see it."""
    kernel, stride, padding, *_ = geometry
    pixels = F.pad(x.permute(0, 2, 3, 1), (0, 0, padding, padding, padding, padding)).contiguous()
    (count, height, width, channels), small = pixels.shape, geometry.small
    step = width * channels
    found = pixels.as_strided(
        (count, *small, kernel, kernel * channels),
        (height * step, stride * step, stride * channels, step, 1),
    )
    return found.reshape(count * small[0] * small[1], -1)


def overlap(x: Tensor, columns: Tensor, geometry: Geometry) -> None:
    """The adjoint of `windows`, into x: each pixel is the sum over the windows that see it."""
    kernel, stride, padding, height, width = geometry
    (count, channels), (down, across) = x.shape[:2], geometry.small
    pixels = columns.new_zeros(count, height + 2 * padding, width + 2 * padding, channels)
    seen = columns.view(count, down, across, kernel, kernel, channels)
    for i in range(kernel):
        for j in range(kernel):
            pixels[:, i : i + down * stride : stride, j : j + across * stride : stride] += seen[:, :, :, i, j]
    inside = pixels[:, padding : padding + height, padding : padding + width]
    x.copy_(inside.permute(0, 3, 1, 2))


def by_phases(x: Tensor, y: Tensor, weight: Tensor, geometry: Geometry) -> None:
    """Spread into x, for kernels of twice the stride s: pixel s m + a sees the small map's m - 1 and m, for each a."""
    _, stride, padding, height, width = geometry
    inputs, channels = weight.shape[:2]
    parted = weight.reshape(inputs, channels, 2, stride, 2, stride).flip(2, 4).permute(3, 5, 1, 0, 2, 4)
    phases = F.conv2d(y, parted.reshape(-1, inputs, 2, 2).contiguous(memory_format=torch.channels_last), padding=1)
    count, _, down, across = phases.shape
    apart = phases.permute(0, 2, 3, 1).reshape(count, down, across, stride, stride, channels)
    pixels = apart.transpose(2, 3).reshape(count, down * stride, across * stride, channels)
    x.copy_(pixels[:, padding : padding + height, padding : padding + width].permute(0, 3, 1, 2))


def call(function: type[Function], *arguments: Any) -> Tensor:
    result: Tensor = function.apply(*arguments)
    return result


def with_bias(y: Tensor, bias: Tensor | None) -> Tensor:
    return y if bias is None else y + bias[:, None, None]


def channels_last(like: Tensor, shape: tuple[int, ...]) -> Tensor:
    """A new tensor, and not a view of one: what follows may write into it."""
    return torch.empty(shape, dtype=like.dtype, device=like.device, memory_format=torch.channels_last)


def rows_of_weights(weight: Tensor) -> Tensor:
    """[A, B, k, k] -> [A, k k B]: without a copy where the weight is channels_last."""
    return weight.permute(0, 2, 3, 1).reshape(len(weight), -1)


def rows_of_pixels(y: Tensor) -> Tensor:
    """[N, A, h, w] -> [N h w, A]: without a copy where the map is channels_last."""
    return y.permute(0, 2, 3, 1).reshape(-1, y.shape[1])
