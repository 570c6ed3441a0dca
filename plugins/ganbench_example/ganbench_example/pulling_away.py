"""Fakes that D sees as alike push each other away."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from ganbench import Forward, Moment, Parts, Trick


@dataclass(frozen=True, kw_only=True)
class PullingAway(Trick):
    """G's fakes shall have orthogonal features in D (EBGAN's pulling-away term, Zhao et al., 2017, section 2.4).

    The mean squared cosine between the features of two fakes of a batch is added to G's loss.
    """

    weight: float = 0.1  # > 0; 0.1 in the paper

    # Options are checked where they are made. The message stands after the line of the suite that set them.
    def __post_init__(self) -> None:
        if self.weight <= 0:
            raise ValueError(f"weight must be above 0, not {self.weight}")

    # A sentence where it cannot work, or would change nothing: `ganbench plan` prints it before any time is spent.
    def conflict(self, parts: Parts) -> str | None:
        if "features" not in parts.architecture.provides:
            return f"pulling_away needs D's features; {parts.config.architecture.name} shows none"
        if parts.config.training.batch_size < 2:
            return "pulling_away compares the fakes of a batch, and training.batch_size is 1"
        return None

    # One of the eight moments of a trick. It returns a loss and never calls `backward`.
    def extra_loss(self, forward: Forward, moment: Moment) -> Tensor | None:
        if moment.phase == "D" or forward.fake_output is None:
            return None
        assert forward.fake_output.features is not None
        directions = F.normalize(forward.fake_output.features, dim=1)  # N F
        cosines = directions @ directions.T
        n = len(cosines)
        others = cosines.square().sum() - cosines.diagonal().square().sum()
        return self.weight * others / (n * (n - 1))
