"""The harness's own share of a cell's time: all that is neither an update, nor a trick, nor data, nor an evaluation.

    python -m benchmarks.harness_share [--wide]

That is: the loop, history, finiteness checks, health, signs of life, checkpoints. Measured by the profile of a cell
(`ganbench run --profile-cell`) in CPU time, with four tricks on, whose own time is the tricks'. Samples and kept
generators count as evaluation here.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import torch

from benchmarks import machine
from benchmarks.sides import ours_environment
from ganbench import profile
from ganbench.cell_folder import CellFolder
from ganbench.run import CellRun, StopSwitch
from ganbench.suite import expand, load

SUITE = """
name: share
question: What does the harness cost?
base:
  dataset: {{faces: {{size: {size}, train: 2000, held_out: 200, conditions: 72}}}}
  tricks: [instance_noise, label_smoothing, top_k, diff_augment]
  generator: {{width: {width}}}
  discriminator: {{width: {width}}}
  training: {{budget: {{steps: {steps}}}, batch_size: 64}}
  evaluation: {{images: 64, window: 5, curve: 1, final_images: 64, reference_images: 200}}
axes: {{}}
seeds: 1
baseline_seeds: 1
metrics: [fid]
options: {{device: cpu, profile_cell: true}}
"""
OURS = ("health", "checkpoints", "history", "rest")


def measure(folder: Path, **setting: int) -> dict[str, float]:
    """CPU seconds of each part of a cell, from its first step on."""
    path = folder / "share.yaml"
    path.write_text(SUITE.format(**setting))
    suite = load(path)
    (cell,) = expand(suite)
    cell_folder = CellFolder(folder / "cells" / cell.id)
    cell_folder.write_config(cell, suite.options, folder / "cache")
    run = CellRun.open(cell, cell_folder, suite.options, folder / "cache", StopSwitch())
    assert run.profile is not None
    run.profile.charge()
    run.profile.seconds.clear()
    with contextlib.redirect_stdout(io.StringIO()):  # its log
        return run.finish().profile


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wide", action="store_true", help="64 px and width 64, too: half an hour")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    profile.time = SimpleNamespace(perf_counter=time.process_time)  # type: ignore[assignment]
    settings = [({"size": 32, "width": 16, "steps": 400}, 3.0)]
    settings += [({"size": 64, "width": 64, "steps": 1000}, 1.0)] if given.wide else []
    print(machine.describe())
    for setting, wanted in settings:
        with tempfile.TemporaryDirectory() as folder:
            found = measure(Path(folder), **setting)
        whole = sum(value for name, value in found.items() if name in profile.ORDER)
        share = sum(found.get(name, 0.0) for name in OURS) / whole
        asked = f"at most {wanted:g} % asked for"
        print(f"\n{setting['size']} px, width {setting['width']}, {setting['steps']} steps: {share:.2%} ({asked})")
        print("\n".join(profile.table(found)), flush=True)


if __name__ == "__main__":
    if any(os.environ.get(name) != value for name, value in ours_environment().items()):  # as a cell has it
        command = [sys.executable, "-m", "benchmarks.harness_share", *sys.argv[1:]]
        os.execve(sys.executable, command, os.environ | ours_environment())
    main()
