"""What D and G minimise, in a few words."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from ganbench import Loss


@dataclass(frozen=True, kw_only=True)
class MyLoss(Loss):
    """The hinge loss with a soft corner (say what it is here, and cite the paper)."""

    sharpness: float = 4.0  # of the corner, > 0; the larger, the more like the hinge loss

    def __post_init__(self) -> None:
        if self.sharpness <= 0:
            raise ValueError(f"sharpness must be above 0, not {self.sharpness}")

    def on_real(self, logits: Tensor, label: Tensor) -> Tensor:
        return F.softplus(1 - logits, beta=self.sharpness)

    def on_fake(self, logits: Tensor, label: Tensor) -> Tensor:
        return F.softplus(1 + logits, beta=self.sharpness)

    def for_generator(self, logits: Tensor, label: Tensor) -> Tensor:
        return -logits
