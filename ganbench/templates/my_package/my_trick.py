"""What it does, in a few words."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ganbench import Moment, Parts, Trick


@dataclass(frozen=True, kw_only=True)
class MyTrick(Trick):
    """D sees all images in grey now and then (say what it does here, and cite the paper)."""

    share: float = 0.5  # of the images, in (0, 1]

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError(f"share must be above 0 and at most 1, not {self.share}")

    def conflict(self, parts: Parts) -> str | None:
        if parts.info.channels == 1:
            return "my_trick takes colours away, and the images have none"
        return None

    def view(self, images: Tensor, moment: Moment) -> Tensor:
        # Drawn from the moment, so nobody else's random numbers change.
        drawn = moment.uniform("grey", (len(images), 1, 1, 1), like=images)
        return torch.where(drawn < self.share, images.mean(1, keepdim=True).expand_as(images), images)
