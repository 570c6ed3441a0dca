"""Whoever's loss is high trains on."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ganbench import Batch, Data, Parts, RunConfig, Terms, Training
from ganbench_zoo.procedures.adversarial import Adversarial
from ganbench_zoo.tricks.feature_matching import FeatureMatching
from ganbench_zoo.tricks.swapped_labels import SwappedLabels


@dataclass(frozen=True, kw_only=True)
class LossBalanced(Adversarial):
    """D trains while its loss is above a bound, then G does: what ganhacks 11 advises against.

    Each player makes one update, and another one as long as the adversarial loss of the last was above its bound, up to
    `limit` per step. So steps differ in cost; a budget of updates or images is kept to the update. The losses are those
    of the history (`D/adversarial`, `G/adversarial`). The default bounds fit cross entropy, where D has 1.39 and G 0.69
    if D cannot tell reals from fakes.
    """

    d_above: float = 1.0  # D trains on while its adversarial loss is above this
    g_above: float = 2.0  # G trains on while its adversarial loss is above this
    limit: int = 5  # updates of each player per step at most, >= 2

    def __post_init__(self) -> None:
        if self.limit < 2:
            raise ValueError("limit must be at least 2; with 1 the losses would decide nothing")

    def conflict(self, parts: Parts) -> str | None:
        for name in ("d_updates", "g_updates"):
            if (updates := getattr(parts.config.training, name)) != 1:
                return f"loss_balanced makes updates as the losses say; training.{name} is {updates} and must stay 1"
        for name, trick in parts.tricks.items():
            if isinstance(trick, SwappedLabels) or (isinstance(trick, FeatureMatching) and trick.alone):
                return f"loss_balanced goes by G's adversarial loss, in whose place {name} puts a term of its own"
        return None

    def batches_per_step(self, config: RunConfig) -> int:
        return self.limit if self.fresh_batches else 1

    def step(self, training: Training, data: Data) -> Terms:
        reals: list[Batch] = []
        terms: Terms = {}
        for update in range(self.limit):
            if update < self.batches_per_step(training.config):
                reals.append(data.batch(update))
            terms |= self.update_d(training, reals, update)
            if self.enough(training, terms["D/adversarial"], self.d_above):
                break
        for update in range(self.limit):  # of the batches that D saw in this step, in turn
            terms |= self.update_g(training, reals, update)
            if self.enough(training, terms["G/adversarial"], self.g_above):
                break
        return terms

    def enough(self, training: Training, loss: Tensor, above: float) -> bool:
        """Whether a player stops: its loss is not above the bound (NaN is not), or the budget is used up."""
        return not float(loss) > above or training.progress >= 1
