"""How often a cell saves: as often as it is asked to, unless that would cost more than a share of its time."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

WORTH_SAVING = 2.0  # seconds of training and evaluation
SAVING_SHARE = 0.05  # of the time may go into checkpoints, however slow the disk is


@dataclass(kw_only=True)
class Cadence:
    """When the last checkpoint was written, and how long that took."""

    seconds: float  # between two of them, as the suite says
    saved_at: float = field(default_factory=time.monotonic)
    took: float = 0.0
    said: float = 0.0  # seconds between two of them that the log was told of

    def due(self, after_evaluation: bool) -> bool:
        """An evaluation is worth a checkpoint, unless it takes hardly longer than one."""
        wanted = min(WORTH_SAVING, self.seconds) if after_evaluation else self.seconds
        return time.monotonic() - self.saved_at >= max(wanted, self.stretched)

    @property
    def stretched(self) -> float:
        return self.took * (1 / SAVING_SHARE - 1)

    def saved(self, started: float) -> None:
        """Once it is written; says so when a slow disk makes checkpoints rare."""
        self.saved_at = time.monotonic()
        self.took = self.saved_at - started
        if self.stretched > max(self.seconds, WORTH_SAVING, 2 * self.said):
            self.said = self.stretched
            print(f"a checkpoint takes {self.took:.1f} s: from now on a kill costs {self.stretched:.0f} s at the most")
