"""The folder of one cell: what it is, how far it is, and how it ended.

result.json is written last: its existence means that the cell is over.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganbench.api.cell import Cell, Provenance, RunResult
from ganbench.api.config import EvaluationConfig, Json, RunOptions
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

KNOWN_DIGESTS = 4  # of checkpoints: the current one, the previous one, and those whose writing failed
SCHEMA = 1  # of config.json, result.json and plan.json; newer ones are refused, older ones are read


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
        if value is None or not {"cell", "options", "cache"} <= value.keys():
            raise StoreError(f"{self.path}: is no cell (config.json is missing or damaged)")
        cache = (self.path / str(value["cache"])).resolve()
        return typed(Cell, value["cell"]), typed(RunOptions, value["options"]), cache

    def write_provenance(self, provenance: Provenance) -> None:
        write_json(self.path / "provenance.json", provenance)

    def read_provenance(self) -> Provenance | None:
        value = read_json(self.path / "provenance.json")
        if value is None:
            return None
        try:
            return typed(Provenance, value)
        except ValueError:  # pydantic's ValidationError is one
            set_aside(self.path / "provenance.json")
            return None

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
    def save_checkpoint(self, step: int, state: dict[str, Any]) -> None:
        content = torch_bytes(state)
        current, previous = self.path / "checkpoint.pt", self.path / "checkpoint.previous.pt"
        self._write_digests(step, hashlib.sha256(content).hexdigest())
        if current.exists():
            current.replace(previous)
        write_atomic(current, content)

    def load_checkpoint(self, device: str = "cpu") -> dict[str, Any] | None:
        """The newest checkpoint that is whole; None if there is none. What was saved from the CPU comes back to it, all
        else to `device`."""
        known = self._digests()
        for path in (self.path / "checkpoint.pt", self.path / "checkpoint.previous.pt"):
            try:
                content = path.read_bytes()
            except FileNotFoundError:
                continue
            except OSError as error:
                print(f"{path.name} cannot be read ({error.strerror or error}): it is set aside")
                set_aside(path)
                continue
            if (digest := hashlib.sha256(content).hexdigest()) in known:
                self._write_digests(self.checkpoint_step(), digest)  # the last one to be forgotten
                return torch_load(content, device)
            print(f"{path.name} is damaged: it is set aside")
            set_aside(path)
        return None

    def checkpoint_step(self) -> int:
        """Of the newest checkpoint that was begun; -1 before the first. It only ever grows within an attempt."""
        step = (read_json(self.path / "checkpoint.json") or {}).get("step", -1)
        return step if isinstance(step, int) else -1

    def has_checkpoint(self) -> bool:
        return any((self.path / name).exists() for name in ("checkpoint.pt", "checkpoint.previous.pt"))

    def _digests(self) -> list[str]:
        found = (read_json(self.path / "checkpoint.json") or {}).get("sha256")
        return [str(digest) for digest in found] if isinstance(found, list) else []

    def _write_digests(self, step: int, newest: str) -> None:
        """More digests than files: when a write fails, the file that is left must stay known."""
        older = [digest for digest in self._digests() if digest != newest]
        value = {"step": step, "sha256": [newest, *older][:KNOWN_DIGESTS]}
        if read_json(self.path / "checkpoint.json") != value:
            write_json(self.path / "checkpoint.json", value)

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
        if hashlib.sha256(content).hexdigest() != sha256:
            set_aside(self._generator(step))
            return None
        return torch_load(content, "cpu")

    def generators(self) -> dict[float, dict[str, Any]]:
        """Share of the budget -> the snapshot of the evaluation there, wherever its generator was kept."""
        kept = [s for s in self.snapshots() if s.get("generator") and self._generator(s["step"]).exists()]
        return {fraction: snapshot for snapshot in kept for fraction in snapshot.get("fractions", ())}

    def lacks(self, evaluation: EvaluationConfig) -> str:
        """Why the cell cannot be scored again from its generators; empty when it can."""
        kept = self.generators()
        missing = [f"{fraction:.3f}" for fraction in evaluation.window_fractions() if fraction not in kept]
        if not missing:
            return ""
        return f"the generators at {', '.join(missing)} of the budget were not kept, so the cell must be retrained"

    def _generator(self, step: int) -> Path:
        return self.path / "generators" / f"{step}.pt"

    # The end
    def save_result(self, result: RunResult) -> None:
        write_json(self.path / "result.json", result)

    def load_result(self) -> RunResult | None:
        value = read_json(self.path / "result.json")
        if value is None:
            return None
        schema = value.get("schema", 0)
        if isinstance(schema, int) and schema > SCHEMA:
            raise StoreError(
                f"{self.path / 'result.json'}: was written by a newer ganbench (schema {schema}, "
                f"this one reads {SCHEMA}). Upgrade ganbench to read it."
            )
        try:
            return typed(RunResult, value)
        except ValueError:  # pydantic's ValidationError is one
            set_aside(self.path / "result.json")
            return None

    def forget(self) -> None:
        """Start over: the result, and everything that a new attempt would append to or continue from. The log and the
        list of attempts stay."""
        for name in ("result.json", "history.jsonl", "snapshots.jsonl", "progress.json", "provenance.json"):
            (self.path / name).unlink(missing_ok=True)
        self.drop_checkpoints()
        for folder in (self.samples, self.path / "generators"):
            for file in folder.iterdir() if folder.is_dir() else ():
                file.unlink(missing_ok=True)

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


def torch_load(content: bytes, device: str) -> dict[str, Any]:
    import torch
    from torch.serialization import default_restore_location

    def place(storage: Any, saved_on: str) -> Any:
        return default_restore_location(storage, "cpu" if saved_on == "cpu" else device)  # type: ignore[no-untyped-call]

    state: dict[str, Any] = torch.load(io.BytesIO(content), map_location=place, weights_only=True)
    return state
