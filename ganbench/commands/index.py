"""What `ganbench status` knows of finished cells of a large suite, so that neither it nor `plan` reads them all again.

A cache, and never the truth: a record counts while the files it was made of are the same (inode, size and time) and the
plugins are what they were. It lies in the cache folder, with a digest of its own; deleting it costs one slower look.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from ganbench import registry
from ganbench.api.cell import RunResult
from ganbench.cell_folder import JUDGED_BY
from ganbench.errors import GanbenchError
from ganbench.files import SCHEMA, make_folder, write_atomic
from ganbench.signatures import Signature, signatures
from ganbench.store import CellFolder, Store, SuiteFolder
from ganbench.version import __version__

WORTH = 500  # cells, from which on it is kept
LAYOUT = 2  # of the index


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
        path = Store(folder.path.parent).cache / "index" / f"{folder.path.name}.index"
        try:
            digest, _, content = path.read_bytes().partition(b"\n")
            if hashlib.sha256(content).hexdigest().encode() != digest:
                return cls(path=path)
            value = json.loads(content)
            plugins, cells = dict(value["plugins"]), dict(value["cells"])
            held = value["made_by"] == made_by() and all(digest_of(name) == now for name, now in plugins.items())
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            held = False
        return cls(path=path, plugins=plugins, cells=cells) if held else cls(path=path)

    def find(self, cell: CellFolder, planned: Mapping[str, Any]) -> dict[str, Any] | None:
        """The record of a finished cell."""
        known = self.cells.get(cell.id)
        if not isinstance(known, dict) or known.get("planned") != planned or known.get("files") != files_of(cell):
            return None
        return cast("dict[str, Any]", known["record"])

    def result(self, cell: CellFolder) -> RunResult | None:
        """As much of the result of a finished cell as a plan needs; None where it is to be looked at."""
        known = self.cells.get(cell.id)
        if not isinstance(known, dict) or known["record"]["state"] == "stale" or known["files"] != files_of(cell):
            return None
        record = known["record"]
        said = {name: record[name] for name in ("reason", "metrics")}
        return RunResult(status=record["state"], **said, **known["work"])

    def add(
        self,
        cell: CellFolder,
        planned: Mapping[str, Any],
        record: dict[str, Any],
        result: RunResult,
        files: list[Signature],
        depends: set[str],
    ) -> None:
        """files: as they were before the record was made of them; depends: on these plugins."""
        self.plugins |= {name: digest_of(name) for name in depends - self.plugins.keys()}
        work = {name: getattr(result, name) for name in ("updates", "seconds", "evaluation_seconds")}
        self.cells[cell.id] = {"planned": planned, "files": files, "record": record, "work": work}
        self.changed = True

    def save(self) -> None:
        """Where that is possible."""
        if not self.changed or len(self.cells) < WORTH:
            return
        value = {"schema": SCHEMA, "made_by": made_by(), "plugins": self.plugins, "cells": self.cells}
        with contextlib.suppress(GanbenchError, ValueError):
            make_folder(self.path.parent)
            content = json.dumps(value, allow_nan=False).encode()
            write_atomic(self.path, hashlib.sha256(content).hexdigest().encode() + b"\n" + content)


def made_by() -> str:
    return f"{SCHEMA} {__version__} {LAYOUT}"


def digest_of(plugin: str) -> str:
    """Of the source of `kind/name` as it is installed now; empty when it is not."""
    kind, _, name = plugin.partition("/")
    found = next((entry for entry in registry.entries() if (entry.kind, entry.name) == (kind, name)), None)
    return "" if found is None else registry.source_digest(found)


def files_of(cell: CellFolder) -> list[Signature]:
    """Of what a record is made of."""
    return signatures(cell.path, JUDGED_BY)
