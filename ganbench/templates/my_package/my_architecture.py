"""Two networks, in a few words."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganbench import Architecture, DatasetInfo, DOutput, Labels, Parts, RunConfig
from ganbench.nn import OutputRange


class Generator(nn.Module):
    """4 x 4, then doublings: each repeats pixels and convolves them."""

    def __init__(self, config: RunConfig, info: DatasetInfo, depth: int) -> None:
        super().__init__()
        self.width = config.generator.width
        self.first = nn.Linear(config.latents.size, self.width * 16)
        doublings = (info.size // 4).bit_length() - 1
        layers = [nn.Conv2d(self.width, self.width, 3, padding=1) for _ in range(doublings * depth)]
        self.layers = nn.ModuleList(layers)
        self.depth = depth
        self.image = nn.Conv2d(self.width, info.channels, 3, padding=1)
        self.output = OutputRange(config)  # into config.input_range, as the configuration says

    def forward(self, latents: Tensor, labels: Labels) -> Tensor:
        x = self.first(latents).view(-1, self.width, 4, 4)
        for index, layer in enumerate(self.layers):
            x = F.interpolate(x, scale_factor=2.0) if index % self.depth == 0 else x
            x = F.leaky_relu(layer(x), 0.2)
        images: Tensor = self.output(self.image(x))
        return images


class Discriminator(nn.Module):
    """Convolutions and means of 2 x 2 pixels, down to 4 x 4."""

    def __init__(self, config: RunConfig, info: DatasetInfo, depth: int) -> None:
        super().__init__()
        width = config.discriminator.width
        self.first = nn.Conv2d(info.channels, width, 3, padding=1)
        doublings = (info.size // 4).bit_length() - 1
        self.layers = nn.ModuleList([nn.Conv2d(width, width, 3, padding=1) for _ in range(doublings * depth)])
        self.depth = depth
        self.score = nn.Linear(width * 16, 1)

    def forward(self, images: Tensor, labels: Labels) -> DOutput:
        x = self.first(images)
        for index, layer in enumerate(self.layers):
            x = F.leaky_relu(layer(F.leaky_relu(x, 0.2)), 0.2)
            x = F.avg_pool2d(x, 2) if index % self.depth == self.depth - 1 else x
        features = torch.flatten(x, 1)
        return DOutput(logits=[self.score(features)], features=features)


@dataclass(frozen=True, kw_only=True)
class MyArchitecture(Architecture):
    """Plain convolutions between doublings of the size (say what it is here, and cite the paper)."""

    depth: int = 1  # convolutions per doubling, >= 1

    provides = frozenset({"features"})  # what losses and tricks may ask of D
    # What the networks read; setting anything else is refused, since it would change nothing.
    obeys = frozenset({"generator.width", "discriminator.width", "generator.output_activation", "input_range"})

    def __post_init__(self) -> None:
        if self.depth < 1:
            raise ValueError(f"depth must be at least 1, not {self.depth}")

    def generator(self, config: RunConfig, info: DatasetInfo) -> nn.Module:
        return Generator(config, info, self.depth)

    def discriminator(self, config: RunConfig, info: DatasetInfo) -> nn.Module:
        return Discriminator(config, info, self.depth)

    def conflict(self, parts: Parts) -> str | None:
        size = parts.info.size
        if size < 8 or size & (size - 1):
            return f"my_architecture doubles from 4 pixels to 8, 16, 32 and so on, and the images have {size}"
        return None
