"""Why two networks cannot be built as configured, or would silently ignore a field."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ganbench.api.config import NetworkConfig
from ganbench.api.training import Parts

SIZES = (16, 32, 64, 128)  # of images

# The fields of NetworkConfig that the blocks of `ganbench.nn` obey, on either side.
_BOTH = frozenset(
    {
        *("width", "kernel", "norm", "spectral_norm", "activation", "slope", "bias", "dropout"),
        *("attention_at", "conditioning"),
    }
)
GENERATOR_FIELDS = _BOTH | {"dropout_when_sampling", "stem", "output_activation", "layer_noise", "upsampling"}
DISCRIMINATOR_FIELDS = _BOTH | {"downsampling", "minibatch", "heads"}


def obeyed(but: Collection[str] = ()) -> frozenset[str]:
    """What an architecture made of those blocks obeys: all of it, but the fields named."""
    generator = {f"generator.{name}" for name in GENERATOR_FIELDS.difference(but)}
    discriminator = {f"discriminator.{name}" for name in DISCRIMINATOR_FIELDS.difference(but)}
    return frozenset(generator | discriminator | {"input_range", "latents.size"})


def network_conflict(parts: Parts, *, generator_sides: Sequence[int], discriminator_sides: Sequence[int]) -> str | None:
    """A sentence, or None. `..._sides` are the feature maps of each network that may have attention."""
    if sentence := size_conflict(parts):
        return sentence
    for side, config, maps in (
        ("generator", parts.config.generator, generator_sides),
        ("discriminator", parts.config.discriminator, discriminator_sides),
    ):
        if sentence := side_conflict(side, config, parts, maps):
            return f"{side}: {sentence}"
    return None


def size_conflict(parts: Parts) -> str | None:
    """The built-in networks double a map of side 4 a few times."""
    if parts.info.size in SIZES:
        return None
    name = parts.config.architecture.name
    return f"{name} makes images of side {', '.join(map(str, SIZES))}; the dataset has side {parts.info.size}"


def side_conflict(side: str, config: NetworkConfig, parts: Parts, maps: Sequence[int]) -> str | None:
    """The same for one network side."""
    default = NetworkConfig()
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
    if missing := [at for at in config.attention_at if at not in maps]:
        return f"attention_at {missing[0]}: the feature maps have sides {', '.join(map(str, maps))}"
    return None


def sides(smallest: int, largest: int) -> list[int]:
    """The powers of two from one side to another, both included."""
    return [2**i for i in range(smallest.bit_length() - 1, largest.bit_length())]
