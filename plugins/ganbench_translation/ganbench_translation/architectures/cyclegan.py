"""Two generators that each translate into one domain."""

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


class TwoTranslators(Translator):
    """An entire network for each direction; they share nothing."""

    def __init__(self, run: RunConfig, info: DatasetInfo, depth: Depth) -> None:
        super().__init__(run, info)
        config, halvings = run.generator, depth.halvings

        def into() -> nn.Sequential:
            between = residual_blocks(config, config.width * 2**halvings, depth.blocks)
            parts = encoder(config, info.channels, halvings), between, decoder(config, info.channels, halvings, run)
            return nn.Sequential(*parts)

        self.into = nn.ModuleList([into() for _ in info.domains])

    def forward(self, images: Tensor, target: str) -> Tensor:
        """Images of either domain as images of `target`, in the input range."""
        made: Tensor = self.into[self.number(target)](self.seen(images))
        return made


@dataclass(frozen=True, kw_only=True)
class CycleGAN(Architecture):
    """CycleGAN's residual generators and patch discriminators, one for each domain (Zhu et al., 2017); any size.

    The paper's: generator width 64, 2 halvings, 9 blocks (6 for images of side 128), instance norm, ReLU;
    discriminator width 64, 3 halvings, instance norm. Small images want fewer halvings.
    """

    halvings: int | None = None  # of the side in the generators, >= 0; none: 2, and 0 below 64 pixels
    # Residual blocks between halvings and doublings, >= 1; none: 6, 4 below 128 pixels, 2 below 64
    blocks: int | None = None
    # Of the side in the discriminators, >= 1: patches of side 16, 34, 70 for 1, 2, 3; none: 3, and 2 below 64 pixels
    d_halvings: int | None = None

    provides = frozenset({"features", "domains"})
    obeys = OBEYS

    def __post_init__(self) -> None:
        check_depth(self.halvings, self.blocks, self.d_halvings)

    def depth(self, info: DatasetInfo) -> Depth:
        usual = usual_depth(info.size)
        return Depth(
            halvings=usual.halvings if self.halvings is None else self.halvings,
            blocks=self.blocks or usual.blocks,
            d_halvings=self.d_halvings or usual.d_halvings,
        )

    def generator(self, config: RunConfig, info: DatasetInfo) -> nn.Module:
        return finished(TwoTranslators(config, info, self.depth(info)), config.generator)

    def discriminator(self, config: RunConfig, info: DatasetInfo) -> nn.Module:
        return discriminators(config, info, self.depth(info).d_halvings)

    def conflict(self, parts: Parts) -> str | None:
        return translation_conflict(parts, "cyclegan", self.depth(parts.info))
