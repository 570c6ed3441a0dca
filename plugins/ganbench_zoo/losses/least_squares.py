"""The least-squares loss."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ganbench import Loss


@dataclass(frozen=True, kw_only=True)
class LeastSquares(Loss):
    """LSGAN: half the squared distance of logits from labels 1 and 0 (Mao et al., 2017, equation 9)."""

    reads_labels = True

    def on_real(self, logits: Tensor, label: Tensor) -> Tensor:
        return (logits - label).square() / 2

    on_fake = on_real
    for_generator = on_real
