"""Noise inside the generator."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LayerNoise(nn.Module):
    """One normal number per pixel, added to each channel with a learnt gain (StyleGAN, Karras et al., 2019).

    It stays on when sampling. The gains start at 0.1, not at 0 as in the paper: short runs would never see the noise.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.full((1, channels, 1, 1), 0.1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.gain * torch.randn_like(x[:, :1])
