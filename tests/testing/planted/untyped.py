"""An option that is none."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ganbench import Moment, Trick


@dataclass(frozen=True, kw_only=True)
class Untyped(Trick):
    """Scales what D sees."""

    strength = 0.5  # of the effect, > 0

    def view(self, images: Tensor, moment: Moment) -> Tensor:
        return images * self.strength
