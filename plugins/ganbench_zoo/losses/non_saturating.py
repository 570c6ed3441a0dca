"""The non-saturating loss."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from ganbench import Loss


@dataclass(frozen=True, kw_only=True)
class NonSaturating(Loss):
    """Cross entropy for both players; G wants its fakes called real (Goodfellow et al., 2014, section 3)."""

    reads_labels = True

    def on_real(self, logits: Tensor, label: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(logits, label, reduction="none")

    on_fake = on_real
    for_generator = on_real
