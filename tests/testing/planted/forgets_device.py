"""Numbers on the CPU."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ganbench import Moment, Trick


@dataclass(frozen=True, kw_only=True)
class ForgetsDevice(Trick):
    """Darkens the right side of what D sees."""

    def view(self, images: Tensor, moment: Moment) -> Tensor:
        return images * torch.linspace(1.0, 0.5, images.shape[3])
