"""Parameters of augmentations from uniform numbers."""

from __future__ import annotations

from torch import Tensor


def whole(uniform: Tensor, first: int, last: int) -> Tensor:
    """Whole numbers (int64) from first to last, all as likely, of numbers that are uniform in [0, 1)."""
    return first + (uniform * (last - first + 1)).long()
