"""Steps of an optimiser that one can differentiate through."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

FORMULAS = ("adam", "sgd", "rmsprop")  # of optimisers, by their names in a configuration
TINY = 1e-30  # under square roots, whose slope at 0 is infinite


class UnrolledOptimizer:
    """The steps that a torch optimiser would take from where it is, as functions of the gradients.

    The optimiser and its parameters stay as they are. Formulas are torch's.
    """

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.kind = type(optimizer)
        self.settings: list[dict[str, Any]] = []  # of each parameter
        self.parameters: list[Tensor] = []
        self.state: list[dict[str, Any]] = []
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                self.parameters.append(parameter)
                self.settings.append(group)
                self.state.append(
                    {
                        name: value.clone() if isinstance(value, Tensor) else value
                        for name, value in optimizer.state.get(parameter, {}).items()
                    }
                )

    def step(self, weights: list[Tensor], gradients: list[Tensor | None]) -> list[Tensor]:
        """The weights after one step. As in torch, what has no gradient stays."""
        moved = []
        for i, (weight, gradient) in enumerate(zip(weights, gradients, strict=True)):
            moved.append(weight if gradient is None else self.moved(weight, gradient, self.settings[i], self.state[i]))
        return moved

    def moved(self, weight: Tensor, gradient: Tensor, settings: dict[str, Any], state: dict[str, Any]) -> Tensor:
        lr: float = settings["lr"]
        gradient = gradient + settings["weight_decay"] * weight
        if self.kind is torch.optim.Adam:
            beta1, beta2 = settings["betas"]
            n = state["step"] = float(state.get("step", 0)) + 1
            mean: Tensor = lerp(gradient, state.get("exp_avg"), beta1)
            square: Tensor = lerp(gradient.square(), state.get("exp_avg_sq"), beta2)
            state["exp_avg"], state["exp_avg_sq"] = mean, square
            root: Tensor = square.clamp_min(TINY).sqrt() / (1 - beta2**n) ** 0.5
            rate: float = lr / (1 - beta1**n)
            eps: float = settings["eps"]
            return weight - rate * mean / (root + eps)
        if self.kind is torch.optim.RMSprop:
            square = state["square_avg"] = lerp(gradient.square(), state.get("square_avg"), settings["alpha"])
            gradient = gradient / (square.clamp_min(TINY).sqrt() + settings["eps"])
        else:
            assert self.kind is torch.optim.SGD, f"no formula for {self.kind.__name__}"
        if settings["momentum"]:
            before = state.get("momentum_buffer")
            gradient = gradient if before is None else settings["momentum"] * before + gradient
            state["momentum_buffer"] = gradient
        return weight - lr * gradient


def lerp(new: Tensor, old: Tensor | None, keep: float) -> Tensor:
    """A moving average after one more value; it starts at 0."""
    return (1 - keep) * new if old is None else keep * old + (1 - keep) * new
