"""Numbers that are not finite: the one diagnostic that is certain, so it ends the run."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ganbench.api.training import Networks
from ganbench.errors import Diverged


class NotFinite(Diverged):
    """A loss term, a weight or a buffer is NaN or infinite."""


def check_terms(step: int, means: Mapping[str, float]) -> None:
    """Raise NotFinite, naming the first loss term whose mean over the log interval is not finite."""
    for name, value in means.items():
        if not math.isfinite(value):
            raise NotFinite(f"{name} is not finite in the log interval that ends at step {step}")


def check_networks(step: int, networks: Networks) -> None:
    """Raise NotFinite, naming the first tensor of a network that holds a number that is not finite."""
    for network_name, network in networks.items():
        if culprit := first_not_finite(network):
            raise NotFinite(f"{network_name}.{culprit} is not finite at step {step}")


def first_not_finite(network: nn.Module) -> str | None:
    """Name of the first parameter or buffer with NaN or infinity; one host sync for a healthy network."""
    tensors = [(name, t) for name, t in network.state_dict().items() if isinstance(t, Tensor) and t.is_floating_point()]
    if not tensors or bool(torch.stack([t.isfinite().all() for _, t in tensors]).all()):
        return None
    return next(name for name, t in tensors if not bool(t.isfinite().all()))
