"""Small spectral norms, softly."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ganbench import Forward, Moment, Parts, Trick
from ganbench_zoo.tricks.matrices import Side, check_networks, matrices_of_player
from ganbench_zoo.tricks.spectral_norm import SpectralNorm

FIRST_ITERATIONS = 15  # of a vector that starts at random


@dataclass(frozen=True, kw_only=True)
class SpectralRegularization(Trick):
    """The squared largest singular values of the weights are added to the loss (Yoshida & Miyato, 2017, equation 3).

    Half their sum over layers, times the weight. Power iteration estimates them; its vectors are kept between updates.
    """

    networks: tuple[Side, ...] = ("discriminator",)  # at least one
    weight: float = 0.01  # > 0
    power_iterations: int = 1  # per update, >= 1

    def __post_init__(self) -> None:
        check_networks(self.networks)
        if self.weight <= 0 or self.power_iterations < 1:
            raise ValueError("weight must be above 0, and power_iterations at least 1")

    def conflict(self, parts: Parts) -> str | None:
        normalised = [trick for trick in parts.tricks.values() if isinstance(trick, SpectralNorm)]
        for name, side in (("generator", parts.config.generator), ("discriminator", parts.config.discriminator)):
            if name in self.networks and (side.spectral_norm or any(name in trick.networks for trick in normalised)):
                return f"spectral_regularization would change nothing: spectral norm divides by it in the {name}"
        return None

    def extra_loss(self, forward: Forward, moment: Moment) -> Tensor | None:
        matrices = matrices_of_player(self.networks, forward, moment, self.memory)
        terms = [self.largest(matrix, name, moment).square() for name, matrix in matrices.items()]
        return self.weight / 2 * torch.stack(terms).sum() if terms else None

    def largest(self, matrix: Tensor, key: str, moment: Moment) -> Tensor:
        """The largest singular value, with gradient; moves the layer's vector in memory. Scalar."""
        with torch.no_grad():
            new = key not in self.memory
            start = moment.normal("spectral_regularization", (len(matrix),), like=matrix) if new else self.memory[key]
            left = start
            for _ in range(FIRST_ITERATIONS if new else self.power_iterations):
                right = F.normalize(matrix.T @ left, dim=0)
                left = F.normalize(matrix @ right, dim=0)
            # Weights of zero, as residual blocks may start with, would leave a vector of zeros, for ever.
            left = self.memory[key] = left.where(left.any(), start)
        return left @ matrix @ right
