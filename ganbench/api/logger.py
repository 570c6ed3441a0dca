"""Loggers: where the numbers of a running cell go, besides history.jsonl, which is always written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ganbench.api.cell import Cell
from ganbench.api.config import Json
from ganbench.api.plugin import Plugin


class LogWriter(Protocol):
    def history(self, record: Mapping[str, Json]) -> None:
        """A line of history.jsonl. One log interval: step, images_seen, progress, loss terms under their own names,
        gradient norms. One probe: step, progress, images_seen, `health/<measure>`. One warning: step, progress, and
        `warning`, a record with name, value, threshold and message."""
        ...

    def snapshot(self, record: Mapping[str, Json]) -> None:
        """One evaluation: step and metrics."""
        ...

    def images(self, step: int, path: Path) -> None:
        """The grid of the fixed latents, as an image file."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Logger(Plugin):
    def problem(self) -> str | None:
        """A sentence that says what is missing here, such as a package, and how to get it; or None. Asked before
        anything runs."""
        return None

    def open(self, cell: Cell, folder: Path) -> LogWriter:
        """Called in the cell's process when it starts, and again when it resumes."""
        raise NotImplementedError
