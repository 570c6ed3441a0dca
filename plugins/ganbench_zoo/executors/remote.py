"""A cell on a node of a cluster. Its process is looked after there as `local` does it; only how it ended comes back.

Nobody sends results: cells write into the results folder, which all nodes must see.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ganbench import Exit, Job, RunOptions, Unavailable
from ganbench_zoo.executors.local import LocalWorkers

LOST = 75  # the code of a cell whose node or job has gone: it may go on from its last checkpoint
SAVE_SECONDS = 60.0  # for a cell that is preempted
PAUSE = 0.2  # between two looks at the process


@dataclass(kw_only=True)
class Errand:
    """What a node is asked to do; called there."""

    cell: str
    folder: str
    argv: tuple[str, ...]
    threads: int
    options: RunOptions
    environment: dict[str, str]
    directory: str  # in which the runner works: paths in suites are relative to it
    workers: LocalWorkers | None = field(default=None, repr=False)

    def __call__(self) -> dict[str, Any]:
        """How the cell ended: `ended` makes an Exit of it."""
        if not Path(self.folder).is_dir():
            return {"problem": f"{self.folder}: is not there on the machine that was to run the cell"}
        os.environ.update(self.environment)
        if Path(self.directory).is_dir():
            os.chdir(self.directory)
        job = Job(cell=self.cell, folder=Path(self.folder), argv=self.argv, threads=self.threads)
        self.workers = LocalWorkers(options=self.options, wanted=1, say=print, threads=self.threads)
        exits: list[Exit] = []
        try:
            with interrupts_wait():
                self.workers.submit(job)
            while not exits:
                exits = self.workers.poll()
                time.sleep(PAUSE)
        except KeyboardInterrupt:  # cancelled
            exits = self.save()
        names = ("code", "seconds", "reason", "out_of_memory", "peak_memory_mib")
        return {name: asdict(exits[0])[name] for name in names} if exits else {"code": LOST}

    def save(self) -> list[Exit]:
        """Ask the cell to save and stop, and wait for that."""
        return self.workers.stop(SAVE_SECONDS) if self.workers is not None else []


@contextlib.contextmanager
def interrupts_wait() -> Iterator[None]:
    """A KeyboardInterrupt comes at the end: amid the start of a process it would leave one that nobody looks after,
    while the worker of the cluster lives on."""
    came: list[int] = []
    try:
        before = signal.signal(signal.SIGINT, lambda number, frame: came.append(number))
    except ValueError:  # not the main thread, which is the one that is interrupted
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before or signal.default_int_handler)
    if came:
        raise KeyboardInterrupt


def errand(kind: type[Errand], job: Job, options: RunOptions) -> Errand:
    """With all paths as every node knows them."""
    folder = str(job.folder.resolve())
    argv = tuple(folder if part == str(job.folder) else part for part in job.argv)
    environment = {name: value for name, value in os.environ.items() if passed_on(name)}
    return kind(
        cell=job.cell,
        folder=folder,
        argv=argv,
        threads=job.threads,
        options=options,
        environment=environment,
        directory=str(Path.cwd()),
    )


def passed_on(name: str) -> bool:
    return name == "PYTHONPATH" or (name.startswith("GANBENCH_") and name != "GANBENCH_RUNNER")


def ended(job: Job, said: Mapping[str, Any], stopped: bool = False) -> Exit:
    """Raises Unavailable where the node did not find the cell."""
    if (problem := said.get("problem")) and stopped:
        return Exit(job=job, code=LOST, stopped=True)
    if problem:
        raise Unavailable(f"{problem}: results must lie on a file system that all nodes see (--results)")
    return Exit(job=job, stopped=stopped, **said)


def gpus_of(options: RunOptions) -> float:
    """Of one cell; a suite that says nothing gets one where its device is a GPU."""
    asked = options.resources.gpus
    return (1.0 if options.device.startswith("cuda") else 0.0) if asked is None else asked


def whole(number: float) -> int:
    return math.ceil(number - 1e-9)
