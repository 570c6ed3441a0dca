"""G learns with flipped labels."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ganbench import Forward, Moment, Parts, Targets, Trick, reduce
from ganbench_zoo.losses.non_saturating import NonSaturating
from ganbench_zoo.losses.saturating import Saturating


@dataclass(frozen=True, kw_only=True)
class SwappedLabels(Trick):
    """G minimises D's loss with its fakes labelled real, instead of maximising it as it is (ganhacks 2).

    The minimax G has no loss of its own: it maximises what D minimises, with D's label for fakes. Flipping that label
    and minimising instead gives max log D (Goodfellow et al., 2014, section 3), so `saturating` with swapped labels
    *is* `non_saturating`. All other losses have G's fakes labelled real already, or have no labels. (Calling reals 0
    and fakes 1 for both players is another thing, and none worth running: it is the same game with D's logits negated.)

    G's adversarial term becomes 0 and this one takes its place, with the labels and weights that tricks give it.
    """

    def conflict(self, parts: Parts) -> str | None:
        loss = parts.config.loss.name
        if not parts.loss.reads_labels:
            return f"swapped_labels: the loss {loss} has no labels to swap"
        if not isinstance(parts.loss, Saturating):
            return (
                "swapped_labels is for the loss saturating, whose G maximises D's loss; "
                f"with {loss}, fakes are labelled real for G already"
            )
        for name, trick in parts.tricks.items():
            if name > "swapped_labels" and type(trick).adjust_targets is not Trick.adjust_targets:
                return (
                    f"swapped_labels takes the place of G's loss before {name} adjusts its weights, which would be lost"
                )
        return None

    def adjust_targets(self, targets: Targets, forward: Forward, moment: Moment) -> Targets:
        if moment.phase == "D":
            return targets
        self.memory.update(label=targets.fake, weight=targets.fake_weight)
        return replace(targets, fake_weight=torch.zeros_like(targets.fake_weight))

    def extra_loss(self, forward: Forward, moment: Moment) -> Tensor | None:
        if moment.phase == "D" or forward.fake_output is None:
            return None
        label, weight = self.memory.pop("label"), self.memory.pop("weight")
        return reduce(NonSaturating().on_fake, forward.fake_output.logits, label, weight)
