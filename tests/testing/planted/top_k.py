"""A name that another trick has."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ganbench import Moment, Trick


@dataclass(frozen=True, kw_only=True)
class TopK(Trick):
    """Sees less."""

    def view(self, images: Tensor, moment: Moment) -> Tensor:
        return images / 2
