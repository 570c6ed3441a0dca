"""Clipped weights."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ganbench import Moment, Networks, Parts, Trick
from ganbench_zoo.tricks.spectral_norm import SpectralNorm


@dataclass(frozen=True, kw_only=True)
class WeightClipping(Trick):
    """After each update of D its parameters are clipped to [-limit, limit] (WGAN, Arjovsky et al., 2017)."""

    limit: float = 0.01  # > 0

    def __post_init__(self) -> None:
        if self.limit <= 0:
            raise ValueError("limit must be above 0")

    def conflict(self, parts: Parts) -> str | None:
        normalised = [trick for trick in parts.tricks.values() if isinstance(trick, SpectralNorm)]
        if parts.config.discriminator.spectral_norm or any("discriminator" in trick.networks for trick in normalised):
            return "weight_clipping clips weights that spectral norm scales again, so the limit would hold for nothing"
        return None

    @torch.no_grad()
    def after_update(self, networks: Networks, moment: Moment) -> None:
        if moment.phase == "D":
            for parameter in networks.discriminator.parameters():
                parameter.clamp_(-self.limit, self.limit)
