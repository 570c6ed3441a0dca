"""G matches what D notices."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ganbench import Forward, Moment, Parts, Targets, Trick
from ganbench_zoo.tricks.swapped_labels import SwappedLabels
from ganbench_zoo.tricks.top_k import TopK


@dataclass(frozen=True, kw_only=True)
class FeatureMatching(Trick):
    """G makes fakes whose mean features in D are those of reals (Salimans et al., 2016, section 3.1).

    The paper trains G with this term alone: `alone: true`. By default it stands beside the adversarial loss. The
    squared distance is averaged over features, where the paper sums, so that `weight` does not depend on their number.
    """

    weight: float = 1.0  # > 0; under Adam it hardly matters when the term is alone
    alone: bool = False  # true: G's adversarial loss is switched off, as in the paper

    def __post_init__(self) -> None:
        if self.weight <= 0:
            raise ValueError("weight must be above 0")

    def conflict(self, parts: Parts) -> str | None:
        if "features" not in parts.architecture.provides:
            return f"feature_matching needs D's features; {parts.config.architecture.name} shows none"
        for name, trick in parts.tricks.items():
            if self.alone and isinstance(trick, SwappedLabels | TopK):
                return f"feature_matching with `alone` leaves no adversarial loss of G for {name} to change"
        return None

    def adjust_targets(self, targets: Targets, forward: Forward, moment: Moment) -> Targets:
        if moment.phase == "D" or not self.alone:
            return targets
        nothing = {"real_weight": torch.zeros_like(targets.real_weight)}  # of the losses that show G reals
        return replace(targets, fake_weight=torch.zeros_like(targets.fake_weight), **nothing)

    def extra_loss(self, forward: Forward, moment: Moment) -> Tensor | None:
        if moment.phase == "D" or forward.fake_output is None:
            return None
        real_output = forward.real_output
        if real_output is None:
            with torch.no_grad():
                real_output = forward.discriminate(forward.real)
        assert forward.fake_output.features is not None and real_output.features is not None
        wanted = real_output.features.mean(0).detach()
        return self.weight * F.mse_loss(forward.fake_output.features.mean(0), wanted)
