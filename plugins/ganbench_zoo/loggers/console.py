"""Lines for people, in the cell's log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ganbench import Cell, Json, Logger


@dataclass(frozen=True, kw_only=True)
class Console(Logger):
    """One line per log interval, evaluation, probe and warning, in log.txt (`ganbench logs CELL` shows it)."""

    digits: int = 3  # of every number, after the point

    def open(self, cell: Cell, folder: Path) -> ConsoleWriter:
        return ConsoleWriter(self.digits)


@dataclass
class ConsoleWriter:
    """Prints to the cell's standard output, which is its log file."""

    digits: int

    def history(self, record: Mapping[str, Json]) -> None:
        warning = record.get("warning")
        if isinstance(warning, dict):
            said = f"WARNING {warning['name']}: {warning['message']}"
        else:
            probe = "health: " if "health/diversity" in record else ""
            said = probe + self._numbers(record, lambda name: "/" in name)
        print(f"step {record['step']}: {said}", flush=True)

    def snapshot(self, record: Mapping[str, Json]) -> None:
        metrics = record["metrics"]
        assert isinstance(metrics, dict)
        print(f"step {record['step']}, {record['images']} images: {self._numbers(metrics, bool)}", flush=True)

    def images(self, step: int, path: Path) -> None:
        """Pictures stay in their folder."""

    def close(self) -> None:
        """Nothing is held open."""

    def _numbers(self, values: Mapping[str, Json], keep: Callable[[str], bool]) -> str:
        shown = {name: value for name, value in values.items() if keep(name) and isinstance(value, int | float)}
        return "  ".join(f"{name.removeprefix('health/')} {value:.{self.digits}f}" for name, value in shown.items())
