"""The squared hinge loss."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from ganbench import Loss


@dataclass(frozen=True, kw_only=True)
class SquaredHinge(Loss):
    """The hinge loss (Lim & Ye, 2017) with the distance from the margin squared."""

    margin: float = 1.0  # on each side of 0, > 0

    def __post_init__(self) -> None:
        if self.margin <= 0:
            raise ValueError(f"margin must be above 0, not {self.margin}")

    def on_real(self, logits: Tensor, label: Tensor) -> Tensor:
        return F.relu(self.margin - logits).square()

    def on_fake(self, logits: Tensor, label: Tensor) -> Tensor:
        return F.relu(self.margin + logits).square()

    def for_generator(self, logits: Tensor, label: Tensor) -> Tensor:
        return -logits
