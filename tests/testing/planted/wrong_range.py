"""Images outside of the range."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganbench import Architecture, DatasetInfo, DOutput, Labels, RunConfig


class Generator(nn.Module):
    def __init__(self, config: RunConfig, info: DatasetInfo) -> None:
        super().__init__()
        self.layer = nn.Linear(config.latents.size, info.channels * info.size**2)
        self.shape = info.shape

    def forward(self, latents: Tensor, labels: Labels) -> Tensor:
        return 255 * torch.sigmoid(self.layer(latents)).view(-1, *self.shape)


class Discriminator(nn.Module):
    def __init__(self, info: DatasetInfo) -> None:
        super().__init__()
        self.layer = nn.Linear(info.channels * info.size**2, 1)

    def forward(self, images: Tensor, labels: Labels) -> DOutput:
        return DOutput(logits=[F.leaky_relu(self.layer(images.flatten(1)))])


@dataclass(frozen=True, kw_only=True)
class WrongRange(Architecture):
    """Makes images in 0..255 whatever config.input_range says."""

    def generator(self, config: RunConfig, info: DatasetInfo) -> nn.Module:
        return Generator(config, info)

    def discriminator(self, config: RunConfig, info: DatasetInfo) -> nn.Module:
        return Discriminator(info)
