"""DCGAN at any power-of-two size."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ganbench import Architecture, DatasetInfo, DOutput, Labels, NetworkConfig, Parts, RunConfig
from ganbench.nn import (
    ConditionalNorm,
    Dropout,
    LabelEmbedding,
    LabelVector,
    LayerNoise,
    OutputRange,
    SelfAttention,
    activation,
    add_spectral_norm,
    dcgan_init,
    down,
    minibatch,
    norm,
    normal_init,
    up,
)

SIZES = (16, 32, 64, 128)  # of images
EMBEDDED = 8  # planes of the embedded labels in D: "keep the dimensionality low" (ganhacks 16)
CONDITION = 64  # size of the label vector that conditional norms read

BOTH = {
    *("width", "kernel", "norm", "spectral_norm", "activation", "slope", "bias", "dropout"),
    *("attention_at", "conditioning"),
}
GENERATOR = BOTH | {"dropout_when_sampling", "stem", "output_activation", "layer_noise", "upsampling"}
DISCRIMINATOR = BOTH | {"downsampling", "minibatch", "heads"}


class Stage(nn.Module):
    """Resampling, norm, noise, activation, dropout, and attention where this size has it."""

    def __init__(
        self,
        resample: nn.Module,
        channels: int,
        size: int,
        config: NetworkConfig,
        *,
        norm_here: bool = True,
        condition: int = 0,
    ) -> None:
        super().__init__()
        self.resample = resample
        self.norm: nn.Module
        if condition and norm_here:
            self.norm = ConditionalNorm(config.norm, channels, condition)
        else:
            self.norm = norm(config.norm if norm_here else "none", channels)
        self.noise = LayerNoise(channels) if config.layer_noise else nn.Identity()
        self.activation = activation(config)
        self.dropout = Dropout(config)
        self.attention = SelfAttention(channels) if size in config.attention_at else nn.Identity()

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        x = self.resample(x)
        x = self.norm(x, condition) if isinstance(self.norm, ConditionalNorm) else self.norm(x)
        x = self.dropout(self.activation(self.noise(x)))
        attended: Tensor = self.attention(x)
        return attended


class LinearStem(nn.Module):
    """Latents to the first feature map by a linear layer, with a bias per channel and position where one is wanted."""

    def __init__(self, inputs: int, channels: int, bias: bool) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, channels * 16, bias=bias)
        normal_init(self.linear)

    def forward(self, latents: Tensor) -> Tensor:
        return self.linear(latents.flatten(1)).unflatten(1, (-1, 4, 4))


class Generator(nn.Module):
    """4 x 4, then doublings. Channels halve each time, down to `width` next to the image."""

    def __init__(self, run: RunConfig, info: DatasetInfo) -> None:
        super().__init__()
        config, latents = run.generator, run.latents.size
        self.labels: LabelVector | LabelEmbedding | None = None
        condition = 0
        match config.conditioning:
            case "concat":  # the label vector beside the latent
                self.labels = LabelVector(info)
                latents += self.labels.size
            case "embedding":  # a learnt vector, as long as the latent, beside it
                self.labels = LabelEmbedding(info, latents)
                latents += self.labels.size
            case "conditional_norm":
                self.labels, condition = LabelEmbedding(info, CONDITION), CONDITION
        self.beside = self.labels is not None and not condition

        size, channels = 4, config.width * info.size // 8
        stem: nn.Module
        if config.stem == "linear":
            stem = LinearStem(latents, channels, config.bias)
        else:
            stem = nn.ConvTranspose2d(latents, channels, 4, 1, 0, bias=config.bias)
        self.stages = nn.ModuleList([Stage(stem, channels, size, config, condition=condition)])
        while size < info.size // 2:
            size, channels = 2 * size, channels // 2
            wider = up(config.upsampling, 2 * channels, channels, kernel=config.kernel, bias=config.bias)
            self.stages.append(Stage(wider, channels, size, config, condition=condition))
        self.image = up(config.upsampling, channels, info.channels, kernel=config.kernel, bias=config.bias)
        self.output = OutputRange(run)

    def forward(self, latents: Tensor, labels: Labels) -> Tensor:
        condition = None if self.labels is None else self.labels(labels)
        if self.beside and condition is not None:
            latents = torch.cat([latents, condition], 1)
        x = latents[:, :, None, None]
        for stage in self.stages:
            x = stage(x, condition)
        images: Tensor = self.output(self.image(x))
        return images


class Discriminator(nn.Module):
    """Halvings down to 4 x 4, channels doubling from `width`, then a linear layer, as a 4 x 4 convolution."""

    def __init__(self, run: RunConfig, info: DatasetInfo) -> None:
        super().__init__()
        config, inputs, self.side = run.discriminator, info.channels, info.size
        self.labels: LabelVector | LabelEmbedding | None = None
        self.plane: nn.Linear | None = None
        if config.conditioning == "concat":  # one more channel, a linear function of the label vector (report R3)
            self.labels = LabelVector(info)
            self.plane = nn.Linear(self.labels.size, info.size**2)
            inputs += 1
        elif config.conditioning == "embedding":  # a few constant channels (ganhacks 16)
            self.labels = LabelEmbedding(info, EMBEDDED)
            inputs += EMBEDDED

        stages: list[Stage] = []
        size, channels = info.size // 2, config.width
        while size >= 4:
            narrower = down(config.downsampling, inputs, channels, kernel=config.kernel, bias=config.bias)
            stages.append(Stage(narrower, channels, size, config, norm_here=bool(stages)))
            size, inputs, channels = size // 2, channels, 2 * channels
        self.stages = nn.Sequential(*stages)

        features = inputs * 16
        self.minibatch = minibatch(config.minibatch, features)
        self.logit = nn.Linear(features + (self.minibatch.extra if self.minibatch else 0), 1, bias=config.bias)
        self.head_names = list(config.heads)  # a ModuleDict cannot hold a head called `type`
        self.heads = nn.ModuleList([nn.Linear(features, outputs) for outputs in config.heads.values()])
        for layer in (self.logit, *self.heads):
            normal_init(layer)
        self.projection = LabelEmbedding(info, features) if config.conditioning == "projection" else None

    def forward(self, images: Tensor, labels: Labels) -> DOutput:
        x = images
        if self.labels is not None:
            condition = self.labels(labels)
            if self.plane is not None:
                planes = self.plane(condition).unflatten(1, (1, self.side, self.side))
            else:
                planes = condition[:, :, None, None].expand(-1, -1, self.side, self.side)
            x = torch.cat([x, planes], 1)
        features = self.stages(x).flatten(1)  # [N, F]
        logits = self.logit(features if self.minibatch is None else self.minibatch(features)).squeeze(1)
        if self.projection is not None:  # Miyato & Koyama, 2018
            logits = logits + (self.projection(labels) * features).sum(1)
        heads = {name: head(features) for name, head in zip(self.head_names, self.heads, strict=True)}
        return DOutput(logits=[logits], features=features, heads=heads)


@dataclass(frozen=True, kw_only=True)
class DCGAN(Architecture):
    """DCGAN (Radford et al., 2016): strided convolutions, no norm in D's first and G's last layer; 16 to 128 pixels.

    With batch norm the convolutions need no bias, so `bias` is false by default; without a norm it stays as configured.
    """

    provides = frozenset({"features"})
    obeys = frozenset(
        {f"generator.{name}" for name in GENERATOR}
        | {f"discriminator.{name}" for name in DISCRIMINATOR}
        | {"input_range", "latents.size"}
    )

    def generator(self, config: RunConfig, info: DatasetInfo) -> nn.Module:
        return finished(Generator(config, info), config.generator)

    def discriminator(self, config: RunConfig, info: DatasetInfo) -> nn.Module:
        return finished(Discriminator(config, info), config.discriminator)

    def conflict(self, parts: Parts) -> str | None:
        size = parts.info.size
        if size not in SIZES:
            return f"dcgan makes images of side {', '.join(map(str, SIZES))}; the dataset has side {size}"
        for side, config in (("generator", parts.config.generator), ("discriminator", parts.config.discriminator)):
            if sentence := side_conflict(side, config, parts):
                return f"{side}: {sentence}"
        return None


def finished(network: nn.Module, config: NetworkConfig) -> nn.Module:
    """Initial weights, then spectral norm: the other way round, it would divide by another weight's norm."""
    dcgan_init(network)
    if config.spectral_norm:
        add_spectral_norm(network)
    return network


def side_conflict(side: str, config: NetworkConfig, parts: Parts) -> str | None:
    """Why one network cannot be built so, or would silently ignore a field."""
    default, size = NetworkConfig(), parts.info.size
    if config.conditioning != "none" and not parts.info.labels:
        return f"conditioning {config.conditioning} needs labels; the dataset has none"
    elsewhere = {"generator": {"projection"}, "discriminator": {"conditional_norm"}}[side]
    if config.conditioning in elsewhere:
        other = "discriminator" if side == "generator" else "generator"
        return f"conditioning {config.conditioning} is for the {other} only"
    if config.conditioning == "conditional_norm" and config.norm == "none":
        return "conditioning conditional_norm needs a norm"
    if config.slope != default.slope and config.activation != "leaky_relu":
        return f"slope is that of leaky_relu; the activation is {config.activation}"
    if not 2 <= config.kernel <= 8:
        return f"kernel is between 2 and 8, not {config.kernel}"
    resampling = config.upsampling if side == "generator" else config.downsampling
    if config.kernel != default.kernel and resampling not in ("transposed", "strided"):
        return f"kernel is that of strided convolutions; {resampling} has none"
    if config.dropout_when_sampling and not config.dropout:
        return "dropout_when_sampling needs a dropout above 0"
    sizes = [2**i for i in range(2, size.bit_length() - 1)]
    if missing := [at for at in config.attention_at if at not in sizes]:
        return f"attention_at {missing[0]}: the feature maps have sides {', '.join(map(str, sizes))}"
    return None
