"""Soft labels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from ganbench import Forward, Moment, Parts, Targets, Trick

Soft = float | tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class LabelSmoothing(Trick):
    """Labels other than 1 and 0, one-sided by default (Salimans et al., 2016); ranges are drawn from (ganhacks 6).

    | published as                        | real       | fake       |
    |-------------------------------------|------------|------------|
    | one-sided (Salimans et al., 2016)   | 0.9        | 0.0        |
    | both sides (Szegedy et al., 2016)   | 0.9        | 0.1        |
    | ganhacks 6 (Chintala et al., 2016)  | [0.7, 1.2] | [0.0, 0.3] |

    With cross entropy a fixed label outside 0..1 has no minimum.
    """

    real: Soft = 0.9  # stands for 1; or [low, high]: uniform, for each sample anew
    fake: Soft = 0.0  # stands for 0; the same
    phases: tuple[Literal["D", "G"], ...] = ("D",)  # whose labels are soft

    def __post_init__(self) -> None:
        for name, soft in (("real", self.real), ("fake", self.fake)):
            if isinstance(soft, tuple) and soft[0] > soft[1]:
                raise ValueError(f"{name} is a range from low to high, not from {soft[0]} to {soft[1]}")
        if self.real in (1, (1, 1)) and self.fake in (0, (0, 0)):
            raise ValueError("real: 1 and fake: 0 are the labels without smoothing")
        if not self.phases:
            raise ValueError("phases must name at least one of D and G")
        if self.real in (1, (1, 1)) and "D" not in self.phases:
            raise ValueError("G wants its fakes called real, so with real: 1 and without phase D nothing changes")

    def conflict(self, parts: Parts) -> str | None:
        if not parts.loss.reads_labels:
            return f"label_smoothing changes target labels, which the loss {parts.config.loss.name} does not read"
        return None

    def adjust_targets(self, targets: Targets, forward: Forward, moment: Moment) -> Targets:
        if moment.phase not in self.phases:
            return targets

        def soften(label: Tensor) -> Tensor:
            """Between the two, so labels that another trick has flipped are softened as what they now are."""
            one, zero = draw(self.real, label, moment), draw(self.fake, label, moment)
            return zero + (one - zero) * label

        return replace(targets, real=soften(targets.real), fake=soften(targets.fake))


def draw(soft: Soft, label: Tensor, moment: Moment) -> Tensor:
    """One number per sample."""
    if not isinstance(soft, tuple):
        return torch.full_like(label, soft)
    low, high = soft
    return low + (high - low) * moment.uniform("label_smoothing", tuple(label.shape), like=label)
