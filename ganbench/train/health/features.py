"""What images are compared by: their colours on a grid of 8 x 8 places.

An eye that looks at thumbnails: it sees layout, colour, twins and copies, not texture. docs/decisions/0014 says why no
network is asked.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

GRID = 8  # places along each side
BLOCK = 1024  # images whose distances are computed at once


def thumbnails(images: Tensor) -> Tensor:
    """uint8 N C H W -> mean colours in [0, 1] on the grid, float32 N C 8 8."""
    blocks = [F.adaptive_avg_pool2d(part.float(), GRID) for part in blocks_of(images)]
    return torch.cat(blocks) / 255


def blocks_of(values: Tensor) -> list[Tensor]:
    return [values[start : start + BLOCK] for start in range(0, len(values), BLOCK)]


def nearest(points: Tensor, others: Tensor) -> Tensor:
    """Distance of each of N points to the nearest of M others. [N]"""
    return torch.cat([torch.cdist(points, block).min(1).values[:, None] for block in blocks_of(others)], 1).amin(1)


def distances(points: Tensor) -> Tensor:
    """Distances between all pairs, N x N, with infinity from each point to itself."""
    return torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist").fill_diagonal_(torch.inf)


def mean_distance(apart: Tensor) -> float:
    """Mean over all pairs of a matrix as `distances` gives it."""
    return float(apart[apart.isfinite()].mean())


def contrast(images: Tensor) -> Tensor:
    """Standard deviation of the values of each image, 0 where it is one colour throughout. uint8 N C H W -> [N]"""
    values = images.flatten(2).float() / 255
    return (values.square().mean(2) - values.mean(2).square()).clamp_min(0).sqrt().mean(1)


# sRGB -> linear light -> CIE XYZ (D65) -> CIELAB (IEC 61966-2-1; CIE 15)
TO_XYZ = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))


def chroma(colours: Tensor) -> float:
    """Mean chroma C* = sqrt(a*^2 + b*^2) of sRGB colours N 3 H W in [0, 1]; 0 for grey ones and for N 1 H W."""
    if colours.shape[1] == 1:
        return 0.0
    linear = torch.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    matrix = torch.tensor(TO_XYZ, device=colours.device)
    xyz = torch.einsum("ij,njhw->nihw", matrix / matrix.sum(1, keepdim=True), linear)  # white is (1, 1, 1)
    f = torch.where(xyz > (6 / 29) ** 3, xyz.clamp_min(1e-9) ** (1 / 3), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    x, y, z = f.unbind(1)
    return float((500 * (x - y)).hypot(200 * (y - z)).mean())
