"""R3GAN, the modern baseline without normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ganbench import Architecture, DatasetInfo, DOutput, Labels, NetworkConfig, Parts, RunConfig
from ganbench.nn import (
    ConditionalDiscriminator,
    ConditionalGenerator,
    OutputRange,
    Stage,
    TentDown,
    TentUp,
    attention,
    gain,
    he_init,
    network_conflict,
    obeyed,
    sides,
)

UNUSED = ("kernel", "stem", "norm", "spectral_norm", "bias", "upsampling", "downsampling")  # fields it does not obey
LAYERS = 3  # of a residual block: the first two start smaller, the last at zero


class Block(nn.Module):
    """Inverted bottleneck: 1 x 1 to more channels, grouped 3 x 3, and 1 x 1 back, added to its input."""

    def __init__(self, channels: int, config: NetworkConfig, net: R3GAN, blocks: int) -> None:
        """`blocks` is how many of them the network has: the more, the smaller each starts."""
        super().__init__()
        wide = net.expansion * channels
        widen = nn.Conv2d(channels, wide, 1)
        mix = nn.Conv2d(wide, wide, 3, 1, 1, groups=net.groups(channels))
        narrow = nn.Conv2d(wide, channels, 1, bias=False)
        for layer in (widen, mix):  # Fixup (Zhang et al., 2019): as deep as it is, the network starts as a shallow one
            he_init(layer, gain(config) * blocks ** (-1 / (2 * LAYERS - 2)))
        nn.init.zeros_(narrow.weight)
        self.layers = nn.Sequential(
            Stage(widen, wide, None, config, norm_here=False), Stage(mix, wide, None, config, norm_here=False), narrow
        )

    def forward(self, x: Tensor) -> Tensor:
        grown: Tensor = x + self.layers(x)
        return grown


class Basis(nn.Module):
    """The first maps: a learnt 4 x 4 picture per channel, scaled by a linear function of the latents."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.basis = nn.Parameter(torch.randn(channels, 4, 4))
        self.scale = linear(inputs, channels)

    def forward(self, latents: Tensor) -> Tensor:
        return self.scale(latents)[:, :, None, None] * self.basis


class Generator(ConditionalGenerator):
    """Basis, then residual blocks at each side, with interpolation between the sides."""

    def __init__(self, run: RunConfig, info: DatasetInfo, net: R3GAN) -> None:
        super().__init__(run, info)
        config = run.generator
        maps = net.channels(config, info)  # from 4 x 4 up to the image's side
        inputs = next(iter(maps.values()))
        layers: list[nn.Module] = [Basis(self.inputs, inputs)]
        for size, channels in maps.items():
            if size > 4:
                layers += [*pointwise(inputs, channels), TentUp()]
            layers += [Block(channels, config, net, net.blocks * len(maps)) for _ in range(net.blocks)]
            layers.append(attention(config, channels, size))
            inputs = channels
        self.layers = nn.Sequential(*layers)
        (self.image,) = pointwise(inputs, info.channels, always=True)
        self.output = OutputRange(run)

    def forward(self, latents: Tensor, labels: Labels) -> Tensor:
        x = self.layers(self.with_labels(latents, self.label_vector(labels)))
        images: Tensor = self.output(self.image(x))
        return images


class Discriminator(ConditionalDiscriminator):
    """The generator's mirror image. It ends in one number per channel: the map times a learnt 4 x 4 picture."""

    def __init__(self, run: RunConfig, info: DatasetInfo, net: R3GAN) -> None:
        super().__init__(run, info)
        config = run.discriminator
        maps = dict(reversed(net.channels(config, info).items()))  # from the image's side down to 4 x 4
        inputs = self.inputs
        layers: list[nn.Module] = []
        for size, channels in maps.items():
            if size < info.size:
                layers.append(TentDown())
            layers += pointwise(inputs, channels, always=size == info.size)
            layers += [Block(channels, config, net, net.blocks * len(maps)) for _ in range(net.blocks)]
            layers.append(attention(config, channels, size))
            inputs = channels
        basis = nn.Conv2d(inputs, inputs, 4, groups=inputs, bias=False)
        he_init(basis)
        self.layers = nn.Sequential(*layers, basis)
        self.add_outputs(inputs, config, info, init=he_init)

    def forward(self, images: Tensor, labels: Labels) -> DOutput:
        return self.outputs(self.layers(self.with_labels(images, labels)).flatten(1), labels)


@dataclass(frozen=True, kw_only=True)
class R3GAN(Architecture):
    """R3GAN (Huang et al., 2024): grouped residual blocks, no normalisation, the same in G and D; 16 to 128 pixels.

    It is meant to be trained with the loss `relativistic_paired` and two of the trick `gradient_penalty`, R1 (at real)
    and R2 (at fake), each with target 0. What the paper sets besides: output_activation none, latents.size 64,
    betas [0.0, 0.99], ema; a width of 384 with widest 2 at 64 pixels, and of 768 with widest 1 on CIFAR-10.

    Blocks have biases and no norm, maps are resized by linear interpolation outside of them, and the last layer of each
    starts at zero, so there is no place for the fields kernel, stem, norm, spectral_norm, bias and up- or downsampling.
    """

    widest: int = 8  # the deepest maps have at most this multiple of `width` channels, >= 1; 1: all maps have `width`
    blocks: int = 2  # residual blocks at each side of maps, >= 1
    expansion: int = 2  # channels inside a block, as a multiple of those outside, >= 1
    group_size: int = 16  # channels that the 3 x 3 convolutions mix, >= 1; must divide those inside of wider blocks

    provides = frozenset({"features"})
    obeys = obeyed(but=UNUSED)

    def __post_init__(self) -> None:
        for name in ("widest", "blocks", "expansion", "group_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")

    def generator(self, config: RunConfig, info: DatasetInfo) -> nn.Module:
        return Generator(config, info, self)

    def discriminator(self, config: RunConfig, info: DatasetInfo) -> nn.Module:
        return Discriminator(config, info, self)

    def conflict(self, parts: Parts) -> str | None:
        maps = sides(4, parts.info.size)
        if sentence := network_conflict(parts, generator_sides=maps, discriminator_sides=maps):
            return sentence
        if parts.config.generator.conditioning == "conditional_norm":
            return "generator: conditioning conditional_norm needs a norm, and r3gan has none"
        if "spectral_norm" in {name.partition("#")[0] for name in parts.tricks}:
            return "r3gan starts with weights of zero, which the trick spectral_norm cannot divide by their norm"
        for side, config in (("generator", parts.config.generator), ("discriminator", parts.config.discriminator)):
            for channels in self.channels(config, parts.info).values():
                inside = self.expansion * channels
                if inside > self.group_size and inside % self.group_size:
                    return f"{side}: group_size {self.group_size} does not divide the {inside} channels inside a block"
        return None

    def channels(self, config: NetworkConfig, info: DatasetInfo) -> dict[int, int]:
        """Side of maps -> their channels, from 4 x 4 up."""
        return {size: config.width * min(info.size // size, self.widest) for size in sides(4, info.size)}

    def groups(self, channels: int) -> int:
        """Of the convolution inside a block: one where there are fewer channels than in a group."""
        return max(self.expansion * channels // self.group_size, 1)


def linear(inputs: int, outputs: int) -> nn.Linear:
    layer = nn.Linear(inputs, outputs, bias=False)
    he_init(layer)
    return layer


def pointwise(inputs: int, outputs: int, *, always: bool = False) -> Sequence[nn.Conv2d]:
    """A 1 x 1 convolution where the number of channels changes."""
    if inputs == outputs and not always:
        return []
    layer = nn.Conv2d(inputs, outputs, 1, bias=False)
    he_init(layer)
    return [layer]
