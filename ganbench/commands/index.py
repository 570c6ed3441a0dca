"""What `ganbench status` knows of finished cells of a large suite, so that it need not read them all again.

A cache, and never the truth: a record counts while the files it was made of are the same (inode, size and time) and the
plugins are what they were. It lies in the cache folder; deleting it costs one slower look.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from ganbench import registry
from ganbench.errors import GanbenchError
from ganbench.files import SCHEMA, make_folder, write_atomic
from ganbench.store import CellFolder, Store, SuiteFolder
from ganbench.version import __version__

WORTH = 500  # cells, from which on it is kept
READ = ("result.json", "config.json", "provenance.json")  # what a record is made of

Signature = list[list[int] | None]


@dataclass(kw_only=True)
class Index:
    """Of one suite."""

    path: Path
    plugins: dict[str, str] = field(default_factory=dict)  # kind/name -> source digest
    cells: dict[str, dict[str, Any]] = field(default_factory=dict)
    changed: bool = False

    @classmethod
    def load(cls, folder: SuiteFolder) -> Index:
        """Empty when there is none, or it does not hold any more."""
        path = Store(folder.path.parent).cache / "index" / f"{folder.path.name}.json"
        try:
            value = json.loads(path.read_bytes())
            plugins, cells = dict(value["plugins"]), dict(value["cells"])
            held = value["made_by"] == made_by() and all(digest_of(name) == now for name, now in plugins.items())
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            held = False
        return cls(path=path, plugins=plugins, cells=cells) if held else cls(path=path)

    def find(self, cell: CellFolder, planned: Mapping[str, Any]) -> dict[str, Any] | None:
        """The record of a finished cell."""
        known = self.cells.get(cell.id)
        if not isinstance(known, dict) or known.get("planned") != planned or known.get("files") != signature(cell):
            return None
        return cast("dict[str, Any]", known["record"])

    def add(self, cell: CellFolder, planned: Mapping[str, Any], record: dict[str, Any], files: Signature) -> None:
        """files: as they were before the record was made of them."""
        origin = cell.read_provenance()
        for name in origin.plugins if origin else ():
            self.plugins.setdefault(name, digest_of(name))
        self.cells[cell.id] = {"planned": planned, "files": files, "record": record}
        self.changed = True

    def save(self) -> None:
        """Where that is possible."""
        if not self.changed or len(self.cells) < WORTH:
            return
        value = {"schema": SCHEMA, "made_by": made_by(), "plugins": self.plugins, "cells": self.cells}
        with contextlib.suppress(GanbenchError, ValueError):
            make_folder(self.path.parent)
            write_atomic(self.path, json.dumps(value, allow_nan=False).encode())


def made_by() -> str:
    return f"{SCHEMA} {__version__}"


def digest_of(plugin: str) -> str:
    """Of the source of `kind/name` as it is installed now; empty when it is not."""
    kind, _, name = plugin.partition("/")
    found = next((entry for entry in registry.entries() if (entry.kind, entry.name) == (kind, name)), None)
    return "" if found is None else registry.source_digest(found)


def signature(cell: CellFolder) -> Signature:
    found: Signature = []
    for name in READ:
        try:
            stat = (cell.path / name).stat()
        except OSError:
            found.append(None)
            continue
        found.append([stat.st_ino, stat.st_size, stat.st_mtime_ns])
    return found
