"""Self-attention over the positions of a feature map."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SelfAttention(nn.Module):
    """Self-attention whose gain starts at zero (SAGAN, Zhang et al., 2019); keys and values are pooled 2 x 2.

    Written with plain products: fused attention kernels have no second derivative, which gradient penalties need.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow, half = max(channels // 8, 1), max(channels // 2, 1)
        self.query = nn.Conv2d(channels, narrow, 1, bias=False)
        self.key = nn.Conv2d(channels, narrow, 1, bias=False)
        self.value = nn.Conv2d(channels, half, 1, bias=False)
        self.output = nn.Conv2d(half, channels, 1, bias=False)
        self.gain = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        query = self.query(x).flatten(2)  # N c P
        key = F.max_pool2d(self.key(x), 2).flatten(2)  # N c P/4
        value = F.max_pool2d(self.value(x), 2).flatten(2)  # N C/2 P/4
        attention = (query.transpose(1, 2) @ key).softmax(2)  # N P P/4: of each position, over the others
        found = (value @ attention.transpose(1, 2)).unflatten(2, x.shape[2:])
        attended: Tensor = x + self.gain * self.output(found)
        return attended
