"""What a cell says of itself while it runs: its history, its warnings and its signs of life."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ganbench import device as devices
from ganbench.api.config import Json
from ganbench.api.logger import LogWriter
from ganbench.api.training import Training
from ganbench.cell_folder import CellFolder
from ganbench.files import plain
from ganbench.train.health import Looked, Monitor, Warned


@dataclass(kw_only=True)
class Diary:
    """Writes to the cell's folder and, the same, to its loggers."""

    folder: CellFolder
    training: Training
    health: Monitor | None
    loggers: list[LogWriter]
    last_losses: dict[str, Json] = field(default_factory=dict)
    last_metrics: Mapping[str, Json] = field(default_factory=dict)
    alive_at: float = 0.0  # of the last sign of life, by the clock that only goes forward

    # --- the history -----------------------------------------------------------------------------------
    def log(self, record: dict[str, Json]) -> None:
        """The losses of some steps, as the loop hands them over."""
        record["memory_mib"] = self.peak_memory_mib()
        self.last_losses = {name: value for name, value in record.items() if "/" in name}
        self.record(record)

    def looked(self, seen: Looked) -> None:
        """What a probe saw, in the history; and what it warns of, everywhere."""
        self.record(seen.record)
        for warning in seen.warnings:
            self.warn(warning)

    def warn(self, warning: Warned) -> None:
        said: dict[str, Json] = plain(warning)
        self.record({"step": warning.step, "progress": warning.progress, "warning": said})
        self.alive_at = 0.0  # the next sign of life is due at once: whoever watches sees it now
        self.sign_of_life("training")

    def record(self, record: dict[str, Json]) -> None:
        self.folder.append_history(record)
        for logger in self.loggers:
            logger.history(record)

    # --- evaluations -----------------------------------------------------------------------------------
    def snapshots(self, records: list[dict[str, Json]], grid: Path) -> None:
        """An evaluation, and the picture of its fixed latents."""
        for record in records:
            self.folder.append_snapshot(record)
            for logger in self.loggers:
                logger.snapshot(record)
        for logger in self.loggers:
            logger.images(self.training.step, grid)

    # --- signs of life ---------------------------------------------------------------------------------
    def sign_of_life(self, phase: str) -> None:
        """At most once a second: what the progress bar shows, and what a watcher waits for."""
        if time.monotonic() - self.alive_at < 1.0:
            return
        self.alive_at = time.monotonic()
        self.folder.write_progress(
            {
                "phase": phase,
                "step": self.training.step,
                "progress": self.training.progress,
                "seconds": self.training.seconds,
                "peak_memory_mib": self.peak_memory_mib(),
                "losses": self.last_losses,
                "warnings": [plain(one) for one in self.health.warned.values()] if self.health is not None else [],
                "metrics": dict(self.last_metrics),
            }
        )

    def last_words(self) -> None:
        """Where it happened, although a sign of life is not due yet."""
        self.alive_at = 0.0
        self.sign_of_life("training")

    def peak_memory_mib(self) -> float:
        return round(devices.peak_memory_mib(self.training.device), 1)

    def close(self) -> None:
        for logger in self.loggers:
            logger.close()
