"""Mirrored views."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ganbench import Moment, Trick


@dataclass(frozen=True, kw_only=True)
class Mirror(Trick):
    """D sees images mirrored at random, real and fake alike (after DiffAugment, Zhao et al., 2020)."""

    share: float = 0.5  # of the images, in (0, 1]

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError(f"share must be above 0 and at most 1, not {self.share}")

    def view(self, images: Tensor, moment: Moment) -> Tensor:
        # Differentiable, so G learns through it; drawn from the moment, so nobody else's numbers change.
        drawn = moment.uniform("mirror", (len(images), 1, 1, 1), like=images)
        return torch.where(drawn < self.share, images.flip(3), images)


if __name__ == "__main__":
    from ganbench.testing import check_trick

    check_trick(Mirror())
