"""Normalisation of feature maps, plain or conditioned on labels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganbench.api.config import Norm


def norm(kind: Norm, channels: int, *, affine: bool = True) -> nn.Module:
    """A normalisation of maps N C H W. `pixel` and `none` have no parameters."""
    match kind:
        case "batch":
            return nn.BatchNorm2d(channels, affine=affine)
        case "instance":
            return nn.InstanceNorm2d(channels, affine=affine)
        case "layer":
            return nn.GroupNorm(1, channels, affine=affine)
        case "pixel":
            return PixelNorm()
        case "none":
            return nn.Identity()


class PixelNorm(nn.Module):
    """Each pixel's feature vector is scaled to mean square 1 (Karras et al., 2018)."""

    def forward(self, x: Tensor) -> Tensor:
        wide = x.float()  # the squares of bf16 numbers lose too much
        return (wide * (wide.square().mean(1, keepdim=True) + 1e-8).rsqrt()).to(x.dtype)


class ConditionalNorm(nn.Module):
    """A normalisation whose gain and bias are functions of the labels (de Vries et al., 2017).

    Both start at the plain normalisation: gain 1, bias 0.
    """

    def __init__(self, kind: Norm, channels: int, condition: int) -> None:
        super().__init__()
        self.norm = norm(kind, channels, affine=False)
        self.gain = nn.Linear(condition, channels)
        self.bias = nn.Linear(condition, channels)
        for layer in (self.gain, self.bias):
            nn.init.normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """x: N C H W; condition: [N, condition]."""
        gain, bias = self.gain(condition)[:, :, None, None], self.bias(condition)[:, :, None, None]
        return torch.addcmul(bias, self.norm(x), 1 + gain)
