"""Labels where there may be none."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ganbench import Forward, Moment, Trick


@dataclass(frozen=True, kw_only=True)
class UndeclaredConflict(Trick):
    """Draws the scores of a class together."""

    def extra_loss(self, forward: Forward, moment: Moment) -> Tensor | None:
        kind = forward.fake.labels["kind"]
        return None if forward.fake_output is None else 0.01 * forward.fake_output.score()[kind == kind[0]].var()
