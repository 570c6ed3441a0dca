"""The Wasserstein loss."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ganbench import Loss


@dataclass(frozen=True, kw_only=True)
class Wasserstein(Loss):
    """WGAN: difference of mean logits (Arjovsky et al., 2017).

    D needs a bound on its slope: weight_clipping, gradient_penalty or spectral_norm.
    """

    def on_real(self, logits: Tensor, label: Tensor) -> Tensor:
        return -logits

    def on_fake(self, logits: Tensor, label: Tensor) -> Tensor:
        return logits

    def for_generator(self, logits: Tensor, label: Tensor) -> Tensor:
        return -logits
