"""G learns from its better fakes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from ganbench import Forward, Moment, Targets, Trick


@dataclass(frozen=True, kw_only=True)
class TopK(Trick):
    """G learns only from the fakes that D rates highest; the share falls as training goes on (Sinha et al., 2020).

    It falls by the same factor in equal times, as in the paper, where that is 0.99 per epoch.
    """

    share: float = 0.5  # of the batch that is kept in the end, in (0, 1); 1 at the start
    until: float = 1.0  # share of training at which the fall ends, in (0, 1]

    def __post_init__(self) -> None:
        if not 0 < self.share < 1 or not 0 < self.until <= 1:
            raise ValueError("share must be between 0 and 1, and until above 0 and at most 1")

    def adjust_targets(self, targets: Targets, forward: Forward, moment: Moment) -> Targets:
        if moment.phase == "D" or forward.fake_output is None:
            return targets
        score = forward.fake_output.score().detach()
        fallen = min(moment.progress / self.until, 1.0)
        kept = max(round(len(score) * self.share**fallen), 1)
        chosen = torch.zeros_like(score).scatter(0, score.topk(kept).indices, 1.0)
        return replace(targets, fake_weight=targets.fake_weight * chosen)
