"""SAGAN: residual networks with spectral norm on both sides, and self-attention."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from torch import nn

from ganbench import DatasetInfo, Parts, RunConfig, change
from ganbench_zoo.architectures.resnet import ResNet


@dataclass(frozen=True, kw_only=True)
class SAGAN(ResNet):
    """SAGAN (Zhang et al., 2019): `resnet` with spectral norm in G and D and self-attention as parts of it.

    So `spectral_norm` and `attention_at` are options here, not fields of the networks. What the paper sets besides:
    stem linear, upsampling nearest, downsampling average_pool, activation relu, bias true, discriminator.norm none,
    latents.size 128, generator.conditioning conditional_norm and discriminator.conditioning projection where there are
    labels; its loss is `hinge`, with learning rates of 1e-4 for G and 4e-4 for D and betas [0.0, 0.9].
    """

    # networks whose weights are divided by their largest singular value
    spectral_norm: tuple[Literal["generator", "discriminator"], ...] = ("generator", "discriminator")
    # sides of G's maps with self-attention; none: a quarter of the image's side, as in the paper, but at least 8
    generator_attention: tuple[int, ...] | None = None
    discriminator_attention: tuple[int, ...] | None = None  # the same in D

    obeys = frozenset(path for path in ResNet.obeys if path.partition(".")[2] not in ("spectral_norm", "attention_at"))

    def generator(self, config: RunConfig, info: DatasetInfo) -> nn.Module:
        return super().generator(self.configured(config, info), info)

    def discriminator(self, config: RunConfig, info: DatasetInfo) -> nn.Module:
        return super().discriminator(self.configured(config, info), info)

    def conflict(self, parts: Parts) -> str | None:
        for name, trick in parts.tricks.items():
            kind = name.partition("#")[0]
            sides = getattr(trick, "networks", ()) if kind in ("spectral_norm", "spectral_regularization") else ()
            if kind == "weight_clipping":
                sides = ("discriminator",)
            if twice := [side for side in self.spectral_norm if side in sides]:
                return f"sagan has spectral norm in the {twice[0]} already; the trick {name} would change nothing there"
        return super().conflict(replace(parts, config=self.configured(parts.config, parts.info)))

    def configured(self, config: RunConfig, info: DatasetInfo) -> RunConfig:
        """The configuration as `resnet` obeys it."""
        usual = (max(info.size // 4, 8),)  # `resnet` has no attention on G's first maps, of side 4
        attention = {"generator": self.generator_attention, "discriminator": self.discriminator_attention}
        fields = {
            side: {"spectral_norm": side in self.spectral_norm, "attention_at": usual if at is None else at}
            for side, at in attention.items()
        }
        return change(config, **fields)
