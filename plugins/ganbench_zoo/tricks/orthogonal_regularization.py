"""Orthogonal weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ganbench import Forward, Moment, Trick
from ganbench_zoo.tricks.matrices import weight_matrices


@dataclass(frozen=True, kw_only=True)
class OrthogonalRegularization(Trick):
    """Filters of a layer are pushed to be orthogonal, of any length (BigGAN, Brock et al., 2019, equation 3).

    Squared scalar products of each layer's filters are added to the network's own loss. Embeddings are left alone.
    """

    networks: tuple[Literal["generator", "discriminator"], ...] = ("generator",)  # at least one
    weight: float = 1e-4  # > 0
    unit_length: bool = False  # true: the filters' lengths are pulled to 1, as well (Brock et al., 2017)

    def __post_init__(self) -> None:
        if not self.networks or len(set(self.networks)) < len(self.networks):
            raise ValueError("networks must name one network, or both once")
        if self.weight <= 0:
            raise ValueError("weight must be above 0")

    def extra_loss(self, forward: Forward, moment: Moment) -> Tensor | None:
        # Games share their networks, so the weights count in the first of them only.
        if moment.domain != self.memory.setdefault("domain", moment.domain):
            return None
        name: Literal["generator", "discriminator"] = "generator" if moment.phase == "G" else "discriminator"
        if name not in self.networks:
            return None
        network = forward.networks.generator if name == "generator" else forward.networks.discriminator
        terms = [self.deviation(matrix) for matrix in weight_matrices(network).values()]
        return self.weight * torch.stack(terms).sum() if terms else None

    def deviation(self, matrix: Tensor) -> Tensor:
        """Sum of squares of W W^T without its diagonal, or of W W^T - I."""
        products = matrix @ matrix.T
        if self.unit_length:
            return (products - torch.eye(len(products), device=products.device)).square().sum()
        return products.square().sum() - products.diagonal().square().sum()
