"""The relativistic loss against averages."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ganbench import DOutput, Loss, Targets, weighted_mean


@dataclass(frozen=True, kw_only=True)
class RelativisticAverage(Loss):
    """RaGAN: each logit against the mean of the other side's, for both players (Jolicoeur-Martineau, 2019, section 4).

    The sides may differ in size. Weights count in each mean, also in those that the other side is held against, so a
    sample of weight 0 is not there. Labels are not read: the players want opposite signs of the same differences.
    """

    compares = True

    def discriminator(self, real: DOutput | None, fake: DOutput | None, targets: Targets) -> Tensor:
        assert real is not None and fake is not None  # `compares` says that it cannot do with one side
        return against_averages(real, fake, targets.real_weight, targets.fake_weight)

    def generator(self, fake: DOutput, real: DOutput | None, targets: Targets) -> Tensor:
        assert real is not None
        return against_averages(fake, real, targets.fake_weight, targets.real_weight)


def against_averages(upper: DOutput, lower: DOutput, upper_weight: Tensor, lower_weight: Tensor) -> Tensor:
    """Upper logits are to be above the mean of lower ones, and lower ones below the mean of upper ones. Scalar."""
    terms = []
    for up, low in zip(upper.logits, lower.logits, strict=True):
        mean_up, mean_low = weighted_mean(up, upper_weight), weighted_mean(low, lower_weight)
        terms.append(weighted_mean(F.softplus(mean_low - up), upper_weight))
        terms.append(weighted_mean(F.softplus(low - mean_up), lower_weight))
    return torch.stack(terms).sum() / len(upper.logits)
