"""Unequal learning rates."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ganbench import DatasetInfo, RunConfig, Trick, change


@dataclass(frozen=True, kw_only=True)
class TTUR(Trick):
    """Two time-scale update rule: D learns faster than G (Heusel et al., 2017); the rates are SAGAN's."""

    discriminator_lr: float = 4e-4  # > 0
    generator_lr: float = 1e-4  # > 0

    def __post_init__(self) -> None:
        if self.discriminator_lr <= 0 or self.generator_lr <= 0:
            raise ValueError("learning rates must be above 0")

    def configure(self, config: RunConfig, info: DatasetInfo) -> RunConfig:
        return change(
            config,
            discriminator={"optimizer": replace(config.discriminator.optimizer, lr=self.discriminator_lr)},
            generator={"optimizer": replace(config.generator.optimizer, lr=self.generator_lr)},
        )
