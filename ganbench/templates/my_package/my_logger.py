"""Where the numbers of a running cell go, in a few words."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ganbench import Cell, Json, Logger


@dataclass(frozen=True, kw_only=True)
class MyLogger(Logger):
    """Scores as a table that spreadsheets read, one row per evaluation (say where the numbers go here)."""

    file: str = "scores.csv"  # in the folder of each cell

    def problem(self) -> str | None:
        return None  # or a sentence: which package is missing, and how to get it

    def open(self, cell: Cell, folder: Path) -> MyLoggerWriter:
        return MyLoggerWriter(path=folder / self.file)


@dataclass
class MyLoggerWriter:
    path: Path

    def history(self, record: Mapping[str, Json]) -> None:
        """Losses, probes and warnings; not in this table."""

    def snapshot(self, record: Mapping[str, Json]) -> None:
        metrics = record["metrics"]
        assert isinstance(metrics, dict)
        with self.path.open("a", newline="") as file:  # opened anew after a resume: rows are added
            csv.writer(file).writerow([record["step"], *metrics.values()])

    def images(self, step: int, path: Path) -> None:
        """The grid of the fixed latents; not in this table."""

    def close(self) -> None:
        """Nothing is held open."""
