"""Losses that bound a divergence of choice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from ganbench import Loss


@dataclass(frozen=True, kw_only=True)
class FGAN(Loss):
    """D tightens a lower bound on an f-divergence between data and fakes, and G lowers it (Nowozin et al., 2016).

    With T = g(logit), D maximises the mean of T on reals minus that of f*(T) on fakes; f* is the convex conjugate
    (equation 6). All g rise, so a large logit means "real".

    | divergence        | g(v)        | f*(g(v))      |
    |-------------------|-------------|---------------|
    | kl                | v           | exp(v - 1)    |
    | reverse_kl        | -exp(-v)    | v - 1         |
    | pearson           | v           | v^2 / 4 + v   |
    | squared_hellinger | 1 - exp(-v) | exp(v) - 1    |
    """

    divergence: Literal["kl", "reverse_kl", "pearson", "squared_hellinger"] = "pearson"  # which one, as in the table
    saturating: bool = False  # true: G lowers D's own bound (equation 6); false: it raises T on fakes (section 3.2)

    # Three formulas, elementwise. The base class takes the means: over positions, weighted samples and maps of logits.
    # `label` is not read, and `reads_labels` is false, so tricks that change labels are refused beside this loss.
    def on_real(self, logits: Tensor, label: Tensor) -> Tensor:
        match self.divergence:
            case "kl" | "pearson":
                return -logits
            case "reverse_kl":
                return (-logits).exp()
            case "squared_hellinger":
                return (-logits).exp() - 1

    def on_fake(self, logits: Tensor, label: Tensor) -> Tensor:
        match self.divergence:
            case "kl":
                return (logits - 1).exp()
            case "reverse_kl":
                return logits - 1
            case "pearson":
                return logits.square() / 4 + logits
            case "squared_hellinger":
                return logits.exp() - 1

    def for_generator(self, logits: Tensor, label: Tensor) -> Tensor:
        return -self.on_fake(logits, label) if self.saturating else self.on_real(logits, label)
