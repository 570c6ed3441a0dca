"""Works when it is imported."""

from __future__ import annotations

import time
from dataclasses import dataclass

from torch import Tensor

from ganbench import Moment, Trick

time.sleep(1.0)  # as long as it takes to read a large table


@dataclass(frozen=True, kw_only=True)
class SlowImport(Trick):
    """Sees less."""

    def view(self, images: Tensor, moment: Moment) -> Tensor:
        return images / 2
