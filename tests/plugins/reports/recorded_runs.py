"""What the runs of a summary left behind, small and complete: curves, grids, confusions, warnings, logs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from ganbench import Curve, Grid, HealthWarning, Records, RunRecord, RunResult, Summary

SIDE, GAP = 8, 2


def with_runs(summary: Summary, folder: Path) -> Summary:
    """A record per row; diverged ones stop half-way, pending ones have nothing."""
    real = images(folder / "cache" / "train" / "images.npy")
    images(folder / "cache" / "held_out" / "images.npy", seed=1)
    rows = zip(summary.rows.to_dict("records"), summary.row_levels, strict=True)
    runs = [run(row, level, folder / "cells" / str(i)) for i, (row, level) in enumerate(rows)]
    return replace(summary, records=Records(runs=runs, real=real, training=real))


def run(row: dict, level: tuple[str, str], folder: Path) -> RunRecord:
    folder.mkdir(parents=True)
    known = {"cell": row["cell"], "level": level, "seed": int(row["seed"]), "status": row["status"]}
    if row["status"] == "pending":
        return RunRecord(**known)
    failed = row["status"] != "done"
    at = {"step": [0, 10, 20], "images_seen": [0, 80, 160], "seconds": [0.0, 1.0 + known["seed"], 2.5 + known["seed"]]}
    return RunRecord(
        **known,
        reason=row["reason"],
        losses=Curve(at=at, values={"D/adversarial": [1.0, 0.5, None], "gradient_norm/G": [3.0, 2.0, 1.0]}),
        scores=Curve(at=at, values={"fid": [90.0, 60.0, 50.0 + known["seed"]]}),
        grids=[Grid(step=s, progress=s / 20, path=grid(folder / f"{s:08d}.webp", s)) for s in (0, 10, 20)],
        result=RunResult(
            status="done" if not failed else "diverged",
            seconds=2.5 + known["seed"],
            images_seen=160,
            updates={"d": 20, "g": 10},
            protocol={"sampler": {"weights": "ema"}},
            tables={"conditional_accuracy": {"hair": {"names": ["red", "blue"], "confusion": [[9, 1], [0, 0]]}}},
        ),
        warnings=[HealthWarning(step=10, text="gradient norm of G above 100")] if failed else [],
        log=["step 10", "ValueError: no"] if failed else [],
        retry=f"ganbench run demo.yaml --retry --cells {known['cell']}" if failed else "",
    )


def grid(path: Path, step: int) -> Path:
    rng = np.random.default_rng(step)
    side = 4 * (SIDE + GAP) - GAP
    Image.fromarray(rng.integers(0, 255, (side, side, 3), np.uint8)).save(path, lossless=True)
    return path


def images(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True)
    np.save(path, np.random.default_rng(seed).integers(0, 255, (80, 3, SIDE, SIDE), np.uint8), allow_pickle=False)
    return path
