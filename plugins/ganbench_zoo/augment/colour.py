"""Changes of colour. Images are N C H W with C 1 or 3; parameters are [N]."""

from __future__ import annotations

import torch
from torch import Tensor


def brightness(images: Tensor, offset: Tensor) -> Tensor:
    """The offset is added to every pixel."""
    return images + offset[:, None, None, None]


def saturation(images: Tensor, factor: Tensor) -> Tensor:
    """Distances of the channels from their mean are multiplied: 0 makes grey images, 1 changes nothing."""
    return torch.lerp(images.mean(1, keepdim=True), images, factor[:, None, None, None])


def contrast(images: Tensor, factor: Tensor) -> Tensor:
    """Distances of all values from the image's mean are multiplied: 0 makes flat images, 1 changes nothing."""
    return torch.lerp(images.mean((1, 2, 3), keepdim=True), images, factor[:, None, None, None])


def colour_matrix(channels: int, *, contrast: Tensor, luma_flip: Tensor, hue: Tensor, saturation: Tensor) -> Tensor:
    """The product of four changes about the grey axis, along which all channels are equal. [N, channels, channels]

    contrast and saturation are factors, the flip is 0 or 1, hue an angle in radians. The four commute. On grey images
    hue and saturation do nothing.
    """
    along = contrast.new_full((channels, channels), 1 / channels)  # projection onto the grey axis
    across = torch.eye(channels, device=along.device) - along
    turned = torch.zeros_like(along)  # `across`, turned by a right angle: the cross product with the axis
    if channels == 3:
        onward = torch.eye(3, device=along.device).roll(1, 0)  # made there: numbers from the host would have to wait
        turned = (onward - onward.T) / 3**0.5

    def wide(values: Tensor) -> Tensor:  # [N] -> N 1 1
        return values[:, None, None]

    colours = wide(saturation) * (wide(hue.cos()) * across + wide(hue.sin()) * turned)
    return wide(contrast) * (wide(1 - 2 * luma_flip) * along + colours)


def recolour(images: Tensor, matrix: Tensor, offset: Tensor, *, centre: float) -> Tensor:
    """The offset [N] is added, then the channels are mixed by the matrix [N, C, C], seen from the middle of the range.

    A mix of 3 channels in one pass over the image, and elementwise, which is quicker than many small products.
    """
    shift: Tensor = (matrix.sum(2) * (offset - centre)[:, None] + centre)[:, :, None, None]  # N C 1 1
    for i in range(images.shape[1]):
        shift = shift + matrix[:, :, i, None, None] * images[:, i : i + 1]
    return shift
