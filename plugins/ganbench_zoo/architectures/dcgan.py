"""DCGAN at any power-of-two size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from ganbench import Architecture, DatasetInfo, DOutput, Labels, NetworkConfig, Parts, RunConfig
from ganbench.nn import (
    ConditionalDiscriminator,
    ConditionalGenerator,
    OutputRange,
    Stage,
    add_spectral_norm,
    dcgan_init,
    down,
    flatten,
    network_conflict,
    obeyed,
    sides,
    stem,
    up,
)


class Generator(ConditionalGenerator):
    """4 x 4, then doublings. Channels halve each time, down to `width` next to the image."""

    def __init__(self, run: RunConfig, info: DatasetInfo, label_activation: nn.Module | None) -> None:
        super().__init__(run, info, label_activation=label_activation)
        config, condition = run.generator, self.condition
        size, channels = 4, config.width * info.size // 8
        first = stem(config, self.inputs, channels)
        self.stages = nn.ModuleList([Stage(first, channels, size, config, condition=condition)])
        while size < info.size // 2:
            size, channels = 2 * size, channels // 2
            wider = up(config.upsampling, 2 * channels, channels, kernel=config.kernel, bias=config.bias)
            self.stages.append(Stage(wider, channels, size, config, condition=condition))
        self.image = up(config.upsampling, channels, info.channels, kernel=config.kernel, bias=config.bias)
        self.output = OutputRange(run)

    def forward(self, latents: Tensor, labels: Labels) -> Tensor:
        vector = self.label_vector(labels)
        x = self.with_labels(latents, vector)[:, :, None, None]
        for stage in self.stages:
            x = stage(x, vector)
        images: Tensor = self.output(self.image(x))
        return images


class Discriminator(ConditionalDiscriminator):
    """Halvings down to 4 x 4, channels doubling from `width`, then a linear layer, as a 4 x 4 convolution."""

    def __init__(
        self, run: RunConfig, info: DatasetInfo, bottleneck: int | None, head_hidden: int | None, places: bool
    ) -> None:
        super().__init__(run, info)
        config, inputs = run.discriminator, self.inputs
        stages: list[Stage] = []
        size, channels = info.size // 2, config.width
        while size >= 4:
            narrower = down(config.downsampling, inputs, channels, kernel=config.kernel, bias=config.bias)
            stages.append(Stage(narrower, channels, size, config, norm_here=bool(stages)))
            size, inputs, channels = size // 2, channels, 2 * channels
        self.stages = nn.Sequential(*stages)
        self.add_outputs(
            inputs * 16,
            config,
            info,
            bottleneck=bottleneck,
            head_hidden=head_hidden,
            places=16 if places else None,
        )

    def forward(self, images: Tensor, labels: Labels) -> DOutput:
        return self.outputs(flatten(self.stages(self.with_labels(images, labels))), labels)


@dataclass(frozen=True, kw_only=True)
class DCGAN(Architecture):
    """DCGAN (Radford et al., 2016): strided convolutions, no norm in D's first and G's last layer; 16 to 128 pixels.

    With batch norm the convolutions need no bias, so `bias` is false by default; without a norm it stays as configured.
    """

    embedding_slope: float | None = None  # leaky_relu after G's label embedding, in [0, 1); none: linear (report R3)
    bottleneck: int | None = None  # D: size of a layer that the extra heads share, > 0; none: no such layer (report R4)
    head_hidden: int | None = None  # D: size of a hidden layer in each extra head, > 0; none: linear heads (report R4)
    # D: extra heads answer for the entire image, or for each of the 4 x 4 places, of which the largest answer counts:
    # for flags that say whether an object is somewhere
    heads_at: Literal["image", "places"] = "image"

    provides = frozenset({"features"})
    obeys = obeyed()

    def __post_init__(self) -> None:
        if self.embedding_slope is not None and not 0 <= self.embedding_slope < 1:
            raise ValueError(f"embedding_slope must be in [0, 1), not {self.embedding_slope}")
        for name in ("bottleneck", "head_hidden"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, not {value}")

    def generator(self, config: RunConfig, info: DatasetInfo) -> nn.Module:
        bent = None if self.embedding_slope is None else nn.LeakyReLU(self.embedding_slope)
        return finished(Generator(config, info, bent), config.generator)

    def discriminator(self, config: RunConfig, info: DatasetInfo) -> nn.Module:
        at_places = self.heads_at == "places"
        discriminator = Discriminator(config, info, self.bottleneck, self.head_hidden, at_places)
        return finished(discriminator, config.discriminator)

    def conflict(self, parts: Parts) -> str | None:
        maps = sides(4, parts.info.size // 2)
        if sentence := network_conflict(parts, generator_sides=maps, discriminator_sides=maps):
            return sentence
        if self.embedding_slope is not None and parts.config.generator.conditioning != "embedding":
            return "embedding_slope is for generator.conditioning embedding"
        at_places = self.heads_at == "places"
        if not parts.config.discriminator.heads and (self.bottleneck or self.head_hidden or at_places):
            return "bottleneck, head_hidden and heads_at are for discriminator.heads; there are none"
        if at_places and (self.bottleneck or self.head_hidden):
            return "heads_at places has neither a bottleneck nor a hidden layer"
        return None


def finished(network: nn.Module, config: NetworkConfig) -> nn.Module:
    """Initial weights, then spectral norm: the other way round, it would divide by another weight's norm."""
    dcgan_init(network)
    if config.spectral_norm:
        add_spectral_norm(network)
    return network
