"""Noise on D's inputs."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ganbench import Moment, Trick


@dataclass(frozen=True, kw_only=True)
class InstanceNoise(Trick):
    """Normal noise on all that D sees, falling linearly to none (Sønderby et al., 2017; ganhacks 13)."""

    std: float = 0.1  # at the start, as if images were in -1..1; > 0
    until: float | None = 1.0  # share of training after which there is none, in (0, 1]; null: it stays

    def __post_init__(self) -> None:
        if self.std <= 0 or (self.until is not None and not 0 < self.until <= 1):
            raise ValueError("std must be above 0, and until above 0 and at most 1")

    def view(self, images: Tensor, moment: Moment) -> Tensor:
        left = 1.0 if self.until is None else 1 - moment.progress / self.until
        std = self.std * moment.config.half_range * left
        if std <= 0:
            return images
        return images + std * moment.normal("instance_noise", tuple(images.shape), like=images)
