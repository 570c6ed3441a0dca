"""Changes of place. Images are N C H W; parameters are [N]; positions are in pixels, x to the right and y down.

Written with `gather`, since torch's own grid_sample has no second derivative, which gradient penalties need.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Padding = Literal["reflect", "zeros"]  # what lies outside: the image mirrored in its outermost pixels, or 0


def flip(images: Tensor, chosen: Tensor) -> Tensor:
    """The chosen ones (bool) mirrored left to right."""
    return torch.where(chosen[:, None, None, None], images.flip(3), images)


def shift(images: Tensor, down: Tensor, right: Tensor, *, padding: Padding = "zeros", fill: float = 0.0) -> Tensor:
    """Moved by whole pixels (int64). `fill` stands outside the image where the padding is not by reflection."""
    n, channels, height, width = images.shape
    rows = torch.arange(height, device=images.device) - down[:, None]  # N H: where each row comes from
    columns = torch.arange(width, device=images.device) - right[:, None]
    near_rows, near_columns = mirrored(rows, height), mirrored(columns, width)
    moved = images.gather(2, near_rows[:, None, :, None].expand(n, channels, height, width))
    moved = moved.gather(3, near_columns[:, None, None, :].expand(n, channels, height, width))
    if padding == "reflect":
        return moved
    inside = (near_rows == rows)[:, None, :, None] & (near_columns == columns)[:, None, None, :]
    return moved.where(inside, fill)


def cutout(images: Tensor, top: Tensor, left: Tensor, size: int, *, fill: float = 0.0) -> Tensor:
    """A square of that size, whose corner (int64) may lie outside, is filled."""
    height, width = images.shape[2:]
    rows = torch.arange(height, device=images.device) - top[:, None]  # N H: relative to the square
    columns = torch.arange(width, device=images.device) - left[:, None]
    hit_rows, hit_columns = (rows >= 0) & (rows < size), (columns >= 0) & (columns < size)
    return images.masked_fill(hit_rows[:, None, :, None] & hit_columns[:, None, None, :], fill)


def turn(angle: Tensor, *, scale: Tensor, mirror: Tensor, right: Tensor, down: Tensor) -> Tensor:
    """Where each place of the new image comes from, as matrices [N, 2, 3] on positions seen from the image's centre.

    The image is mirrored left to right where `mirror` is 1, moved, enlarged by the scale and turned clockwise by
    the angle in radians, in this order; the matrix undoes it.
    """
    cos, sin = angle.cos() / scale, angle.sin() / scale
    side = 1 - 2 * mirror
    across = torch.stack([cos * side, sin * side, -right * side], 1)
    return torch.stack([across, torch.stack([-sin, cos, -down], 1)], 1)


def warp(images: Tensor, matrix: Tensor, *, padding: Padding) -> Tensor:
    """Each place of the new image is taken from where the matrix [N, 2, 3] says, between four pixels."""
    n, channels, height, width = images.shape
    x = torch.arange(width, device=images.device) - (width - 1) / 2
    y = torch.arange(height, device=images.device) - (height - 1) / 2
    a, b = matrix[:, :, 0, None, None], matrix[:, :, 1, None, None]
    source = a * x + b * y[:, None] + matrix[:, :, 2, None, None]  # N 2 H W
    left, right, near_left, near_right = neighbours(source[:, 0] + (width - 1) / 2, width, padding)
    above, below, near_above, near_below = neighbours(source[:, 1] + (height - 1) / 2, height, padding)
    places = torch.stack(
        [above * width + left, above * width + right, below * width + left, below * width + right], 1
    ).flatten(2)  # N 4 HW
    weights = torch.stack(
        [near_above * near_left, near_above * near_right, near_below * near_left, near_below * near_right], 1
    ).flatten(2)
    found = images.flatten(2).gather(2, places.flatten(1)[:, None].expand(n, channels, 4 * height * width))
    mixed = (found.view(n, channels, 4, height * width) * weights[:, None]).sum(2)
    return mixed.view(n, channels, height, width)


def neighbours(place: Tensor, size: int, padding: Padding) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The pixels before and after a place (int64), and how much each of them counts."""
    if padding == "reflect":
        place = mirrored(place, size)
    before = place.floor()
    share = place - before
    first, second = before.long(), before.long() + 1
    near, far = 1 - share, share
    if padding == "zeros":
        near = near.where((first >= 0) & (first < size), 0.0)
        far = far.where((second >= 0) & (second < size), 0.0)
    return first.clamp(0, size - 1), second.clamp(0, size - 1), near, far


def mirrored(place: Tensor, size: int) -> Tensor:
    """Places outside 0..size - 1 reflected into it, at the centres of the outermost pixels; whole numbers or not."""
    return size - 1 - ((place % max(2 * size - 2, 1)) - (size - 1)).abs()
