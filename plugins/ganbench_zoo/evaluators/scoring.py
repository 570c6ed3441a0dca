"""How often generated images show what was asked for."""

from __future__ import annotations

import torch
from torch import Tensor

from ganbench import Json, LabelInfo


def confusion(info: LabelInfo, logits: Tensor, truth: Tensor) -> Tensor:
    """[K, K] float64: row = what was asked for, column = what was seen; rows sum to how often it was asked for.

    Class labels: the largest logit is what is seen. Flags (report R3): of an image with k flags the k largest logits
    are seen; right ones stand on the diagonal, and in an image with m misses each missed flag counts 1/m in the column
    of each wrongly seen one.
    """
    if info.kind == "class":
        cells = truth.long() * info.size + logits.argmax(1)
        return torch.bincount(cells, minlength=info.size**2).reshape(info.size, info.size).double()
    asked = truth > 0.5
    # A stable sort decides ties by the order of the flags, on every machine.
    rank = logits.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    seen = rank < asked.sum(1, keepdim=True)
    missed, wrong = (asked & ~seen).double(), (seen & ~asked).double()
    share = missed / missed.sum(1, keepdim=True).clamp_min(1)
    return share.T @ wrong + torch.diag((asked & seen).double().sum(0))


def accuracy(table: Tensor) -> float:
    """Share of right answers in a confusion table; 0 for an empty one."""
    return float(table.trace() / table.sum().clamp_min(1))


def as_json(info: LabelInfo, table: Tensor) -> dict[str, Json]:
    """The confusion table with names and the accuracy of each class that was asked for."""
    names = [info.name(i) for i in range(info.size)]
    asked = table.sum(1)
    per_class: dict[str, Json] = {
        name: float(table[i, i] / asked[i]) for i, name in enumerate(names) if float(asked[i]) > 0
    }
    return {"names": list(names), "confusion": table.tolist(), "per_class_accuracy": per_class}
