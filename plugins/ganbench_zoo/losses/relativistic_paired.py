"""The relativistic loss of pairs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ganbench import DOutput, Loss, Targets, weighted_mean


@dataclass(frozen=True, kw_only=True)
class RelativisticPaired(Loss):
    """RpGAN: a real is to have a higher logit than its fake (Jolicoeur-Martineau, 2019; R3GAN, Huang et al., 2024).

    Fake i is compared with real i, which has the same labels. The weight of a pair is the product of both weights. Of
    unequal sides the shorter one is repeated from its start, so that nobody goes unseen. Labels are not read: the
    players want opposite signs of one difference. Maps of logits are compared place by place.
    """

    compares = True

    def discriminator(self, real: DOutput | None, fake: DOutput | None, targets: Targets) -> Tensor:
        assert real is not None and fake is not None  # `compares` says that it cannot do with one side
        return paired(real, fake, targets.real_weight, targets.fake_weight)

    def generator(self, fake: DOutput, real: DOutput | None, targets: Targets) -> Tensor:
        assert real is not None
        return paired(fake, real, targets.fake_weight, targets.real_weight)


def paired(upper: DOutput, lower: DOutput, upper_weight: Tensor, lower_weight: Tensor) -> Tensor:
    """Mean of -log sigmoid(upper - lower) over weighted pairs, positions and maps. Scalar."""
    n, m = len(upper_weight), len(lower_weight)
    pair = torch.arange(max(n, m), device=upper_weight.device)
    first, second = pair % n, pair % m
    weight = upper_weight[first] * lower_weight[second]
    terms = [
        weighted_mean(F.softplus(low[second] - up[first]), weight)
        for up, low in zip(upper.logits, lower.logits, strict=True)
    ]
    return torch.stack(terms).mean()
