"""Statistics over the batch as features, so that D sees when all fakes look alike."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganbench.api.config import Minibatch


def minibatch(kind: Minibatch, features: int) -> MinibatchStd | MinibatchDiscrimination | None:
    """A module [N, features] -> [N, features + its `extra`], or None."""
    match kind:
        case "none":
            return None
        case "std":
            return MinibatchStd()
        case "discrimination":
            return MinibatchDiscrimination(features)


class MinibatchStd(nn.Module):
    """The standard deviation over the batch, averaged over features, as one more feature (Karras et al., 2018)."""

    extra = 1

    def forward(self, features: Tensor) -> Tensor:
        wide = features.float()
        spread = (wide.var(0, correction=0) + 1e-8).sqrt().mean()  # finite gradient where all samples agree
        return torch.cat([features, spread.to(features.dtype).expand(len(features), 1)], 1)


class MinibatchDiscrimination(nn.Module):
    """Closeness to the other samples of the batch in learnt projections (Salimans et al., 2016, section 3.2)."""

    def __init__(self, features: int, kernels: int = 50, size: int = 5) -> None:
        super().__init__()
        self.extra, self.size = kernels, size
        self.projection = nn.Linear(features, kernels * size, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        rows = self.projection(features).float().unflatten(1, (self.extra, self.size))  # N kernels size
        distance = (rows[:, None] - rows[None]).abs().sum(3)  # N N kernels: L1
        # Without the sample itself, whose closeness is always 1.
        closeness = torch.exp(-distance).sum(1) - 1
        return torch.cat([features, closeness.to(features.dtype)], 1)
