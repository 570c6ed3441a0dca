"""Losses: three elementwise formulas; the base class reduces over positions, weighted samples and maps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from ganbench.api.plugin import Plugin
from ganbench.api.training import DOutput, Targets, weighted_mean

# Checked by type, not in __post_init__, which the losses of others would have to call.
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@dataclass(frozen=True, kw_only=True)
class Loss(Plugin):
    """What D and G minimise. `label` has the shape of `logits` and holds what the player of the phase is told."""

    # Factor of D's adversarial loss, > 0 (report R4 halves it). Adam does not mind the scale of a loss, so it matters
    # beside other terms of D only: penalties, class losses. The update applies it; `discriminator` does not.
    discriminator_weight: Positive = 1.0

    reads_labels: ClassVar[bool] = False  # uses the labels, not only the weights: label tricks have an effect
    compares: ClassVar[bool] = False  # needs reals and fakes together: G is shown reals, and a D step cannot be split

    def on_real(self, logits: Tensor, label: Tensor) -> Tensor:
        """D's loss on reals, elementwise."""
        raise NotImplementedError

    def on_fake(self, logits: Tensor, label: Tensor) -> Tensor:
        """D's loss on fakes, elementwise."""
        raise NotImplementedError

    def for_generator(self, logits: Tensor, label: Tensor) -> Tensor:
        """G's loss on fakes, elementwise."""
        raise NotImplementedError

    def discriminator(self, real: DOutput | None, fake: DOutput | None, targets: Targets) -> Tensor:
        """Mean of on_real plus mean of on_fake; either side may be absent in a split D step. Scalar."""
        terms = []
        if real is not None:
            terms.append(reduce(self.on_real, real.logits, targets.real, targets.real_weight))
        if fake is not None:
            terms.append(reduce(self.on_fake, fake.logits, targets.fake, targets.fake_weight))
        return torch.stack(terms).sum()

    def generator(self, fake: DOutput, real: DOutput | None, targets: Targets) -> Tensor:
        """Mean of for_generator over fakes. Only losses that compare read `real`. Scalar."""
        return reduce(self.for_generator, fake.logits, targets.fake, targets.fake_weight)


def reduce(formula: Callable[[Tensor, Tensor], Tensor], maps: list[Tensor], label: Tensor, weight: Tensor) -> Tensor:
    """Mean of formula over positions, then over weighted samples, then over maps of logits. Scalar."""

    def spread(logits: Tensor) -> Tensor:  # [N] -> the shape of logits
        return label.view(-1, *[1] * (logits.ndim - 1)).expand_as(logits)

    return torch.stack([weighted_mean(formula(logits, spread(logits)), weight) for logits in maps]).mean()
