"""The quick-start suite against the same cells run one after another by plain scripts.

    python -m benchmarks.quickstart [--seeds N] [--baseline-seeds N] [--images N] [--bf16]

Wall time, for this is about using the machine: `ganbench run suites/quickstart.yaml` from an empty results folder, with
its report, against a plain script for each cell in turn (`benchmarks.plain_cell`), two threads each. The scripts find
the reals drawn, their features in torch-fidelity's cache after the first call, and do not judge labels, so what the
comparison leaves out is to their advantage. Wants an idle machine. Training and evaluation of both are in the table.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean
from typing import cast

import numpy as np

from benchmarks import machine
from benchmarks.plain_cell import LEVELS
from benchmarks.sides import WORK

WANTED = {"ganbench": 1.8, "ganbench, bf16": 2.5}


def reals(folder: Path) -> None:
    from ganbench import registry
    from ganbench.api.config import PluginSpec
    from ganbench.api.dataset import Dataset

    faces = cast(Dataset, registry.make("dataset", PluginSpec(name="faces", options={"size": 32})))
    drawn = faces.make("train")
    np.save(folder / "images.npy", drawn.images)
    np.save(folder / "labels.npy", np.stack(list(drawn.labels.values()), 1).astype(np.int64))


def ours(
    folder: Path, precision: str, seeds: int, baseline_seeds: int, images: int
) -> tuple[float, list[dict[str, float]]]:
    changed = {"seeds": seeds, "baseline_seeds": baseline_seeds, "base.training.budget": f"{{images: {images}}}"}
    changed["base.training.precision"] = precision
    root = folder / precision
    command = [sys.executable, "-m", "ganbench.cli", "run", "suites/quickstart.yaml", "--results", str(root)]
    command += [part for name, value in changed.items() for part in ("--set", f"{name}={value}")]
    started = time.perf_counter()
    subprocess.run(command, cwd=WORK, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall = time.perf_counter() - started
    results = [json.loads(path.read_text()) for path in sorted(root.glob("quickstart/cells/*/result.json"))]
    return wall, [
        {
            "training": one["seconds"],
            "evaluation": one["evaluation_seconds"],
            "fid_last": one["metrics"].get("fid_last", float("nan")),
        }
        for one in results
    ]


def plain(folder: Path, seeds: int, baseline_seeds: int, images: int) -> tuple[float, list[dict[str, float]]]:
    levels = [level for level in LEVELS for _ in range(seeds if level != "baseline" else baseline_seeds)]
    environment = os.environ | dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "2")
    cells: list[dict[str, float]] = []
    started = time.perf_counter()
    for level in levels:
        command = [sys.executable, "-m", "benchmarks.plain_cell", str(folder), level, str(images)]
        done = subprocess.run(command, cwd=WORK, env=environment, check=True, capture_output=True, text=True)
        said = (line.split() for line in done.stdout.splitlines())
        cells.append({line[0]: float(line[1]) for line in said if len(line) == 2})
    return time.perf_counter() - started, cells


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1, help="of each of the four levels; the suite has 3")
    parser.add_argument("--baseline-seeds", type=int, default=2, help="the suite has 6")
    parser.add_argument("--images", type=int, default=25600, help="shown to D by a cell; the suite has 25,600")
    parser.add_argument("--bf16", action="store_true", help="ours once more with bf16")
    given = parser.parse_args(arguments)
    settings = (given.seeds, given.baseline_seeds, given.images)
    print(machine.describe())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        reals(folder)
        sides = {"ganbench": ours(folder, "fp32", *settings)}
        if given.bf16:
            sides["ganbench, bf16"] = ours(folder, "bf16", *settings)
        sides["plain scripts"] = plain(folder, *settings)
    print(f"\n{len(sides['ganbench'][1])} cells of {given.images} images; a cell: means")
    print("| side | wall, all cells | training of a cell | evaluation of a cell | FID at the end |")
    print("|---|---:|---:|---:|---:|")
    for side, (wall, cells) in sides.items():
        means = {key: mean(cell[key] for cell in cells) for key in ("training", "evaluation", "fid_last")}
        shown = f"{means['training']:.1f} s | {means['evaluation']:.1f} s | {means['fid_last']:.0f}"
        print(f"| {side} | {wall:.0f} s | {shown} |")
    print()
    for side, wanted in WANTED.items():
        if side in sides:
            print(f"{side} is {sides['plain scripts'][0] / sides[side][0]:.2f}x as fast ({wanted} asked for)")


if __name__ == "__main__":
    main()
