"""What it costs to run many cells: threads, starting a process, and the runner's own work.

`python -m benchmarks.throughput [ROUNDS [threads|starting|runner]...]` compares, in turns and as medians: two cells of
one thread at once with one cell of two threads; a cell that is forked from the warm server with one that is started
from scratch; and it says what the runner takes for a cell that takes no time itself. Seconds on a core are what counts
on a machine that does other work, too; threads that wait for each other spin there, so the first part wants it idle.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any
from unittest import mock

from benchmarks.finished_suite import SUITE
from ganbench import registry, runner
from ganbench.api.cell import RunResult
from ganbench.api.config import RunOptions
from ganbench.api.executor import Executor, Exit, Job
from ganbench.cell_folder import CellFolder
from ganbench.commands.arguments import Choice, load_suites
from ganbench.progress import Quiet
from ganbench.remaining import Request
from ganbench.store import Store

STEPS = 20  # of training in one measurement of threads
CELLS = 100  # that the runner hands out
TRAINING = """
import sys, time
from dataclasses import replace
import torch
from ganbench.api.cell import Cell
from ganbench.api.config import EvaluationConfig, NetworkConfig, PluginSpec, RunConfig
from ganbench.assemble import assemble
from ganbench.device import configure
from ganbench.train.data import RealImages
from ganbench.train.stand_ins import random_samples
device = torch.device("cpu")
threads, steps = int(sys.argv[1]), int(sys.argv[2])
configure(device, threads, deterministic=True)
side = NetworkConfig(width=32)
config = RunConfig(dataset=PluginSpec(name="faces", options={"size": 32}), generator=side, discriminator=side)
cell = Cell(id="", suite="", levels={}, seed=0, config=config, evaluation=EvaluationConfig())
training = assemble(cell, device)
info = replace(training.parts.info, counts={"train": config.training.batch_size})
data = RealImages(info, random_samples(info), config, seed=0,
                  batches_per_step=training.procedure.batches_per_step(config), device=device)
for step in range(steps + 3):
    if step == 3:
        sys.stdout.write("ready"), sys.stdout.flush(), sys.stdin.readline()
        started, computed = time.perf_counter(), time.process_time()
    training.step_progress, data.step = training.progress, training.step
    training.procedure.step(training, data)
    training.step += 1
print(time.perf_counter() - started, time.process_time() - computed)
"""


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    for part in sys.argv[2:] or ("threads", "starting", "runner"):
        {"threads": threads, "starting": starting, "runner": the_runner}[part](rounds)


def threads(rounds: int) -> None:
    print("two cells of one thread each, against one cell of two threads; for the same number of steps in all:")
    alternating(rounds, {"two cells": lambda: together(2, 1, STEPS), "one cell": lambda: together(1, 2, 2 * STEPS)})


def starting(rounds: int) -> None:
    print("start of a cell, until it has read its configuration:")
    with tempfile.TemporaryDirectory() as folder:
        starts = {
            name: Starts(Path(folder) / name, fork_server=name == "forked") for name in ("forked", "from scratch")
        }
        starts["forked"].one()  # starts the server
        alternating(rounds, {name: start.one for name, start in starts.items()})
        for start in starts.values():
            start.workers.stop(0.0)


def the_runner(rounds: int) -> None:
    found = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            found.append(overhead(Path(folder)))
    wall, computed = (1000 * median(column) for column in zip(*found, strict=True))
    print(f"the runner: {wall:.0f} ms a cell, {computed:.1f} ms of them on a core ({CELLS} cells)")


def alternating(rounds: int, work: dict[str, Callable[[], tuple[float, float]]]) -> None:
    """Each in turn; medians of wall seconds and of seconds on a core."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, measure in work.items():
            found[name].append(measure())
    for name, values in found.items():
        wall, computed = (median(column) for column in zip(*values, strict=True))
        print(f"  {name}: {wall:.3f} s, {computed:.3f} s on cores", flush=True)
    first, second = found.values()
    for index, what in enumerate(("wall", "on cores")):
        ratio = median(a[index] / b[index] for a, b in zip(first, second, strict=True))
        print(f"  ratio, {what}: {ratio:.2f}", flush=True)


# --- threads -----------------------------------------------------------------------------------------------
def together(count: int, threads: int, steps: int) -> tuple[float, float]:
    """So many processes, which begin to train at the same moment."""
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    command = [sys.executable, "-c", TRAINING, str(threads), str(steps)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    running = [subprocess.Popen(command, env=environment, **pipes) for _ in range(count)]
    for one in running:
        assert one.stdout is not None and one.stdout.read(5) == "ready"
    for one in running:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    said = [one.communicate()[0].split() for one in running]
    return max(float(wall) for wall, _ in said), sum(float(computed) for _, computed in said)


# --- starting ----------------------------------------------------------------------------------------------
@dataclass
class Starts:
    """The local executor, and cells without a configuration, which end as soon as they look for it."""

    folder: Path
    fork_server: bool
    workers: Any = None
    count: int = 0

    def one(self) -> tuple[float, float]:
        plugin = registry.plugin_class("executor", "local")(fork_server=self.fork_server)
        self.workers = self.workers or plugin.start(RunOptions(device="cpu"), 1, 1, print)  # type: ignore[attr-defined]
        self.count += 1
        place = self.folder / str(self.count)
        place.mkdir(parents=True)
        argv = (sys.executable, "-m", "ganbench.process", str(place))
        wall, computed = time.perf_counter(), self.computed()
        self.workers.submit(Job(cell=str(self.count), folder=place, argv=argv))
        while not self.workers.poll():
            time.sleep(0.001)
        return time.perf_counter() - wall, self.computed() - computed

    def computed(self) -> float:
        """Of all cells that have ended, wherever they were started."""
        here = os.times()
        server = self.workers.forks.server if self.workers is not None and self.workers.forks is not None else None
        if server is None:
            return here.children_user + here.children_system
        after_name = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(after_name[13]) + int(after_name[14])) / os.sysconf("SC_CLK_TCK")


# --- the runner --------------------------------------------------------------------------------------------
@dataclass
class Instant:
    """Cells that take no time: each has a result as soon as it is submitted."""

    capacity: int = 2
    ended: list[Exit] = field(default_factory=list)

    def submit(self, job: Job) -> None:
        folder = CellFolder(job.folder)
        folder.save_result(RunResult(status="diverged", reason="trained nothing"))
        self.ended.append(Exit(job=job, code=0))

    def poll(self) -> list[Exit]:
        ended, self.ended = self.ended, []
        return ended

    def running(self) -> list[Job]:
        return [one.job for one in self.ended]

    def stop(self, seconds: float) -> list[Exit]:
        return [replace(one, stopped=True) for one in self.poll()]

    def describe(self) -> str:
        return "instant"


class InstantExecutor(Executor):
    def start(self, *given: Any) -> Instant:
        return Instant()


def overhead(folder: Path) -> tuple[float, float]:
    """Wall seconds and seconds on a core for each cell, once everything is prepared."""
    file = folder / "instant.yaml"
    levels = "\n".join(f"    w{i}: {{generator.width: {5 + i}}}" for i in range(CELLS // 5 - 1))
    file.write_text(SUITE.format(name="instant", levels=levels))
    (suite,) = load_suites(Choice(suites=[file]))
    make, clock = registry.make, [0.0, 0.0]

    def made(kind: Any, spec: Any, where: str = "") -> Any:
        return InstantExecutor() if kind == "executor" else make(kind, spec, where)

    class Watch(Quiet):
        def begin(self, *given: Any) -> None:
            clock[:] = time.perf_counter(), time.process_time()

        def finish(self) -> None:
            clock[:] = time.perf_counter() - clock[0], time.process_time() - clock[1]

    with mock.patch.object(runner.registry, "make", made):
        outcome = runner.run_suite(suite, Store(folder / "results"), Request(), Watch())
    assert len(outcome.planned) == CELLS and {one.state for one in outcome.planned} == {"diverged"}, outcome.reason
    return clock[0] / CELLS, clock[1] / CELLS


if __name__ == "__main__":
    main()
