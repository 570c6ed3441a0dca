"""The harness's own share of a cell's time: all that is neither the procedure's updates nor an evaluation.

That is: data order, history, finiteness checks, signs of life, checkpoints, kept generators, sample grids. Timed inside
the process of a cell at 32x32 and width 16.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import torch

from ganbench.cell_folder import CellFolder
from ganbench.run import CellRun, StopSwitch
from ganbench.suite import expand, load

SUITE = """
name: share
question: What does the harness cost?
base:
  dataset: {faces: {size: 32, train: 2000, held_out: 200, conditions: 72}}
  generator: {width: 16}
  discriminator: {width: 16}
  training: {budget: {steps: 400}, batch_size: 64}
  evaluation: {images: 64, window: 10, final_images: 64, reference_images: 200}
axes: {}
seeds: 1
baseline_seeds: 1
metrics: [fid]
options: {checkpoint_seconds: 5}
"""


def measure(folder: Path) -> dict[str, float]:
    """Seconds of the whole cell from its first step, of its updates, of its evaluations; and the share of the rest."""
    path = folder / "share.yaml"
    path.write_text(SUITE)
    suite = load(path)
    cell = expand(suite)[0]
    cell_folder = CellFolder(folder / "cells" / cell.id)
    cell_folder.write_config(cell, suite.options, folder / "cache")
    run = CellRun.open(cell, cell_folder, suite.options, folder / "cache", StopSwitch())
    updates = 0.0
    step = run.training.procedure.step

    def timed(training: object, data: object) -> object:
        nonlocal updates
        started = time.perf_counter()
        terms = step(training, data)  # type: ignore[arg-type]
        updates += time.perf_counter() - started
        return terms

    object.__setattr__(run.training.procedure, "step", timed)
    started = time.perf_counter()
    result = run.finish()
    total = time.perf_counter() - started
    rest = total - updates - result.evaluation_seconds
    return {"total": total, "updates": updates, "evaluation": result.evaluation_seconds, "share": rest / total}


def main() -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        shares = []
        for index in range(3):
            place = Path(folder) / str(index)
            place.mkdir()
            found = measure(place)
            shares.append(found["share"])
            print("  ".join(f"{name} {value:.3f}" for name, value in found.items()))
    print(f"harness share of a cell's time: median {sorted(shares)[1]:.2%} (32x32, width 16, batch 64, 400 steps)")


if __name__ == "__main__":
    main()
