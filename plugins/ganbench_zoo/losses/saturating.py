"""The minimax loss, whose gradient vanishes for G where D is sure."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from ganbench import Loss


@dataclass(frozen=True, kw_only=True)
class Saturating(Loss):
    """Cross entropy, which D minimises and G maximises: min log(1 - D(G(z))) (Goodfellow et al., 2014, equation 1)."""

    reads_labels = True

    def on_real(self, logits: Tensor, label: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(logits, label, reduction="none")

    on_fake = on_real

    def for_generator(self, logits: Tensor, label: Tensor) -> Tensor:
        # The label is what G wants D to say; D's own loss on fakes has the opposite one.
        return -F.binary_cross_entropy_with_logits(logits, 1 - label, reduction="none")
