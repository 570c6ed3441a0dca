"""LightweightGAN, for few images and little time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from torch import nn

from ganbench import Architecture, DatasetInfo, Parts, RunConfig
from ganbench.nn import sides
from ganbench_lightweight.attention import Attention
from ganbench_lightweight.networks import LAST, Discriminator, Generator

SIZES = (32, 64, 128, 256)
GATING_FROM = 16  # side of the smallest maps that gate larger ones, where images are large enough


@dataclass(frozen=True, kw_only=True)
class LightweightGAN(Architecture):
    """LightweightGAN (FastGAN, Liu et al., 2021): skip-layer excitation, and a D that reconstructs; 32 to 256 pixels.

    The networks are those of the package lightweight-gan, which differ from the paper's in details: sub-pixel
    convolutions, attention, a second opinion of D from a thumbnail. What it sets besides: input_range [0, 1],
    output_activation none, latents.size 256, attention_at [32], discriminator.slope 0.1, a width of 8192 divided by the
    side of images, betas [0.5, 0.9]; the loss `{hinge: {discriminator_weight: 2.0}}`, since it adds up both logits, and
    twice the trick gradient_penalty, at real and at fake, with `target: 0.0, weight: 20.0, every: 4`; few images are
    shown through diff_augment. Below 128 pixels the package has no excitation.

    D's reconstruction error is `D/reconstruction` in the history.
    """

    most_channels: int = 512  # of any maps but those of the stem, which has as many as latents; >= 16
    # G: maps gate those that are so many times larger, from side 16 on, or from the smallest that has any; a power of
    # two, >= 2; 0: no gates
    excitation: int = 8
    reconstruction: int = 128  # D: largest side of what its decoder makes of its last maps, a power of 2 >= 16; 0: none
    # D: reconstructs a random quarter of images from the maps before, too (as in the paper; the package does so from
    # 512 pixels on)
    reconstruct_part: bool = False
    logits: Literal["one", "map"] = "one"  # D: one number per image, or a map of 5 x 5
    thumbnail_width: int = 64  # D: channels of the network that looks at images of 32 x 32, >= 2 and even
    # at `attention_at`, and in the network for thumbnails; 0: no attention (as in the paper), much faster on a CPU
    attention_heads: int = 8
    attention_size: int = 64  # of the vectors in each head, >= 1

    provides = frozenset({"features"})
    obeys = frozenset(
        {
            *("generator.width", "generator.norm", "generator.attention_at", "generator.output_activation"),
            *("discriminator.width", "discriminator.attention_at", "discriminator.activation", "discriminator.slope"),
            *("input_range", "latents.size"),
        }
    )

    def __post_init__(self) -> None:
        if self.most_channels < 16 or self.thumbnail_width < 2 or self.thumbnail_width % 2:
            raise ValueError("most_channels must be at least 16, and thumbnail_width at least 2 and even")
        if self.attention_heads < 0 or self.attention_size < 1:
            raise ValueError("attention_heads must be at least 0, and attention_size at least 1")
        for name, least in (("excitation", 2), ("reconstruction", 2 * LAST)):
            value = getattr(self, name)
            if value and (value < least or value & (value - 1)):
                raise ValueError(f"{name} must be a power of two, at least {least}, or 0; not {value}")
        if self.reconstruct_part and not self.reconstruction:
            raise ValueError("reconstruct_part needs a reconstruction above 0")

    def generator(self, config: RunConfig, info: DatasetInfo) -> nn.Module:
        return Generator(config, info, self)

    def discriminator(self, config: RunConfig, info: DatasetInfo) -> nn.Module:
        return Discriminator(config, info, self)

    def conflict(self, parts: Parts) -> str | None:
        config, size = parts.config, parts.info.size
        if size not in SIZES:
            return f"lightweight_gan makes images of side {', '.join(map(str, SIZES))}; the dataset has side {size}"
        for side, at, maps in (
            ("generator", config.generator.attention_at, sides(4, size // 2)),
            ("discriminator", config.discriminator.attention_at, sides(2 * LAST, size)),
        ):
            if at and not self.attention_heads:
                return f"{side}.attention_at is for attention_heads above 0"
            if missing := [each for each in at if each not in maps]:
                return f"{side}: attention_at {missing[0]}: attention is at sides {', '.join(map(str, maps))}"
        if config.discriminator.slope != 0.2 and config.discriminator.activation != "leaky_relu":
            return f"discriminator.slope is that of leaky_relu; the activation is {config.discriminator.activation}"
        if self.excitation and 4 * self.excitation > size:
            return f"excitation {self.excitation}: no maps are so much larger than 4 x 4 in images of side {size}"
        if config.procedure.name == "unrolled" and config.procedure.options.get("separate_batches") is False:
            return "lightweight_gan cannot tell reals from fakes in the mixed batches in which unrolled looks ahead"
        made = self.channels(config.discriminator.width * size // 2, (LAST, 2 * LAST))
        for maps_side, doublings in zip(made, self.decoded(size), strict=True):
            if 2**doublings > made[maps_side]:
                return f"discriminator: the decoder cannot halve {made[maps_side]} channels {doublings} times"
        return None

    # --- what both networks ask -------------------------------------------------------------------
    def channels(self, at_one_pixel: int, of: Iterable[int]) -> dict[int, int]:
        """Side of maps -> channels: halved with each doubling."""
        return {size: min(at_one_pixel // size, self.most_channels) for size in of}

    def gating(self, size: int) -> dict[int, int]:
        """Side of maps that are gated -> of those that gate them."""
        if not self.excitation:
            return {}
        smallest = min(GATING_FROM, size // self.excitation)
        return {small * self.excitation: small for small in sides(smallest, size // self.excitation)}

    def decoded(self, size: int) -> tuple[int, int]:
        """How often D's decoders double the side: that of entire images, and that of a quarter; 0: there is none."""
        whole, part = min(self.reconstruction, size) // LAST, min(self.reconstruction, size // 2) // LAST
        return max(whole.bit_length() - 1, 0), max(part.bit_length() - 1, 0) if self.reconstruct_part else 0

    def attention(self, channels: int) -> nn.Module:
        return Attention(channels, self.attention_heads, self.attention_size) if self.attention_heads else nn.Identity()
