"""Opponents from the past."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

from ganbench import Moment, Networks, Trick

Opponent = Literal["generator", "discriminator"]


@dataclass(frozen=True, kw_only=True)
class PastCheckpoints(Trick):
    """Now and then a player meets an earlier version of the other (Chekhov GAN, Grnarova et al., 2018; ganhacks 8).

    For single updates, D learns from the fakes of a past G, and G from the judgement of a past D; then the present
    opponent is back. Who learns always has its present weights, so nothing that was learnt is lost. Past opponents are
    drawn uniformly from the checkpoints that are kept, where the paper sums over all of them.

    It costs `count` copies of the weights of each opponent, on the device and in each checkpoint of the run.
    """

    probability: float = 0.1  # of each update to be against a past opponent, in (0, 1]
    every: float = 0.05  # share of training from one checkpoint to the next, in (0, 1)
    count: int = 5  # the newest checkpoints that are kept of each opponent, >= 1
    opponents: tuple[Opponent, ...] = ("generator", "discriminator")  # whose past is met; at least one

    def __post_init__(self) -> None:
        if not 0 < self.probability <= 1 or not 0 < self.every < 1 or self.count < 1:
            raise ValueError("probability must be in (0, 1], every between 0 and 1, and count at least 1")
        if not self.opponents or len(set(self.opponents)) < len(self.opponents):
            raise ValueError("opponents must name one network, or both once")

    def before_update(self, networks: Networks, moment: Moment) -> None:
        name: Opponent = "generator" if moment.phase == "D" else "discriminator"
        past = self.memory.get(name, [])
        chance, which = moment.uniform("past_checkpoints", (2,)).tolist()
        if past and chance < self.probability:
            opponent = getattr(networks, name)
            self.memory["present"] = weights(opponent)  # until after_update: no checkpoint of the run sees it
            opponent.load_state_dict(past[int(which * len(past))])

    def after_update(self, networks: Networks, moment: Moment) -> None:
        if "present" in self.memory:
            opponent = networks.generator if moment.phase == "D" else networks.discriminator
            opponent.load_state_dict(self.memory.pop("present"))
        due = int(moment.progress / self.every)
        if moment.phase == "G" and due > self.memory.get("newest", -1):
            self.memory["newest"] = due
            for name in self.opponents:
                kept = self.memory.setdefault(name, [])
                kept.append(weights(getattr(networks, name)))
                del kept[: -self.count]


def weights(network: nn.Module) -> dict[str, Any]:
    """A copy of parameters and buffers."""
    return {name: value.clone() for name, value in network.state_dict().items()}
