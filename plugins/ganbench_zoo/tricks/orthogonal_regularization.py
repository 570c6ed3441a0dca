"""Orthogonal weights."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ganbench import Forward, Moment, Trick
from ganbench_zoo.tricks.matrices import Side, check_networks, matrices_of_player


@dataclass(frozen=True, kw_only=True)
class OrthogonalRegularization(Trick):
    """Filters of a layer are pushed to be orthogonal, of any length (BigGAN, Brock et al., 2019, equation 3).

    Squared scalar products of each layer's filters are added to the network's own loss. Embeddings are left alone.
    """

    networks: tuple[Side, ...] = ("generator",)  # at least one
    weight: float = 1e-4  # > 0
    unit_length: bool = False  # true: the filters' lengths are pulled to 1, as well (Brock et al., 2017)

    def __post_init__(self) -> None:
        check_networks(self.networks)
        if self.weight <= 0:
            raise ValueError("weight must be above 0")

    def extra_loss(self, forward: Forward, moment: Moment) -> Tensor | None:
        matrices = matrices_of_player(self.networks, forward, moment, self.memory)
        terms = [self.deviation(matrix) for matrix in matrices.values()]
        return self.weight * torch.stack(terms).sum() if terms else None

    def deviation(self, matrix: Tensor) -> Tensor:
        """Sum of squares of W W^T without its diagonal, or of W W^T - I."""
        products = matrix @ matrix.T
        if self.unit_length:
            return (products - torch.eye(len(products), device=products.device)).square().sum()
        return products.square().sum() - products.diagonal().square().sum()
