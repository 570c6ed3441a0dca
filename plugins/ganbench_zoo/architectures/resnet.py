"""Residual networks of SNGAN and WGAN-GP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from ganbench import Architecture, DatasetInfo, DOutput, Labels, NetworkConfig, Parts, RunConfig
from ganbench.nn import (
    ConditionalDiscriminator,
    ConditionalGenerator,
    OutputRange,
    ResidualDown,
    ResidualUp,
    Stage,
    add_spectral_norm,
    network_conflict,
    obeyed,
    sides,
    stem,
    xavier_init,
    xavier_layer,
)


class Generator(ConditionalGenerator):
    """4 x 4, then a residual block for each doubling; norm, activation and a convolution make the image."""

    def __init__(self, run: RunConfig, info: DatasetInfo, widest: int) -> None:
        super().__init__(run, info)
        config = run.generator
        inputs = config.width * min(info.size // 4, widest)
        self.stem = stem(config, self.inputs, inputs)
        self.blocks = nn.ModuleList()
        for size in sides(8, info.size):
            outputs = config.width * min(info.size // size, widest)
            self.blocks.append(ResidualUp(inputs, outputs, size, config, condition=self.condition))
            inputs = outputs
        self.last = Stage(nn.Identity(), inputs, None, config)
        self.image = nn.Conv2d(inputs, info.channels, 3, 1, 1, bias=config.bias)
        self.output = OutputRange(run)

        xavier_init(self)
        xavier_layer(self.image)
        if config.stem == "linear":
            xavier_layer(self.stem.linear)

    def forward(self, latents: Tensor, labels: Labels) -> Tensor:
        vector = self.label_vector(labels)
        x = self.stem(self.with_labels(latents, vector)[:, :, None, None])
        for block in self.blocks:
            x = block(x, vector)
        images: Tensor = self.output(self.image(self.last(x)))
        return images


class Discriminator(ConditionalDiscriminator):
    """A residual block for each halving, some more without, then one number per channel and a linear layer."""

    def __init__(self, run: RunConfig, info: DatasetInfo, net: ResNet) -> None:
        super().__init__(run, info)
        config, inputs = run.discriminator, self.inputs
        blocks: list[ResidualDown] = []
        for size in reversed(sides(net.last_side, info.size // 2)):
            outputs = config.width * min(info.size // 2 // size, net.widest)
            blocks.append(ResidualDown(inputs, outputs, size, config, first=not blocks))
            inputs = outputs
        for _ in range(net.plain_blocks):
            blocks.append(ResidualDown(inputs, inputs, net.last_side, config, halve=False))
        self.blocks = nn.Sequential(*blocks)
        self.last = Stage(nn.Identity(), inputs, None, config)
        self.pooling = net.pooling
        xavier_init(self)
        self.add_outputs(inputs, config, info, init=xavier_layer)

    def forward(self, images: Tensor, labels: Labels) -> DOutput:
        maps = self.last(self.blocks(self.with_labels(images, labels))).flatten(2)  # N F P
        return self.outputs(maps.sum(2) if self.pooling == "sum" else maps.mean(2), labels)


@dataclass(frozen=True, kw_only=True)
class ResNet(Architecture):
    """Residual networks of WGAN-GP (Gulrajani et al., 2017) and SNGAN (Miyato et al., 2018); 16 to 128 pixels.

    What the papers set besides: stem linear, upsampling nearest, downsampling average_pool, activation relu, bias true,
    discriminator.norm none, latents.size 128; SNGAN has discriminator.spectral_norm, WGAN-GP pooling mean. The defaults
    are SNGAN's at 128 pixels. Both papers' networks for CIFAR-10 have the options widest 1, last_side 8 and
    plain_blocks 2, and widths of 256 in G and 128 in D (SNGAN), or of 128 (WGAN-GP).

    The shortcuts upsample by repetition and downsample by averaging, whatever the other branch of a block does.
    """

    widest: int = 16  # the deepest maps have at most this multiple of `width` channels, >= 1; 1: all maps have `width`
    last_side: int = 4  # of D's smallest maps: 2, 4 or 8
    plain_blocks: int = 1  # of D, after the last halving, >= 0
    pooling: Literal["sum", "mean"] = "sum"  # of D's last maps: sum (SNGAN) or mean (WGAN-GP)

    provides = frozenset({"features"})
    obeys = obeyed()

    def __post_init__(self) -> None:
        if self.widest < 1 or self.plain_blocks < 0:
            raise ValueError("widest must be at least 1, and plain_blocks at least 0")
        if self.last_side not in (2, 4, 8):
            raise ValueError(f"last_side must be 2, 4 or 8, not {self.last_side}")

    def generator(self, config: RunConfig, info: DatasetInfo) -> nn.Module:
        return normalised(Generator(config, info, self.widest), config.generator)

    def discriminator(self, config: RunConfig, info: DatasetInfo) -> nn.Module:
        return normalised(Discriminator(config, info, self), config.discriminator)

    def conflict(self, parts: Parts) -> str | None:
        size = parts.info.size
        return network_conflict(
            parts, generator_sides=sides(8, size), discriminator_sides=sides(self.last_side, size // 2)
        )


def normalised(network: nn.Module, config: NetworkConfig) -> nn.Module:
    """With spectral norm where it is configured."""
    if config.spectral_norm:
        add_spectral_norm(network)
    return network
