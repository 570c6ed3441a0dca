"""The folder of one cell: what it is, how far it is, and how it ended.

result.json is written last: its existence means that the cell is over.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ganbench import sealed
from ganbench.api.cell import Cell, Provenance, RunResult
from ganbench.api.config import EvaluationConfig, Json, RunConfig, RunOptions
from ganbench.api.validate import adapter
from ganbench.errors import StoreError
from ganbench.files import (
    SCHEMA,
    append_line,
    cannot_write,
    make_folder,
    plain,
    read_json,
    read_lines,
    replace_lines,
    set_aside,
    sync_folder,
    typed,
    write_json,
)
from ganbench.weights import Weights

JUDGED_BY = ("result.json", "config.json", "provenance.json")  # what tells how a cell ended, and whether that holds
SHOWN = (*JUDGED_BY, "history.jsonl", "snapshots.jsonl", "samples", "training.webp", "log.txt")  # in a report


@functools.lru_cache(maxsize=1024)  # the seeds of a level are looked at one after another
def _training(text: str) -> RunConfig:
    return adapter(RunConfig).validate_json(text)  # type: ignore[no-any-return]


@functools.lru_cache(maxsize=1024)
def _options(text: str) -> RunOptions:
    return adapter(RunOptions).validate_json(text)  # type: ignore[no-any-return]


@functools.lru_cache(maxsize=1024)
def _evaluation(text: str) -> EvaluationConfig:
    return adapter(EvaluationConfig).validate_json(text)  # type: ignore[no-any-return]


@functools.lru_cache(maxsize=64)
def _treatment(text: bytes) -> tuple[RunConfig, EvaluationConfig]:
    """Of the end of a config.json that is as it was written, from the configuration of the cell on."""
    value = json.loads(b'{"cell": {' + text[1:])
    if unknown := value["cell"].keys() - {field.name for field in fields(Cell)}:
        raise ValueError(f"unknown: {min(unknown)}")
    _options(json.dumps(value["options"]))
    return _training(json.dumps(value["cell"]["config"])), _evaluation(json.dumps(value["cell"]["evaluation"]))


@dataclass(frozen=True)
class CellFolder(Weights):
    """The files of one cell."""

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
        self.check_lease()
        make_folder(self.samples)
        sync_folder(self.path.parent)
        value = {"schema": SCHEMA, "cell": cell, "options": options, "cache": os.path.relpath(cache, self.path)}
        if read_json(self.path / "config.json") != plain(value):
            write_json(self.path / "config.json", value)

    def read_config(self) -> tuple[Cell, RunOptions, Path]:
        value = read_json(self.path / "config.json")
        if value is None or not {"cell", "options", "cache"} <= value.keys():
            raise StoreError(f"{self.path}: is no cell (config.json is missing or damaged)")
        cache = (self.path / str(value["cache"])).resolve()
        return typed(Cell, value["cell"]), typed(RunOptions, value["options"]), cache

    def read_treatment(self) -> tuple[RunConfig, EvaluationConfig]:
        """What config.json says of training and evaluation. Cells that say the same share one record of each.

        Raises ValueError where another version has written it.
        """
        if (found := sealed.parts(f"{self.path}{os.sep}config.json", b'  "config": {')) is not None:
            with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
                own = json.loads(found[0] + b"}}")["cell"]  # what the seeds of a level do not share
                if own.keys() <= {"id", "suite", "levels", "seed"}:
                    return _treatment(found[1])
        value = read_json(self.path / "config.json")
        cell = None if value is None else value.get("cell")
        if value is None or not isinstance(cell, dict) or not {"config", "evaluation"} <= cell.keys():
            raise StoreError(f"{self.path}: is no cell (config.json is missing or damaged)")
        if unknown := cell.keys() - {field.name for field in fields(Cell)}:
            raise ValueError(f"unknown: {min(unknown)}")
        _options(json.dumps(value.get("options")))
        return _training(json.dumps(cell["config"])), _evaluation(json.dumps(cell["evaluation"]))

    def write_provenance(self, provenance: Provenance) -> None:
        self.check_lease()
        write_json(self.path / "provenance.json", provenance)

    def read_provenance(self) -> Provenance | None:
        if (found := sealed.record(Provenance, f"{self.path}{os.sep}provenance.json")) is not None:
            return found
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
        self.check_lease()
        append_line(self.path / "history.jsonl", record)

    def append_snapshot(self, record: Mapping[str, Json]) -> None:
        self.check_lease()
        append_line(self.path / "snapshots.jsonl", record, sealed=True)

    def history(self) -> list[dict[str, Any]]:
        return read_lines(self.path / "history.jsonl")

    def snapshots(self, most: int | None = None) -> list[dict[str, Any]]:
        return read_lines(self.path / "snapshots.jsonl", most)

    def replace_snapshots(self, records: Iterable[Mapping[str, Json]]) -> None:
        self.check_lease()
        replace_lines(self.path / "snapshots.jsonl", records, sealed=True)

    def rewind(self, step: int, snapshots: int) -> None:
        """Forget what was written after a checkpoint: history beyond its step, and all but so many snapshots."""
        self.check_lease()
        replace_lines(self.path / "history.jsonl", [r for r in self.history() if r.get("step", 0) <= step])
        replace_lines(self.path / "snapshots.jsonl", self.snapshots()[:snapshots], sealed=True)

    def write_progress(self, record: Mapping[str, Json]) -> None:
        """What `ganbench status` and the progress bar show; it may be lost, so it is not synced."""
        self.check_lease()
        path = self.path / "progress.json"
        partial, text = path.with_name(".progress.json.partial"), json.dumps(plain(record), allow_nan=False)
        try:
            partial.write_text(text)
            partial.replace(path)
        except OSError as error:
            raise StoreError(cannot_write(path, error, len(text))) from error

    def read_progress(self) -> dict[str, Any] | None:
        return read_json(self.path / "progress.json")

    def progress_age(self, now: float) -> float | None:
        """Seconds since the last sign of life; None before the first."""
        try:
            return max(now - (self.path / "progress.json").stat().st_mtime, 0.0)
        except FileNotFoundError:
            return None

    # What its kept generators allow
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

    # The end
    def save_result(self, result: RunResult) -> None:
        self.check_lease()
        write_json(self.path / "result.json", result)

    def load_result(self) -> RunResult | None:
        if (found := sealed.record(RunResult, f"{self.path}{os.sep}result.json")) is not None:
            return found
        value = read_json(self.path / "result.json")
        if value is None:
            return None
        try:
            return typed(RunResult, value)
        except ValueError:  # pydantic's ValidationError is one
            set_aside(self.path / "result.json")
            return None

    def result_version(self) -> tuple[int, int] | None:
        """Changes whenever the result is written; None without one."""
        try:
            found = (self.path / "result.json").stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns

    def damaged(self) -> set[str]:
        """Files that were set aside."""
        return {path.name for path in self.path.glob("*.corrupt")}

    def failed(self, reason: str) -> RunResult:
        """The result of a cell that broke; how far it was, and what it needed, stand in its last sign of life."""
        try:
            said = self.read_progress() or {}
        except StoreError:
            said = {}
        numbers = {name: said.get(name) for name in ("step", "seconds", "peak_memory_mib")}
        known = {name: value for name, value in numbers.items() if isinstance(value, (int, float))}
        return RunResult(
            status="failed",
            reason=reason,
            steps=int(known.get("step", 0)),
            seconds=known.get("seconds", 0.0),
            peak_memory_mib=known.get("peak_memory_mib", 0.0),
        )

    def forget(self) -> None:
        """Start over: the result, and everything that a new attempt would append to or continue from. The log and the
        list of attempts stay."""
        self.check_lease()
        for name in ("result.json", "history.jsonl", "snapshots.jsonl", "progress.json", "provenance.json"):
            (self.path / name).unlink(missing_ok=True)
        self.drop_checkpoints()
        for folder in (self.samples, self.path / "generators"):
            for file in folder.iterdir() if folder.is_dir() else ():
                file.unlink(missing_ok=True)

    def tidy(self) -> None:
        """Remove what kills in the middle of a write have left."""
        self.check_lease()
        for folder in (self.path, self.samples, self.path / "generators"):
            for partial in folder.glob(".*.partial") if folder.is_dir() else ():
                with contextlib.suppress(OSError):
                    partial.unlink()

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
