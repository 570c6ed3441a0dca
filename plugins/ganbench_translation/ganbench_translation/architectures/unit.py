"""Two autoencoders that share their middle."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from ganbench import Architecture, DatasetInfo, Parts, RunConfig
from ganbench_translation.networks import (
    OBEYS,
    Depth,
    Translator,
    check_depth,
    decoder,
    discriminators,
    encoder,
    finished,
    residual_blocks,
    translation_conflict,
    usual_depth,
)

# Contents are so many times the numbers that the encoders end with, and are divided by it before they are decoded. The
# draws around them have variance 1: numbers of size 1 would drown in them until all weights have grown for long.
CONTENT = 5.0


class SharedAutoEncoders(Translator):
    """An encoder and a decoder for each domain; the last blocks of the encoders and the first of the decoders are the
    same ones in both, so that both domains have one space of contents (figure 1 of the paper)."""

    def __init__(self, run: RunConfig, info: DatasetInfo, depth: Depth, shared: int) -> None:
        super().__init__(run, info)
        config, halvings = run.generator, depth.halvings
        channels, own_blocks = config.width * 2**halvings, depth.blocks - shared

        def own_encoder() -> nn.Sequential:
            own = residual_blocks(config, channels, own_blocks)
            return nn.Sequential(encoder(config, info.channels, halvings), own)

        def own_decoder() -> nn.Sequential:
            own = residual_blocks(config, channels, own_blocks)
            return nn.Sequential(own, decoder(config, info.channels, halvings, run))

        self.encoders = nn.ModuleList([own_encoder() for _ in info.domains])
        self.encoder_end = residual_blocks(config, channels, shared)
        self.decoder_start = residual_blocks(config, channels, shared)
        self.decoders = nn.ModuleList([own_decoder() for _ in info.domains])

    def encode(self, images: Tensor, domain: str) -> Tensor:
        """The means of the contents of images, N C H W."""
        content: Tensor = self.encoder_end(self.encoders[self.number(domain)](self.seen(images)))
        return CONTENT * content

    def decode(self, content: Tensor, domain: str) -> Tensor:
        """Images of a domain with that content, in the input range."""
        images: Tensor = self.decoders[self.number(domain)](self.decoder_start(content / CONTENT))
        return images


@dataclass(frozen=True, kw_only=True)
class UNIT(Architecture):
    """UNIT's two convolutional VAEs with a shared latent space, and patch discriminators (Liu et al., 2017); any size.

    The paper's: width 64, 2 halvings, 4 blocks on either side of the content, of which 1 is shared. Its discriminators
    are deeper; these are the ones of the architecture `cyclegan`, so that both have equal opponents; and from 64
    pixels on a way from image to image has by default as many blocks as there.
    """

    halvings: int | None = None  # of the side in encoders, >= 0; none: 2, and 0 below 64 pixels
    # Residual blocks of an encoder, and of a decoder, >= 1; none: 3, and 2 below 128 pixels
    blocks: int | None = None
    # Both domains' own parts begin with the same weights: a content means the same in both from the first step on. Else
    # sharing and cycles must see to it, and colours may stay swapped. The paper does not say.
    same_start: bool = True
    shared: int = 1  # of these, how many next to the content both domains share, 0..blocks
    # Of the side in the discriminators, >= 1: patches of side 16, 34, 70 for 1, 2, 3; none: 3, and 2 below 64 pixels
    d_halvings: int | None = None

    provides = frozenset({"features", "domains"})
    obeys = OBEYS

    def __post_init__(self) -> None:
        check_depth(self.halvings, self.blocks, self.d_halvings)
        if self.shared < 0:
            raise ValueError(f"shared must be at least 0, not {self.shared}")

    def depth(self, info: DatasetInfo) -> Depth:
        usual = usual_depth(info.size)
        return Depth(
            halvings=usual.halvings if self.halvings is None else self.halvings,
            blocks=self.blocks or max(usual.blocks // 2, 2),  # else a domain has one convolution of its own
            d_halvings=self.d_halvings or usual.d_halvings,
        )

    def generator(self, config: RunConfig, info: DatasetInfo) -> nn.Module:
        made = SharedAutoEncoders(config, info, self.depth(info), self.shared)
        finished(made, config.generator)
        if self.same_start:
            for parts in (made.encoders, made.decoders):
                parts[1].load_state_dict(parts[0].state_dict())
        return made

    def discriminator(self, config: RunConfig, info: DatasetInfo) -> nn.Module:
        return discriminators(config, info, self.depth(info).d_halvings)

    def conflict(self, parts: Parts) -> str | None:
        depth = self.depth(parts.info)
        if self.shared > depth.blocks:
            return f"unit: {self.shared} blocks cannot be shared, since encoder and decoder have {depth.blocks} each"
        return translation_conflict(parts, "unit", depth)
