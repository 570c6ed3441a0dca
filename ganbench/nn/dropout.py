"""Dropout that may stay on when sampling."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from ganbench.api.config import NetworkConfig


class Dropout(nn.Dropout):
    """Dropout (Srivastava et al., 2014); with `dropout_when_sampling` it is a source of noise, as in pix2pix
    (Isola et al., 2017) and ganhacks 17."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__(config.dropout)
        self.when_sampling = config.dropout_when_sampling

    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.p, self.training or self.when_sampling)
