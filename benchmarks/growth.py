"""How the cost of a cell, and of a suite, grows: with steps, width, image size, images to score, and cells.

    python -m benchmarks.growth

CPU seconds of one process, one thread; medians of five. The exponent is that of a straight line through the logarithms:
1 means that twice as much costs twice as much.
"""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import linear_regression, median

import numpy as np
import torch

from benchmarks import machine
from ganbench import device
from ganbench.api.config import EvaluationConfig, PluginSpec, RunConfig
from ganbench.api.data import DatasetInfo, Samples
from ganbench.api.training import Parts
from ganbench.api.trick import change
from ganbench.assemble import build
from ganbench.cache import real_images
from ganbench.registry import make
from ganbench.train.data import RealImages

ROUNDS = 5


def cpu_seconds(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Median over rounds, after one that does not count."""
    work()
    taken = []
    for _ in range(rounds):
        started = time.process_time()
        work()
        taken.append(time.process_time() - started)
    return median(taken)


def steps_of(size: int = 32, width: int = 16, batch_size: int = 64) -> Callable[[], object]:
    """A step of DCGAN, ready to be repeated."""
    info = DatasetInfo(shape=(3, size, size), counts={"train": 256})
    sides = {name: {"width": width} for name in ("generator", "discriminator")}
    config = change(RunConfig(), **sides, training={"batch_size": batch_size})
    parts = Parts(
        config=config,
        info=info,
        architecture=make("architecture", PluginSpec(name="dcgan")),  # type: ignore[arg-type]
        loss=make("loss", PluginSpec(name="non_saturating")),  # type: ignore[arg-type]
        procedure=make("procedure", PluginSpec(name="adversarial")),  # type: ignore[arg-type]
        tricks={},
    )
    cpu = torch.device("cpu")
    training = build(parts, seed=0, device=cpu)
    images = np.random.default_rng(0).integers(0, 256, (256, *info.shape), np.uint8)
    data = RealImages(info, [Samples(images=images, labels={})], config, seed=0, batches_per_step=1, device=cpu)

    def step() -> None:
        data.step = training.step
        parts.procedure.step(training, data)
        training.step += 1

    return step


def repeated(work: Callable[[], object], times: int) -> Callable[[], object]:
    def run() -> None:
        for _ in range(times):
            work()

    return run


def scoring(folder: Path, images: int) -> Callable[[], object]:
    """Features of so many images, and their FID."""
    faces = PluginSpec(name="faces", options={"size": 32, "train": 64, "held_out": 64, "conditions": 24})
    config = EvaluationConfig(images=64, final_images=64)
    real = real_images(faces, config, device=torch.device("cpu"), cache=folder, say=lambda _: None)
    network = real.network
    batch = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (images, 3, 32, 32), np.uint8))
    from ganbench_zoo.metrics.fidelity import frechet_distance, gaussian

    reference = gaussian(network(batch[:64]).pooled)
    return lambda: frechet_distance(reference, network(batch).pooled)


SUITE = """
name: growth
question: What does one more cell cost?
base:
  dataset: {{faces: {{size: 16, train: 64, held_out: 32, conditions: 24}}}}
  generator: {{width: 4}}
  discriminator: {{width: 4}}
  training: {{budget: {{steps: 5}}, batch_size: 8}}
  evaluation: {{images: 32, final_images: 32, reference_images: 64, window: 5, curve: 0, resize: 32}}
axes: {{}}
seeds: 1
baseline_seeds: {cells}
metrics: [fid]
options: {{device: cpu}}
"""


def of_suite(cells: int) -> float:
    """CPU seconds of `ganbench run`, with all its processes, for so many cells of next to no training."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "growth.yaml"
        command = [
            sys.executable,
            "-m",
            "ganbench.cli",
            "run",
            str(file),
            "--results",
            f"{folder}/results",
            "--jobs",
            "1",
        ]
        file.write_text(SUITE.format(cells=1))
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run(command, check=True, **quiet)  # fills the cache; one cell is there then  # type: ignore[call-overload]
        file.write_text(SUITE.format(cells=cells + 1))
        before = os.times()
        subprocess.run(command, check=True, **quiet)  # type: ignore[call-overload]
        after = os.times()
    return after.children_user - before.children_user + after.children_system - before.children_system


def line(what: str, amounts: Sequence[int], seconds: Sequence[float]) -> str:
    slope = linear_regression([math.log(n) for n in amounts], [math.log(s) for s in seconds]).slope
    measured = ", ".join(f"{n}: {s:.3g}" for n, s in zip(amounts, seconds, strict=True))
    return f"| {what} | {measured} | {slope:.2f} |"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=16, help="the largest suite; 64 takes its time")
    given = parser.parse_args(arguments)
    device.configure(torch.device("cpu"), threads=1, deterministic=True)
    print(machine.describe() + "\n")
    print("| what grows | amount: CPU seconds | exponent |\n|---|---|---|")
    step = steps_of()
    amounts: Sequence[int] = (2, 4, 8, 16)
    print(line("steps (32 px, width 16, batch 64)", amounts, [cpu_seconds(repeated(step, n), 3) for n in amounts]))
    amounts = (8, 16, 32, 64)
    print(line("width of a step (32 px)", amounts, [cpu_seconds(steps_of(width=n)) for n in amounts]), flush=True)
    amounts = (16, 32, 64)
    print(line("image side of a step (width 16)", amounts, [cpu_seconds(steps_of(size=n)) for n in amounts]))
    amounts = (16, 32, 64, 128)
    print(line("batch of a step", amounts, [cpu_seconds(steps_of(batch_size=n)) for n in amounts]), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        amounts = (128, 256, 512, 1024)
        taken = [cpu_seconds(scoring(Path(folder), n), 3) for n in amounts]
        print(line("images of an evaluation (FID)", amounts, taken), flush=True)
    cells = [n for n in (1, 4, 16, 64) if n <= given.cells]
    print(line("cells of a suite, of 5 steps each (`ganbench run`, whole)", cells, [of_suite(n) for n in cells]))


if __name__ == "__main__":
    main()
