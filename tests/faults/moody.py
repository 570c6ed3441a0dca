"""Plugins of somebody else's package. They break where MOODY says, as in `make:raise` or `info:nonsense`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tiny_plugins
import torch
from tiny_plugins import Colour, Pixels, Tiny

from ganbench import DatasetInfo, Executor, Features, Judge, Logger, Measured, MetricKey, Real, Report, Samples, Trick

ENTRY_POINTS = """
[ganbench.datasets]
moody = moody:Data
[ganbench.extractors]
moody = moody:Eyes
[ganbench.metrics]
moody = moody:Taste
[ganbench.tricks]
moody = moody:Whim
[ganbench.executors]
moody = moody:Boss
[ganbench.loggers]
moody = moody:Diary
[ganbench.reports]
moody = moody:Letter
"""


def announce(folder: Path) -> str:
    """Write the entry points of this file into a folder; returns what the path must hold."""
    path = tiny_plugins.announce(folder)
    home = folder / "moody_pack-1.2.dist-info"
    home.mkdir(exist_ok=True)
    (home / "METADATA").write_text("Metadata-Version: 2.1\nName: moody-pack\nVersion: 1.2\n")
    (home / "entry_points.txt").write_text(ENTRY_POINTS)
    return os.pathsep.join([str(Path(__file__).parent), path])


class Moody(Exception):
    """Of nobody else."""


def mood(place: str) -> Any:
    """Raise, or return nonsense, where MOODY says."""
    where, _, how = os.environ.get("MOODY", "").partition(":")
    if where != place:
        return None
    if how == "exit":
        sys.exit("I quit")
    if how == "memory":
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
    if how == "file":
        raise FileNotFoundError(2, "No such file or directory", "mine.bin")
    if how == "nonsense":
        return "nonsense"
    raise Moody("not today\nnor tomorrow")


@dataclass(frozen=True, kw_only=True)
class Data(Tiny):
    """Random colours."""

    def __post_init__(self) -> None:
        mood("options")

    def info(self) -> DatasetInfo:
        return mood("info") or super().info()

    def identity(self) -> Any:
        return mood("identity")

    def make(self, split: Any) -> Samples:
        return mood("make") or super().make(split)


@dataclass(frozen=True, kw_only=True)
class Eyes(Pixels):
    """Colours."""

    title = "Eyes"

    def digest(self) -> str:
        return 7 if mood("digest") else "0" * 64  # type: ignore[return-value]

    def load(self, device: torch.device, resize: int | None) -> Any:
        network = super().load(device, resize)

        def see(images: torch.Tensor) -> Features:
            return mood("see") or network(images)

        return mood("load") or see


@dataclass(frozen=True, kw_only=True)
class Taste(Colour):
    """Distance of mean features."""

    def keys(self, info: DatasetInfo) -> list[MetricKey]:
        return mood("keys") or super().keys(info)

    def problem(self, info: DatasetInfo, config: Any) -> str | None:
        mood("problem")
        return None

    def prepare(self, real: Real) -> Judge:
        path = real.cached({"what": "nothing"}, write)
        assert path.exists()
        judge = super().prepare(real)

        def measure(measured: Measured) -> dict[str, float]:
            return mood("measure") or judge.measure(measured)

        return mood("prepare") or Judge(measure=measure, protocol=judge.protocol)


def write(path: Path) -> None:
    mood("write")
    path.write_text("nothing")


@dataclass(frozen=True, kw_only=True)
class Whim(Trick):
    """Does nothing."""

    def configure(self, config: Any, info: DatasetInfo) -> Any:
        mood("configure")
        return config

    def conflict(self, parts: Any) -> str | None:
        mood("conflict")
        return None

    def prepare_networks(self, networks: Any) -> None:
        mood("networks")

    def after_update(self, networks: Any, moment: Any) -> None:
        mood("step")


@dataclass(frozen=True, kw_only=True)
class Boss(Executor):
    """Starts nobody."""

    def start(self, options: Any, jobs: int | None, threads: int, say: Callable[[str], None]) -> Any:
        mood("start")
        raise AssertionError


@dataclass(frozen=True, kw_only=True)
class Diary(Logger):
    """Is thrown away."""

    def open(self, cell: Any, folder: Path) -> Any:
        mood("open")
        return self

    def history(self, record: Any) -> None: ...
    def snapshot(self, record: Any) -> None: ...
    def images(self, step: int, path: Path) -> None: ...
    def close(self) -> None: ...

    def problem(self) -> str | None:
        mood("lacks")
        return None


@dataclass(frozen=True, kw_only=True)
class Letter(Report):
    """Is not written."""

    default = False

    def write(self, summary: Any, folder: Path) -> list[Path]:
        mood("letter")
        return []
