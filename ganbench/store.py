"""The only module that knows the layout of results/.

One writer per file. JSON files are replaced by rename, after an fsync; a file that cannot be read counts as absent.
result.json is written last: its existence means that the cell is over.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganbench.api.cell import Cell, Provenance, RunResult
from ganbench.api.config import Json, RunOptions
from ganbench.errors import StoreError
from ganbench.files import (
    append_line,
    plain,
    read_json,
    read_lines,
    replace_lines,
    set_aside,
    typed,
    write_atomic,
    write_json,
)

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 1  # of result.json and plan.json; newer ones are refused, older ones are read


# --- one cell --------------------------------------------------------------------------------------
@dataclass(frozen=True)
class CellFolder:
    """The files of one cell."""

    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def log(self) -> Path:
        return self.path / "log.txt"

    @property
    def samples(self) -> Path:
        return self.path / "samples"

    @property
    def animation(self) -> Path:
        return self.path / "training.webp"

    # What runs here
    def write_config(self, cell: Cell, options: RunOptions, cache: Path) -> None:
        """Written when the cell is handed to an executor: all that its process needs to know."""
        self.path.mkdir(parents=True, exist_ok=True)
        self.samples.mkdir(exist_ok=True)
        value = {"schema": SCHEMA, "cell": cell, "options": options, "cache": os.path.relpath(cache, self.path)}
        if read_json(self.path / "config.json") != plain(value):
            write_json(self.path / "config.json", value)

    def read_config(self) -> tuple[Cell, RunOptions, Path]:
        value = read_json(self.path / "config.json")
        if value is None:
            raise StoreError(f"{self.path}: is no cell (config.json is missing or damaged)")
        cache = (self.path / str(value["cache"])).resolve()
        return typed(Cell, value["cell"]), typed(RunOptions, value["options"]), cache

    def write_provenance(self, provenance: Provenance) -> None:
        write_json(self.path / "provenance.json", provenance)

    def read_provenance(self) -> Provenance | None:
        value = read_json(self.path / "provenance.json")
        return None if value is None else typed(Provenance, value)

    # What it has done so far
    def append_history(self, record: Mapping[str, Json]) -> None:
        append_line(self.path / "history.jsonl", record)

    def append_snapshot(self, record: Mapping[str, Json]) -> None:
        append_line(self.path / "snapshots.jsonl", record, sync=True)

    def history(self) -> list[dict[str, Any]]:
        return read_lines(self.path / "history.jsonl")

    def snapshots(self) -> list[dict[str, Any]]:
        return read_lines(self.path / "snapshots.jsonl")

    def replace_snapshots(self, records: Iterable[Mapping[str, Json]]) -> None:
        replace_lines(self.path / "snapshots.jsonl", records)

    def rewind(self, step: int, snapshots: int) -> None:
        """Forget what was written after a checkpoint: history beyond its step, and all but so many snapshots."""
        replace_lines(self.path / "history.jsonl", [r for r in self.history() if r.get("step", 0) <= step])
        replace_lines(self.path / "snapshots.jsonl", self.snapshots()[:snapshots])

    def write_progress(self, record: Mapping[str, Json]) -> None:
        """What `ganbench status` and the progress bar show; it may be lost, so it is not synced."""
        path = self.path / "progress.json"
        partial = path.with_name(".progress.partial")
        partial.write_text(json.dumps(plain(record), allow_nan=False))
        partial.replace(path)

    def read_progress(self) -> dict[str, Any] | None:
        return read_json(self.path / "progress.json")

    def progress_age(self, now: float) -> float | None:
        """Seconds since the last sign of life; None before the first."""
        try:
            return max(now - (self.path / "progress.json").stat().st_mtime, 0.0)
        except FileNotFoundError:
            return None

    # Checkpoints: two generations, each with our own digest - a zeroed block would load without a word
    def save_checkpoint(self, state: dict[str, Any]) -> None:
        content = torch_bytes(state)
        digest = hashlib.sha256(content).hexdigest()
        current, previous = self.path / "checkpoint.pt", self.path / "checkpoint.previous.pt"
        known = self._digests()[:1]
        write_json(self.path / "checkpoint.json", {"sha256": [digest, *known]})
        if current.exists():
            current.replace(previous)
        write_atomic(current, content)

    def load_checkpoint(self) -> dict[str, Any] | None:
        """The newest checkpoint that is whole, with all tensors on the CPU; None if there is none."""
        known = self._digests()
        for path in (self.path / "checkpoint.pt", self.path / "checkpoint.previous.pt"):
            try:
                content = path.read_bytes()
            except (FileNotFoundError, IsADirectoryError):
                continue
            if hashlib.sha256(content).hexdigest() in known:
                return torch_load(content)
            set_aside(path)
        return None

    def has_checkpoint(self) -> bool:
        return any((self.path / name).exists() for name in ("checkpoint.pt", "checkpoint.previous.pt"))

    def _digests(self) -> list[str]:
        return [str(digest) for digest in (read_json(self.path / "checkpoint.json") or {}).get("sha256", [])]

    def drop_checkpoints(self) -> None:
        """A finished cell needs none."""
        for name in ("checkpoint.pt", "checkpoint.previous.pt", "checkpoint.json"):
            (self.path / name).unlink(missing_ok=True)

    # Generators of the evaluations: re-scoring needs no training
    def save_generator(self, step: int, networks: dict[str, Any]) -> str:
        """Returns the sha256 that its snapshot records."""
        content = torch_bytes(networks)
        (self.path / "generators").mkdir(exist_ok=True)
        write_atomic(self._generator(step), content)
        return hashlib.sha256(content).hexdigest()

    def load_generator(self, step: int, sha256: str) -> dict[str, Any] | None:
        """State dicts by network name; None when the file is not there or not what was saved."""
        try:
            content = self._generator(step).read_bytes()
        except FileNotFoundError:
            return None
        return torch_load(content) if hashlib.sha256(content).hexdigest() == sha256 else None

    def _generator(self, step: int) -> Path:
        return self.path / "generators" / f"{step}.pt"

    # The end
    def save_result(self, result: RunResult) -> None:
        write_json(self.path / "result.json", result)

    def load_result(self) -> RunResult | None:
        value = read_json(self.path / "result.json")
        if value is None:
            return None
        if value.get("schema", 0) > SCHEMA:
            raise StoreError(
                f"{self.path / 'result.json'}: was written by a newer ganbench (schema {value['schema']}, "
                f"this one reads {SCHEMA}). Upgrade ganbench to read it."
            )
        try:
            return typed(RunResult, value)
        except ValueError:  # pydantic's ValidationError is one
            set_aside(self.path / "result.json")
            return None

    def forget(self) -> None:
        """Start over: the result, and everything that a new attempt would append to or continue from."""
        self.drop_checkpoints()
        for name in ("result.json", "history.jsonl", "snapshots.jsonl", "progress.json", "attempts.jsonl"):
            (self.path / name).unlink(missing_ok=True)

    def append_attempt(self, record: Mapping[str, Json]) -> None:
        append_line(self.path / "attempts.jsonl", record)

    def attempts(self) -> list[dict[str, Any]]:
        return read_lines(self.path / "attempts.jsonl")

    def log_tail(self, lines: int = 20) -> list[str]:
        try:
            with self.log.open("rb") as file:
                file.seek(max(self.log.stat().st_size - 65536, 0))
                return file.read().decode(errors="replace").splitlines()[-lines:]
        except FileNotFoundError:
            return []


def torch_bytes(state: dict[str, Any]) -> bytes:
    import torch

    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def torch_load(content: bytes) -> dict[str, Any]:
    import torch

    state: dict[str, Any] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    return state


# --- one suite -------------------------------------------------------------------------------------
@dataclass(frozen=True)
class SuiteFolder:
    """results/<suite> or results/<suite>@<profile>."""

    path: Path

    @property
    def report(self) -> Path:
        return self.path / "report"

    def cell(self, cell_id: str) -> CellFolder:
        """The folder of a cell. The digest decides: a cell whose axis was renamed keeps what it has."""
        folder = self.path / "cells" / cell_id
        if not folder.exists():
            digest = cell_id.rsplit("-", 1)[-1]
            for other in self._by_digest().get(digest, []):
                if (other / "config.json").exists():
                    return CellFolder(other)
        return CellFolder(folder)

    def _by_digest(self) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = {}
        for folder in self.cell_paths():
            found.setdefault(folder.name.rsplit("-", 1)[-1], []).append(folder)
        return found

    def cell_paths(self) -> list[Path]:
        try:
            return sorted(path for path in (self.path / "cells").iterdir() if path.is_dir())
        except FileNotFoundError:
            return []

    def write_plan(self, suite_yaml: str, plan: Mapping[str, Json]) -> None:
        """The suite as run, resolved, and what reports need to know of it without importing a plugin."""
        self.path.mkdir(parents=True, exist_ok=True)
        text = self.path / "suite.yaml"
        if not text.exists() or text.read_text() != suite_yaml:
            write_atomic(text, suite_yaml.encode())
        value = {"schema": SCHEMA, **plan}
        if read_json(self.path / "plan.json") != plain(value):
            write_json(self.path / "plan.json", value)

    def read_plan(self) -> tuple[str, dict[str, Any]] | None:
        """suite.yaml and plan.json; None when this folder holds no suite."""
        plan = read_json(self.path / "plan.json")
        text = self.path / "suite.yaml"
        if plan is None or not text.exists():
            return None
        return text.read_text(), plan


@dataclass(frozen=True)
class Store:
    """A results folder."""

    root: Path

    def suite(self, folder: str) -> SuiteFolder:
        return SuiteFolder(self.root / folder)

    def suites(self) -> Iterator[SuiteFolder]:
        """All suites that were run into this folder."""
        if self.root.is_dir():
            for path in sorted(self.root.iterdir()):
                if (path / "plan.json").exists():
                    yield SuiteFolder(path)

    @property
    def cache(self) -> Path:
        """Data sets, statistics and evaluators, shared by the suites of this folder. GANBENCH_CACHE names another."""
        named = os.environ.get("GANBENCH_CACHE")
        return Path(named) if named else self.root / ".cache"


def table(folder: SuiteFolder) -> pd.DataFrame:
    """One row per planned cell and seed: suite, cell, axis, level, levels, seed, status, reason, seconds, images_seen,
    then one column per metric. Cells without a result have the status `pending`."""
    import pandas as pd

    found = folder.read_plan()
    rows: list[dict[str, Any]] = []
    for planned in found[1]["cells"] if found else []:
        cell = folder.cell(planned["id"])
        result = cell.load_result()
        levels: dict[str, str] = planned["levels"]
        single = next(iter(levels.items())) if len(levels) == 1 else ("", "" if levels else "baseline")
        row = {
            "suite": folder.path.name,
            "cell": planned["id"],
            "axis": single[0],
            "level": single[1],
            "levels": json.dumps(levels),
            "seed": planned["seed"],
            "status": result.status if result else "skipped" if planned.get("conflict") else "pending",
            "reason": result.reason if result else planned.get("conflict") or "",
            "seconds": result.seconds if result else None,
            "images_seen": result.images_seen if result else None,
        }
        rows.append(row | (dict(result.metrics) if result else {}))
    columns = ["suite", "cell", "axis", "level", "levels", "seed", "status", "reason", "seconds", "images_seen"]
    metrics = sorted({name for row in rows for name in row} - set(columns))
    return pd.DataFrame(rows, columns=[*columns, *metrics])
