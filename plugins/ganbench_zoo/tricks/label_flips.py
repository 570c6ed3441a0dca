"""Noisy labels."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from ganbench import Forward, Moment, Parts, Targets, Trick


@dataclass(frozen=True, kw_only=True)
class LabelFlips(Trick):
    """Now and then D is told that a real is a fake, or a fake a real (noisy labels, Chintala et al., 2016: ganhacks 6).

    Labels are flipped before `label_smoothing` softens them.
    """

    probability: float = 0.05  # of each label of D to be flipped, at the start; in (0, 0.5)
    until: float | None = None  # share of training at which the probability has fallen to 0, linearly; null: it stays

    def __post_init__(self) -> None:
        if not 0 < self.probability < 0.5:
            raise ValueError("probability must be above 0 and below 0.5, where labels say nothing")
        if self.until is not None and not 0 < self.until <= 1:
            raise ValueError("until must be above 0 and at most 1")

    def conflict(self, parts: Parts) -> str | None:
        if not parts.loss.reads_labels:
            return f"label_flips changes target labels, which the loss {parts.config.loss.name} does not read"
        return None

    def adjust_targets(self, targets: Targets, forward: Forward, moment: Moment) -> Targets:
        if moment.phase == "G":
            return targets
        probability = self.probability * (1.0 if self.until is None else 1 - moment.progress / self.until)

        def flip(label: Tensor) -> Tensor:
            flipped = moment.uniform("label_flips", tuple(label.shape), like=label) < probability
            return (1 - label).where(flipped, label)

        return replace(targets, real=flip(targets.real), fake=flip(targets.fake))
