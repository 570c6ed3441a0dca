"""Images and optimisers in place of the real ones, for steps whose outcome does not count."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ganbench.api.config import OptimizerConfig
from ganbench.api.data import DatasetInfo, LabelInfo, Samples
from ganbench.seeds import derive


def random_samples(info: DatasetInfo) -> list[Samples]:
    """Random images and labels of the shapes and numbers of a data set, per domain; always the same ones."""
    made = []
    for number, domain in enumerate(info.domains):
        rng = np.random.default_rng(derive(0, "tiny", domain))
        images = rng.integers(0, 256, (info.counts["train"], *info.shape), np.uint8)
        labels = {name: random_labels(label, len(images), rng) for name, label in info.labels.items()}
        if info.domain_label:
            labels[info.domain_label] = np.full(len(images), number)
        made.append(Samples(images=images, labels=labels, domain=domain))
    return made


def random_labels(label: LabelInfo, n: int, rng: np.random.Generator) -> npt.NDArray[np.generic]:
    match label.kind:
        case "class":
            return rng.integers(0, label.size, n)
        case "flags":
            return rng.integers(0, 2, (n, label.size)).astype(np.float32)
        case "value":
            return rng.random((n, label.size), dtype=np.float32)


class RoughOptimizer(torch.optim.Optimizer):
    """About the work of Adam, which moves nothing: to time steps. torch's own optimisers import its compiler first,
    which takes longer than all steps that are timed."""

    def __init__(self, network: nn.Module, config: OptimizerConfig) -> None:
        self.defaults: dict[str, Any] = {"lr": config.lr}
        self.state: defaultdict[Tensor, Any] = defaultdict(dict)
        self._weights = [weight for weight in network.parameters() if weight.requires_grad]
        self.param_groups: list[dict[str, Any]] = [{"params": self._weights, **self.defaults}]
        self._moments = [(torch.zeros_like(weight), torch.zeros_like(weight)) for weight in self._weights]

    def zero_grad(self, set_to_none: bool = True) -> None:
        for weight in self._weights:
            weight.grad = None

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        for weight, (mean, square) in zip(self._weights, self._moments, strict=True):
            if weight.grad is not None:
                mean.lerp_(weight.grad, 0.1)
                square.mul_(0.999).addcmul_(weight.grad, weight.grad, value=0.001)
                weight.addcdiv_(mean, square.sqrt().add_(1e-8), value=0.0)
