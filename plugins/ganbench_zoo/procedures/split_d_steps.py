"""D learns from reals and from fakes in two optimiser steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ganbench import Data, Parts, RunConfig, Terms, Training
from ganbench.phases import update_discriminator
from ganbench_zoo.procedures.adversarial import Adversarial

SIDES: tuple[Literal["real", "fake"], ...] = ("real", "fake")


@dataclass(frozen=True, kw_only=True)
class SplitDSteps(Adversarial):
    """One optimiser step of D on reals, one on fakes, then `training.g_updates` of G (report R3 has two)."""

    def conflict(self, parts: Parts) -> str | None:
        if parts.loss.compares:
            loss = parts.config.loss.name
            return f"split_d_steps needs a loss with a part for reals and a part for fakes; {loss} compares the two"
        if not self.separate_batches:
            return "split_d_steps never shows D reals and fakes together, so separate_batches cannot be false"
        if not self.fresh_batches:
            return "split_d_steps uses one real batch per step, so fresh_batches has nothing to switch off"
        if parts.config.training.d_updates != 1:
            return (
                "split_d_steps always makes two optimiser steps of D, one per side, from one batch; "
                f"training.d_updates is {parts.config.training.d_updates} and must stay 1"
            )
        return None

    def batches_per_step(self, config: RunConfig) -> int:
        return 1

    def step(self, training: Training, data: Data) -> Terms:
        real = data.batch(0)
        terms: Terms = {}
        for update, side in enumerate(SIDES):
            half = update_discriminator(
                training, training.moment("D", update), self.game(training, real), look_at=(side,)
            )
            terms |= {f"{name}_on_{side}": term for name, term in half.items()}
        for update in range(training.config.training.g_updates):
            terms |= self.update_g(training, [real], update)
        return terms
