"""Anchored predictions of D."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ganbench import Forward, Moment, Trick


@dataclass(frozen=True, kw_only=True)
class LeCam(Trick):
    """D's scores are drawn to the moving average of those of the other side (LeCam, Tseng et al., 2021, equation 3).

    Squared distances of reals from the average score of fakes, and of fakes from that of reals, are added to D's loss.
    Until `start` the averages are just those of the last batch.
    """

    weight: float = 0.3  # > 0; the paper has 0.01 to 0.5
    decay: float = 0.99  # of the moving averages, per update of D, in [0, 1)
    start: float = 0.05  # share of training after which it acts, in [0, 1)
    one_sided: bool = False  # true, as in the authors' code: only reals above the fakes' average, and fakes below

    def __post_init__(self) -> None:
        if self.weight <= 0 or not 0 <= self.decay < 1 or not 0 <= self.start < 1:
            raise ValueError("weight must be above 0, and decay and start at least 0 and below 1")

    def extra_loss(self, forward: Forward, moment: Moment) -> Tensor | None:
        if moment.phase == "G":
            return None
        anchors = self.memory.setdefault(moment.domain, {})
        outputs = {"real": forward.real_output, "fake": forward.fake_output}
        scores = {name: output.score() for name, output in outputs.items() if output is not None}
        early = moment.progress < self.start
        for name, score in scores.items():
            mean = score.detach().mean()
            anchors[name] = mean if early or name not in anchors else mean.lerp(anchors[name], self.decay)
        # Where D's step is split, its first half may know nothing yet of the other side.
        sides = [(name, other) for name, other in (("real", "fake"), ("fake", "real")) if name in scores]
        terms = [self.distance(scores[name], anchors[other], name) for name, other in sides if other in anchors]
        return None if early or not terms else self.weight * torch.stack(terms).sum()

    def distance(self, score: Tensor, anchor: Tensor, name: str) -> Tensor:
        """Mean squared distance of the scores [N] of one side from the anchor of the other."""
        above = score - anchor if name == "real" else anchor - score
        return (above.relu() if self.one_sided else above).square().mean()
