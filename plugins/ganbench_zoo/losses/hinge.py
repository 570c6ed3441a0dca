"""The hinge loss."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from ganbench import Loss


@dataclass(frozen=True, kw_only=True)
class Hinge(Loss):
    """D separates by a margin of 1 on each side, G raises the logits of fakes (Lim & Ye, 2017; Miyato et al., 2018)."""

    def on_real(self, logits: Tensor, label: Tensor) -> Tensor:
        return F.relu(1 - logits)

    def on_fake(self, logits: Tensor, label: Tensor) -> Tensor:
        return F.relu(1 + logits)

    def for_generator(self, logits: Tensor, label: Tensor) -> Tensor:
        return -logits
