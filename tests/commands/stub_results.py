"""Results folders made without training: what the store would hold after a run."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ganbench.api.cell import Cell, Provenance, RunResult, Suite
from ganbench.api.config import RunOptions
from ganbench.api.metric import MetricKey
from ganbench.files import plain
from ganbench.provenance import evaluation_key, evaluation_plugins, plugin_digests, training_plugins
from ganbench.store import Store, SuiteFolder
from ganbench.suite import check, dump, expand, load

SUITE = """
name: demo
question: Does the output matter?
base:
  dataset: {faces: {size: 16, train: 64, held_out: 32, conditions: 24}}
  generator: {width: 4}
  discriminator: {width: 4}
  training: {budget: {steps: 6}, batch_size: 8}
  evaluation: {images: 32, final_images: 32, window: 2, curve: 1, resize: 32}
axes:
  output:
    linear: {generator.output_activation: none}
    sigmoid: {generator.output_activation: sigmoid}
seeds: 3
baseline_seeds: 4
metrics: [fid, kid]
options: {device: cpu}
profiles:
  smoke: {set: {training.budget: {steps: 2}}, seeds: 1}
"""
WEIGHTS = "weights of the extractor"
KEYS = [
    MetricKey(name="fid", direction="lower", scale="ratio", margin=0.05, title="FID"),
    MetricKey(name="kid", direction="lower", scale="difference", margin=0.005, title="KID"),
]
SPREAD = (0.0, 0.02, -0.02, 0.01)
SCORES = {"baseline": 100.0, "linear": 150.0, "sigmoid": 101.0}
Change = Callable[[Cell, RunResult], RunResult | None]  # None: the cell has no result


def write_suite(folder: Path, text: str = SUITE) -> Path:
    path = folder / "demo.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def make_results(root: Path, text: str = SUITE, change: Change | None = None) -> SuiteFolder:
    """A finished suite under `root`; `change` may alter or withhold each cell's result."""
    root.mkdir(parents=True, exist_ok=True)
    suite = load(write_suite(root, text))
    store = Store(root)
    folder = store.suite(suite.folder)
    cells = check(expand(suite))
    folder.write_plan(dump(suite), {"cells": list(map(planned, cells)), "keys": plain(KEYS), "notes": {"fid_floor": 5}})
    for cell in cells:
        made = result(cell)
        made = made if change is None else change(cell, made)
        if made is not None and cell.conflict is None:
            save(folder, cell, made, suite)
    return folder


def planned(cell: Cell) -> dict[str, Any]:
    said = {"id": cell.id, "levels": cell.levels, "seed": cell.seed, "conflict": cell.conflict, "protocol": WEIGHTS}
    return said | {"evaluation": evaluation_key(cell.evaluation, WEIGHTS)}


def result(cell: Cell) -> RunResult:
    fid = SCORES.get(next(iter(cell.levels.values()), "baseline"), 100.0) * (1 + SPREAD[cell.seed % len(SPREAD)])
    return RunResult(
        status="done",
        metrics={"fid": fid, "fid_last": fid, "fid_best": fid, "kid": fid / 1000},
        updates={"d": 6, "g": 6},
        steps=6,
        images_seen=48,
        seconds=3.0,
        evaluation_seconds=1.0,
        protocol={"extractor_title": "EfficientNet-Lite0", "images": 32},
        evaluation=evaluation_key(cell.evaluation, WEIGHTS),
    )


def save(folder: SuiteFolder, cell: Cell, made: RunResult, suite: Suite) -> None:
    held = folder.cell(cell.id)
    held.write_config(cell, suite.options, folder.path.parent / ".cache")
    held.write_provenance(
        Provenance(
            ganbench="0",
            versions={},
            plugins=plugin_digests(training_plugins(cell.config) + evaluation_plugins(cell.evaluation)),
            dataset="digest of the data",
            extractor=WEIGHTS,
            device="cpu",
            options=RunOptions(device="cpu"),
        )
    )
    held.log.write_text(f"log of {cell.id}\nlast line\n")
    held.save_result(made)


def failing(level: str, reason: str = "RuntimeError: no luck") -> Change:
    """All seeds of a level have failed."""

    def change(cell: Cell, made: RunResult) -> RunResult:
        return RunResult(status="failed", reason=reason) if level in cell.levels.values() else made

    return change


def without(level: str) -> Change:
    """A level has not run yet."""
    return lambda cell, made: None if level in cell.levels.values() else made


def make_stale(folder: SuiteFolder, level: str) -> list[str]:
    """As if the loss of a level's cells had been another one when they were trained; returns their ids."""
    ids = []
    for path in folder.cell_paths():
        cell = folder.cell(path.name)
        if level in cell.read_config()[0].levels.values():
            origin = cell.read_provenance()
            assert origin is not None
            plugins = json.loads(json.dumps(origin.plugins))
            plugins["loss/non_saturating"]["digest"] = "another"
            cell.write_provenance(replace(origin, plugins=plugins))
            ids.append(cell.id)
    return ids
