"""Two ways to do the same work, each in a process of its own, taking turns.

A process of its own, since allocator settings and deterministic kernels belong to a process: ours has what a cell has,
the peer's has what `python` gives. They never run at the same time. What counts is CPU time, for the machine may be
shared; the ratio is the median over pairs of neighbouring turns, with its quartiles.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ganbench_zoo.executors.local import environment_of

WORK = Path(__file__).parent.parent


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What a process needed for its share of a round, for one unit of work."""

    cpu: float  # seconds
    wall: float  # seconds
    faults: float  # page faults
    peak_mib: float  # so far, above what the process had when everything was imported


@dataclass(kw_only=True)
class Side:
    """A process that does one kind of work when told to. `make` is "module:function" and returns what to repeat."""

    name: str
    make: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    threads: int = 1
    turns: list[Turn] = field(default_factory=list)
    said: dict[str, Any] = field(default_factory=dict)  # what `make` told of itself, such as its parameters

    def __enter__(self) -> Side:
        counts = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(self.threads))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.sides", self.make, json.dumps(dict(self.arguments))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=WORK,
            env=os.environ | counts | dict(self.environment),
        )
        self.said = self._read()
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def take_turn(self, times: int, keep: bool = True) -> Turn:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{times}\n")
        self.process.stdin.flush()
        turn = Turn(**self._read())
        if keep:
            self.turns.append(turn)
        return turn

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name}: the process ended with code {self.process.wait()}")
        return dict(json.loads(line))

    @property
    def peak_mib(self) -> float:
        return self.turns[-1].peak_mib

    def median(self, what: str = "cpu") -> float:
        return statistics.median(getattr(turn, what) for turn in self.turns)


def ours_environment(threads: int = 1) -> dict[str, str]:
    """What a cell on this machine is started with."""
    return environment_of(threads)


def alternate(sides: Sequence[Side], *, rounds: int, seconds: float = 0.3) -> None:
    """Rounds in which each side works for about `seconds`, after two turns for warming up; 0: once, and without those,
    for work that takes long and has been done once while it was made."""
    times = dict.fromkeys((side.name for side in sides), 1)
    for side in sides if seconds else ():
        side.take_turn(1, keep=False)
        one = side.take_turn(1, keep=False)
        times[side.name] = max(1, round(seconds / max(one.cpu, 1e-9)))
    for number in range(rounds):
        for side in sides if number % 2 else reversed(sides):
            side.take_turn(times[side.name])


def ratio(slower: Side, faster: Side, what: str = "cpu") -> tuple[float, float, float]:
    """Median and quartiles of how much faster, pair by pair."""
    pairs = zip(slower.turns, faster.turns, strict=True)
    return quartiles([getattr(one, what) / getattr(other, what) for one, other in pairs])


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Median, lower and upper quartile."""
    low, middle, high = statistics.quantiles(values * 2 if len(values) == 1 else values, n=4, method="inclusive")
    return middle, low, high


# --- the other end: a process that works when told to ------------------------------------------------
def main() -> None:
    target, arguments = sys.argv[1:]
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever the work prints is no answer
    module, _, name = target.partition(":")
    make: Callable[..., tuple[Callable[[], Any], dict[str, Any]]] = getattr(importlib.import_module(module), name)
    made = make(**json.loads(arguments))
    before = resident_mib("VmRSS")
    reset_peak()
    work, said = made
    out.write(json.dumps(said) + "\n")
    out.flush()
    for line in sys.stdin:
        times = int(line)
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        cpu, wall = time.process_time(), time.perf_counter()
        for _ in range(times):
            work()
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
        peak = resident_mib("VmHWM") - before
        turn = {"cpu": cpu / times, "wall": wall / times, "faults": faults / times, "peak_mib": peak}
        out.write(json.dumps(turn) + "\n")
        out.flush()


def resident_mib(name: str) -> float:
    """`VmRSS`, or the highest it has been, `VmHWM`. Linux."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    return 0.0


def reset_peak() -> None:
    """VmHWM starts again from what is resident now."""
    Path("/proc/self/clear_refs").write_text("5")


if __name__ == "__main__":
    main()
