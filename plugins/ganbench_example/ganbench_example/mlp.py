"""Fully connected networks."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from ganbench import Architecture, DatasetInfo, DOutput, Labels, NetworkConfig, Parts, RunConfig
from ganbench.nn import (
    ConditionalDiscriminator,
    ConditionalGenerator,
    Dropout,
    OutputRange,
    activation,
    network_conflict,
)


class Generator(ConditionalGenerator):
    """Latents, and labels where they are configured, to all pixels."""

    def __init__(self, run: RunConfig, info: DatasetInfo, depth: int) -> None:
        super().__init__(run, info)  # makes `inputs`, and the modules that read labels
        self.layers = hidden(self.inputs, depth, run.generator)
        self.image = nn.Linear(run.generator.width, info.channels * info.size**2)
        self.shape = info.shape
        self.output = OutputRange(run)  # tanh, sigmoid or nothing, stretched over config.input_range

    def forward(self, latents: Tensor, labels: Labels) -> Tensor:
        x = self.layers(self.with_labels(latents, self.label_vector(labels)))
        images: Tensor = self.output(self.image(x).unflatten(1, self.shape))
        return images


class Discriminator(ConditionalDiscriminator):
    """All pixels to a logit."""

    def __init__(self, run: RunConfig, info: DatasetInfo, depth: int) -> None:
        super().__init__(run, info)
        self.layers = hidden(self.inputs * info.size**2, depth, run.discriminator)
        self.add_outputs(run.discriminator.width, run.discriminator, info)  # logit, heads, statistics over the batch

    def forward(self, images: Tensor, labels: Labels) -> DOutput:
        return self.outputs(self.layers(self.with_labels(images, labels).flatten(1)), labels)


def hidden(inputs: int, depth: int, config: NetworkConfig) -> nn.Sequential:
    """So many layers of `width` units."""
    layers: list[nn.Module] = []
    for i in range(depth):
        layers += [nn.Linear(config.width if i else inputs, config.width), activation(config), Dropout(config)]
    return nn.Sequential(*layers)


@dataclass(frozen=True, kw_only=True)
class MLP(Architecture):
    """Fully connected networks, as in the first GAN (Goodfellow et al., 2014, section 5); 16 to 128 pixels.

    `width` is the number of units in each hidden layer. The paper has maxout units in D; here both networks have the
    activation that is configured.
    """

    depth: int = 2  # hidden layers in each network, >= 1

    # D shows its last hidden layer, which tricks like feature_matching need.
    provides = frozenset({"features"})
    # All that the networks read of the configuration. Setting another field is refused: it would change nothing.
    obeys = frozenset(
        {
            *("generator.width", "generator.activation", "generator.slope", "generator.output_activation"),
            *("generator.dropout", "generator.dropout_when_sampling", "generator.conditioning"),
            *("discriminator.width", "discriminator.activation", "discriminator.slope", "discriminator.dropout"),
            *("discriminator.conditioning", "discriminator.minibatch", "discriminator.heads", "discriminator.bias"),
            *("input_range", "latents.size"),
        }
    )

    def __post_init__(self) -> None:
        if self.depth < 1:
            raise ValueError(f"depth must be at least 1, not {self.depth}")

    def generator(self, config: RunConfig, info: DatasetInfo) -> nn.Module:
        return Generator(config, info, self.depth)

    def discriminator(self, config: RunConfig, info: DatasetInfo) -> nn.Module:
        return Discriminator(config, info, self.depth)

    def conflict(self, parts: Parts) -> str | None:
        if parts.config.generator.conditioning == "conditional_norm":
            return "generator: conditioning conditional_norm needs a norm, and mlp has none"
        return network_conflict(parts, generator_sides=[], discriminator_sides=[])
