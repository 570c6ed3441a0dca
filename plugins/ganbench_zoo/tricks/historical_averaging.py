"""Weights are pulled to their past."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ganbench import Forward, Moment, Networks, Trick


@dataclass(frozen=True, kw_only=True)
class HistoricalAveraging(Trick):
    """Each player pays for the distance from the mean of all its past weights (Salimans et al., 2016, section 3.3).

    weight * ||theta - 1/t sum_i theta[i]||^2, over all t earlier updates of that player, summed over its parameters. It
    costs a copy of the parameters of both networks.
    """

    weight: float = 1e-3  # > 0; the paper names none. The distance is a sum, so large networks want a smaller one

    def __post_init__(self) -> None:
        if self.weight <= 0:
            raise ValueError("weight must be above 0")

    def extra_loss(self, forward: Forward, moment: Moment) -> Tensor | None:
        past = self.memory.get(moment.phase)
        if past is None or past.setdefault("domain", moment.domain) != moment.domain:
            return None  # no past yet; or another game of the same update, which pays once
        now = parameters(forward.networks, moment)
        distances = [(now[name] - mean).square().sum() for name, mean in past["mean"].items()]
        return self.weight * torch.stack(distances).sum()

    @torch.no_grad()
    def after_update(self, networks: Networks, moment: Moment) -> None:
        now = parameters(networks, moment)
        if moment.phase not in self.memory:
            mean = {name: torch.zeros_like(value) for name, value in now.items()}
            self.memory[moment.phase] = {"mean": mean, "updates": 0}
        past = self.memory[moment.phase]
        past["updates"] += 1
        torch._foreach_lerp_(list(past["mean"].values()), list(now.values()), 1 / past["updates"])


def parameters(networks: Networks, moment: Moment) -> dict[str, nn.Parameter]:
    """Those of the player of this phase that learn, by name."""
    network = networks.discriminator if moment.phase == "D" else networks.generator
    return {name: value for name, value in network.named_parameters() if value.requires_grad}
