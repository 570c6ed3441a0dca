"""What both architectures are built of: halvings, residual blocks, doublings, and a discriminator of patches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from torch import Tensor, nn

from ganbench import DatasetInfo, DOutput, Labels, NetworkConfig, Parts, RunConfig
from ganbench.nn import OutputRange, Stage, add_spectral_norm, dcgan_init, down, gain, he_init, norm, up

Network = TypeVar("Network", bound=nn.Module)

# What the networks below read of the configuration.
OBEYS = frozenset(
    {
        *("generator.width", "generator.norm", "generator.activation", "generator.slope", "generator.bias"),
        *("generator.spectral_norm", "generator.dropout", "generator.upsampling", "generator.output_activation"),
        *("discriminator.width", "discriminator.norm", "discriminator.activation", "discriminator.slope"),
        *("discriminator.bias", "discriminator.spectral_norm", "discriminator.dropout"),
        "input_range",
    }
)


class Translator(nn.Module):
    """Base of generators that translate; procedures ask for nothing else. `info` names the domains."""

    def __init__(self, run: RunConfig, info: DatasetInfo) -> None:
        super().__init__()
        self.domains, self.domain_label = info.domains, info.domain_label
        low, high = run.input_range
        self.middle, self.half_range = (low + high) / 2, run.half_range

    def number(self, domain: str) -> int:
        return self.domains.index(domain)

    def seen(self, images: Tensor) -> Tensor:
        """Images as the first layer wants them: in -1..1, whatever the input range."""
        return (images - self.middle) / self.half_range


def encoder(config: NetworkConfig, channels: int, halvings: int) -> nn.Sequential:
    """N channels S S -> N (width * 2^halvings) (S / 2^halvings) ..: a 7 x 7 convolution, then strided ones."""
    width = config.width
    first = nn.Conv2d(channels, width, 7, 1, 3, padding_mode="reflect", bias=config.bias)
    stages: list[nn.Module] = [Stage(first, width, None, config)]
    for _ in range(halvings):
        stages.append(Stage(down("strided", width, 2 * width, bias=config.bias), 2 * width, None, config))
        width *= 2
    return nn.Sequential(*stages)


def decoder(config: NetworkConfig, channels: int, halvings: int, run: RunConfig) -> nn.Sequential:
    """The way back: doublings, then a 7 x 7 convolution with the range of images."""
    width = config.width * 2**halvings
    stages: list[nn.Module] = []
    for _ in range(halvings):
        width //= 2
        stages.append(Stage(up(config.upsampling, 2 * width, width, bias=config.bias), width, None, config))
    last = nn.Conv2d(width, channels, 7, 1, 3, padding_mode="reflect")
    return nn.Sequential(*stages, last, OutputRange(run))


def residual_blocks(config: NetworkConfig, channels: int, count: int) -> nn.Sequential:
    return nn.Sequential(*[ResidualBlock(config, channels) for _ in range(count)])


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions, and the sum with what came in; no activation after the sum (Johnson et al., 2016)."""

    def __init__(self, config: NetworkConfig, channels: int) -> None:
        super().__init__()
        first, second = (
            nn.Conv2d(channels, channels, 3, 1, 1, padding_mode="reflect", bias=config.bias) for _ in range(2)
        )
        self.first = Stage(first, channels, None, config)
        self.second = second
        self.norm = norm(config.norm, channels)

    def forward(self, x: Tensor) -> Tensor:
        summed: Tensor = x + self.norm(self.second(self.first(x)))
        return summed


class PatchDiscriminator(nn.Module):
    """One logit for each patch of an image (Isola et al., 2017): strided 4 x 4 convolutions, then two with stride 1."""

    def __init__(self, run: RunConfig, info: DatasetInfo, halvings: int) -> None:
        super().__init__()
        config, inputs, channels = run.discriminator, info.channels, run.discriminator.width
        stages: list[Stage] = []
        for place in range(halvings + 1):
            stride = 2 if place < halvings else 1
            layer = nn.Conv2d(inputs, channels, 4, stride, 1, bias=config.bias)
            stages.append(Stage(layer, channels, None, config, norm_here=place > 0))
            inputs, channels = channels, min(2 * channels, 8 * config.width)
        self.stages = nn.Sequential(*stages)
        self.logit = nn.Conv2d(inputs, 1, 4, 1, 1)
        low, high = run.input_range
        self.middle, self.half_range = (low + high) / 2, run.half_range

    def forward(self, images: Tensor, labels: Labels) -> DOutput:
        maps = self.stages((images - self.middle) / self.half_range)
        return DOutput(logits=[self.logit(maps).squeeze(1)], features=maps.mean((2, 3)))


def discriminators(run: RunConfig, info: DatasetInfo, halvings: int) -> nn.ModuleDict:
    """One for each domain, by its number: a module cannot have every name that a domain may."""
    made = {str(number): PatchDiscriminator(run, info, halvings) for number in range(len(info.domains))}
    return finished(nn.ModuleDict(made), run.discriminator)


def finished(network: Network, config: NetworkConfig) -> Network:
    """Initial weights, then spectral norm. With a norm those of DCGAN, which CycleGAN took over; without one, signals
    would die out behind them, so the weights keep their mean square (He et al., 2015)."""
    dcgan_init(network)
    if config.norm == "none":
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d):
                he_init(layer, gain(config))
    if config.spectral_norm:
        add_spectral_norm(network)
    return network


@dataclass(frozen=True, kw_only=True)
class Depth:
    """How deep networks are."""

    halvings: int  # of the side, in generators and encoders
    blocks: int  # residual blocks of a way from image to image
    d_halvings: int  # in discriminators


def usual_depth(side: int) -> Depth:
    """CycleGAN's for images of side 128 (Zhu et al., 2017, appendix 7.2), and less for smaller ones: below 64 pixels
    an eye is three pixels wide, and what is halved is lost for many steps."""
    if side >= 128:
        return Depth(halvings=2, blocks=6, d_halvings=3)
    if side >= 64:
        return Depth(halvings=2, blocks=4, d_halvings=3)
    return Depth(halvings=0, blocks=2, d_halvings=2)


def check_depth(halvings: int | None, blocks: int | None, d_halvings: int | None) -> None:
    """Raises ValueError."""
    for name, value, least in (("halvings", halvings, 0), ("blocks", blocks, 1), ("d_halvings", d_halvings, 1)):
        if value is not None and value < least:
            raise ValueError(f"{name} must be at least {least}, not {value}")


def translation_conflict(parts: Parts, procedure: str, depth: Depth) -> str | None:
    """A sentence, or None: what both architectures refuse."""
    name, side = parts.config.architecture.name, parts.info.size
    if parts.config.procedure.name != procedure:
        return (
            f"the architecture {name} goes with the procedure {procedure} alone, not with {parts.config.procedure.name}"
        )
    if len(parts.info.domains) != 2:
        return f"{name} translates between two domains; the data set {parts.config.dataset.name} has none"
    if side % 2**depth.halvings or side // 2**depth.halvings < 4:
        return f"{name}: {depth.halvings} halvings of images of side {side} leave no whole maps of side 4 or more"
    if side // 2**depth.d_halvings < 4:
        return f"{name}: {depth.d_halvings} halvings in D are too many for images of side {side}"
    if not depth.halvings and parts.config.generator.upsampling != NetworkConfig().upsampling:
        return f"{name}: generator.upsampling is that of doublings; with 0 halvings there are none"
    for player, config in (("generator", parts.config.generator), ("discriminator", parts.config.discriminator)):
        if config.slope != NetworkConfig().slope and config.activation != "leaky_relu":
            return f"{player}: slope is that of leaky_relu; the activation is {config.activation}"
    return None
