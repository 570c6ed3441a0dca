"""What the real images say about the measures of a probe: every threshold about images is relative to them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ganbench.api.data import Samples
from ganbench.seeds import derive
from ganbench.train.health.features import chroma, contrast, distances, mean_distance, nearest, thumbnails

TRAIN = 32  # times as many real images as a probe has fakes: those that a fake may be a copy of
HELD_OUT = 512  # images at most that no generator can have learnt by heart, twice
FEWEST = 64  # held-out images, below which memorisation is not measured
NEIGHBOURS = 5  # of a real image, whose distance is the radius of its ball (density and coverage: Naeem et al., 2020)
LEAST_CHROMA = 2.0  # C* of data whose colours can fade
NEAR = 0.5  # of the distance to held-out images: a copy is at most as near to a training image, whatever the data say


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Measured once, on as many real images as a probe has fakes."""

    rows: Tensor  # indices into the training split, which D is asked about
    distance: float  # mean distance of two reals
    twin: float  # first percentile of a real's distance to the nearest other real, over the mean distance
    chroma: float  # 0: the data have no colours
    contrast: float  # a quarter of that of the flattest of a hundred reals
    points: Tensor  # N F: reals
    radii: Tensor  # [N] of the balls around them
    inside: float  # share of other reals that are in a ball
    train: Tensor  # T F
    held_out: Tensor  # H F; empty where there are too few
    copy: float  # a fake is a copy where (distance to train) / (distance to held out) is below


def measure_reference(train: Samples, held_out: Samples | None, n: int, device: torch.device) -> Reference:
    """Always the same for a data set and n, whatever the seed of the run."""
    rows = chosen(len(train), TRAIN * n, "train")
    images = torch.from_numpy(train.images[rows.numpy()])
    small = thumbnails(images)
    points, others = small[:n].flatten(1), small[n : 2 * n].flatten(1)
    apart = distances(points)
    distance = max(mean_distance(apart), 1e-6)
    # Reals that occur twice make the percentile 0; fakes that are as alike as a twentieth of the usual are twins.
    closest = apart.amin(1)
    twin = max(float(closest.quantile(0.01)), 0.05 * float(closest.median()), 1e-4) / distance
    radii = apart.kthvalue(min(NEIGHBOURS, len(points) - 1), dim=1).values
    found = chroma(small[:n])
    known, copy = learn_copies(small.flatten(1), held_out)
    return Reference(
        rows=rows[:n],
        distance=distance,
        twin=twin,
        chroma=found if found >= LEAST_CHROMA else 0.0,
        contrast=max(float(contrast(images[:n]).quantile(0.01)) / 4, 1 / 255),
        points=points.to(device),
        radii=radii.to(device),
        inside=max(share_inside(others, points, radii) if len(others) else 1.0, 1e-6),
        train=small.flatten(1).to(device),
        held_out=known.to(device),
        copy=copy,
    )


def learn_copies(train: Tensor, held_out: Samples | None) -> tuple[Tensor, float]:
    """Half of the held-out images, and how near to a training image the other half is not, compared with these.

    The other half are what a perfect generator would make. A ratio, since blurred images are near to everything.
    """
    if held_out is None or len(held_out) < FEWEST:
        return train[:0], 0.0
    rows = chosen(len(held_out), 2 * HELD_OUT, "held out").numpy()
    points = thumbnails(torch.from_numpy(held_out.images[rows])).flatten(1)
    known, fresh = points[: len(points) // 2], points[len(points) // 2 :]
    return known, min(float(nearness(fresh, train, known).quantile(0.01)), NEAR)


def nearness(points: Tensor, train: Tensor, held_out: Tensor) -> Tensor:
    """Distance to the nearest training image over that to the nearest held-out one. [N]"""
    return nearest(points, train) / nearest(points, held_out).clamp_min(1e-6)


def share_inside(points: Tensor, reals: Tensor, radii: Tensor) -> float:
    """Share of points that lie in the ball of some real image."""
    return float((torch.cdist(points, reals) <= radii).any(1).float().mean())


def chosen(count: int, most: int, purpose: str) -> Tensor:
    """Rows of a split: a folder's images may be sorted by class, so not the first ones."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(derive(0, "health", purpose)))[:most]
