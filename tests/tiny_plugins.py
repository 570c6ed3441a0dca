"""Plugins for tests of the harness: a tiny data set, a cheap extractor and metric, a faulty trick, a stub executor.

`announce` makes them installed, as a distribution of their own would, in this process and in those it starts.
"""

from __future__ import annotations

import ctypes
import math
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ganbench import (
    Dataset,
    DatasetInfo,
    Executor,
    Extractor,
    Features,
    Forward,
    Job,
    Judge,
    LabelInfo,
    Measured,
    Metric,
    MetricKey,
    Moment,
    Real,
    RunOptions,
    Samples,
    Split,
    Trick,
)
from ganbench_zoo.executors.local import LocalWorkers, Running

ENTRY_POINTS = """
[ganbench.datasets]
tiny = tiny_plugins:Tiny
[ganbench.extractors]
pixels = tiny_plugins:Pixels
[ganbench.metrics]
colour = tiny_plugins:Colour
[ganbench.tricks]
faulty = tiny_plugins:Faulty
[ganbench.executors]
stub = tiny_plugins:Stub
"""


def announce(folder: Path) -> str:
    """Write the entry points of this file into a folder; returns the PYTHONPATH under which they are found."""
    home = folder / "tiny_plugins-1.0.dist-info"
    home.mkdir(parents=True, exist_ok=True)
    (home / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-plugins\nVersion: 1.0\n")
    (home / "entry_points.txt").write_text(ENTRY_POINTS)
    return os.pathsep.join([str(Path(__file__).parent), str(folder)])


@dataclass(frozen=True, kw_only=True)
class Tiny(Dataset):
    """Random colours, 16 x 16, in three classes."""

    images: int = 40  # of the training split
    seed: int = 0  # of the images

    def info(self) -> DatasetInfo:
        counts = {"train": self.images, "held_out": 12, "conditions": 0}
        labels = {"kind": LabelInfo(kind="class", size=3)}
        return DatasetInfo(shape=(3, 16, 16), counts=counts, labels=labels)

    def make(self, split: Split) -> Samples:
        rng = np.random.default_rng(self.seed + len(split))
        n = self.info().counts[split]
        images = rng.integers(0, 256, (n, 3, 16, 16), np.uint8)
        return Samples(images=images, labels={"kind": np.arange(n) % 3})


@dataclass(frozen=True, kw_only=True)
class Pixels(Extractor):
    """Colours of the quarters of an image against each other."""

    title = "Pixels"

    def digest(self) -> str:
        return "0" * 64

    def load(self, device: torch.device, resize: int | None) -> Callable[[Tensor], Features]:
        def features(images: Tensor) -> Features:
            pooled = torch.nn.functional.adaptive_avg_pool2d(images.float(), 2).flatten(1).cpu()
            return Features(pooled=(pooled - pooled.mean(1, keepdim=True)) / pooled.std(1, keepdim=True))

        return features


@dataclass(frozen=True, kw_only=True)
class Colour(Metric):
    """Distance of mean features."""

    scale: float = 1.0  # factor of the distance
    needs_features = True

    def keys(self, info: DatasetInfo) -> list[MetricKey]:
        return [MetricKey(name="colour", direction="lower", scale="ratio", margin=0.05)]

    def prepare(self, real: Real) -> Judge:
        mean = real.features("train").pooled.mean(0)

        def measure(measured: Measured) -> dict[str, float]:
            assert measured.features is not None
            return {"colour": self.scale * float((measured.features.pooled.mean(0) - mean).norm())}

        return Judge(measure=measure, protocol={"scale": self.scale})


class Unspeakable(Exception):
    """Its message cannot be shown."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


@dataclass(frozen=True, kw_only=True)
class Faulty(Trick):
    """Does something terrible at one step."""

    # raise, unspeakable, memory, allocate, cuda, assert, exit, interrupt, die, segfault, nan, poison, sleep
    how: str = "nothing"
    at: int = 5  # step

    def extra_loss(self, forward: Forward, moment: Moment) -> Tensor | None:
        if moment.step < self.at or moment.phase == "G":
            return None
        match self.how:
            case "raise":
                raise ValueError("I am broken\nin two lines")
            case "unspeakable":
                raise Unspeakable
            case "memory":
                raise MemoryError("too much")
            case "allocate":
                torch.ones(2**50)
            case "cuda":
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
            case "assert":
                raise RuntimeError("CUDA error: device-side assert triggered")
            case "exit":
                sys.exit(0)
            case "interrupt":
                raise KeyboardInterrupt
            case "die":
                os._exit(0)
            case "segfault":
                ctypes.string_at(0)
            case "nan":
                return torch.tensor(math.nan)
            case "sleep":
                time.sleep(0.05)
        return None

    def after_update(self, networks: object, moment: Moment) -> None:
        if self.how == "poison" and moment.step == self.at and moment.phase == "G":
            with torch.no_grad():
                next(iter(networks.generator.parameters())).fill_(math.inf)  # type: ignore[attr-defined]


@dataclass(frozen=True, kw_only=True)
class Stub(Executor):
    """Local, with cells that do not import torch and do what the name of their level says."""

    def start(self, options: RunOptions, jobs: int | None, threads: int, say: Callable[[str], None]) -> LocalWorkers:
        return StubWorkers(options=options, wanted=jobs, say=say)


class StubWorkers(LocalWorkers):
    def _watch(self, running: Running) -> None:
        """Only who says that it hangs is watched: on a busy machine a start takes longer than tests can wait."""
        if (running.job.folder / "hangs").exists():
            super()._watch(running)

    def submit(self, job: Job) -> None:
        script = Path(__file__).parent / "stub_cell.py"
        super().submit(replace(job, argv=(sys.executable, str(script), str(job.folder))))
