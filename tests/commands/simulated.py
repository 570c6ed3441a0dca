"""A large suite as a run would leave it: hundreds of cells with histories, evaluations, grids and a data set."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image
from stub_results import make_results

from ganbench.api.cell import Cell, RunResult
from ganbench.store import SuiteFolder

SIDE, GAP, LOGGED, EVALUATIONS = 32, 2, 400, 10
SUITE = """
name: large
question: Which of very many learning rates matter?
base:
  dataset: {{faces: {{size: 16, train: 64, held_out: 32, conditions: 24}}}}
  generator: {{width: 4}}
  discriminator: {{width: 4}}
  training: {{budget: {{steps: 4000}}, batch_size: 8}}
  evaluation: {{images: 32, final_images: 32, window: 5, curve: 5, resize: 32}}
axes:
  learning_rate:
{levels}
seeds: {seeds}
baseline_seeds: {seeds}
metrics: [fid, kid]
options: {{device: cpu}}
"""


def large_suite(root: Path, levels: int, seeds: int) -> SuiteFolder:
    """levels x seeds cells and the baseline's; every seventh level has a seed that diverged."""
    text = "\n".join(f"    level {i}: {{generator.width: {5 + i}}}" for i in range(levels))
    shifts = np.random.default_rng(0).normal(0, 0.2, levels + 1)

    def change(cell: Cell, made: RunResult) -> RunResult:
        place = cell.config.generator.width - 4
        fid = 50 * math.exp(shifts[place] * (place > 0) + np.random.default_rng([place, cell.seed]).normal(0, 0.1))
        metrics = {"fid": fid, "fid_last": fid, "fid_best": 0.9 * fid, "kid": fid / 1000}
        tables = {"conditional_accuracy": {"hair": confusion(place + 1, 6), "eyes": confusion(place, 4)}}
        made = replace(made, metrics=metrics, seconds=100.0 + place, tables=tables, steps=4000)
        return replace(made, status="diverged", reason="D is NaN") if place % 7 == 6 and cell.seed == 1 else made

    folder = make_results(root, SUITE.format(levels=text, seeds=seeds), change)
    rng = np.random.default_rng(1)
    for path in folder.cell_paths():
        leave(path, rng)
    return folder


def confusion(seed: int, classes: int) -> dict[str, object]:
    table = np.random.default_rng(seed).integers(0, 30, (classes, classes)) + 60 * np.eye(classes)
    return {"names": [f"class {i}" for i in range(classes)], "confusion": table.tolist()}


def leave(path: Path, rng: np.random.Generator) -> None:
    """What a run of 4,000 steps leaves beside its result."""
    noise = rng.normal(0, 0.1, (LOGGED, 6)).tolist()
    with (path / "history.jsonl").open("w") as file:
        for index, row in enumerate(noise):
            at = {"step": 10 * (index + 1), "progress": (index + 1) / LOGGED, "images_seen": 80 * (index + 1)}
            names = ("D/adversarial", "D/penalty", "G/adversarial", "gradient_norm/D", "gradient_norm/G", "memory_mib")
            values = {name: 1.0 + value for name, value in zip(names, row, strict=True)}
            file.write(json.dumps(at | {"seconds": 0.2 * index, "d_updates": 10 * index} | values) + "\n")
    (path / "samples").mkdir(exist_ok=True)
    with (path / "snapshots.jsonl").open("w") as file:
        for index in range(EVALUATIONS + 1):
            step = 4000 * index // EVALUATIONS
            at = {"step": step, "progress": index / EVALUATIONS, "images_seen": 8 * step, "seconds": 0.02 * step}
            metrics = {"fid": 200 * math.exp(-index / 4) + 50 + rng.normal(), "kid": 0.05 + rng.normal() / 100}
            file.write(json.dumps(at | {"images": 32, "metrics": metrics, "diversity": 0.9}) + "\n")
            side = 8 * (SIDE + GAP) - GAP
            smooth = rng.integers(0, 255, (34, 34, 3), np.uint8)
            picture = Image.fromarray(smooth).resize((side, side), Image.Resampling.BICUBIC)
            picture.save(path / "samples" / f"{step:08d}.webp", lossless=True, quality=0, method=0)
