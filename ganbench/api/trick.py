"""Tricks: named changes to GAN training, which act at eight moments and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from ganbench.api.config import RunConfig
from ganbench.api.data import Batch, DatasetInfo
from ganbench.api.plugin import Plugin
from ganbench.api.training import Forward, Moment, Networks, Targets


@dataclass(frozen=True, kw_only=True)
class Trick(Plugin):
    """Override the moments you need. Draw random numbers from `moment` only, so that nobody else's change."""

    def configure(self, config: RunConfig, info: DatasetInfo) -> RunConfig:
        """1. Once, before anything is built; pure: what is built."""
        return config

    def prepare_networks(self, networks: Networks) -> None:
        """2. Once, before optimisers and EMA: how the networks are parametrised."""

    def before_update(self, networks: Networks, moment: Moment) -> None:
        """3. Before each update: whom the player meets. What is changed of the opponent is put back in
        `after_update`; the player itself changes there only."""

    def replace_fakes(self, fake: Batch, moment: Moment) -> Batch:
        """4. D phase, first: which fakes D is shown."""
        return fake

    def view(self, images: Tensor, moment: Moment) -> Tensor:
        """5. Every time D looks at images (real and fake, both phases, penalties): how D sees. Must not change
        `memory`, and what it reads of it changes in `after_update` only."""
        return images

    def adjust_targets(self, targets: Targets, forward: Forward, moment: Moment) -> Targets:
        """6. Both phases: what the losses are told - labels for those that read them, weights per sample for all."""
        return targets

    def extra_loss(self, forward: Forward, moment: Moment) -> Tensor | None:
        """7. After the forward pass, both phases: a scalar that is added to the loss, or None."""
        return None

    def after_update(self, networks: Networks, moment: Moment) -> None:
        """8. After each optimiser step: what happens to the weights."""


def change(config: RunConfig, **fields: Any) -> RunConfig:
    """`change(config, generator={"norm": "none"}, ema=0.999)`: dicts change single fields of a nested record."""
    nested = {k: replace(getattr(config, k), **v) for k, v in fields.items() if isinstance(v, dict)}
    return replace(config, **(fields | nested))
