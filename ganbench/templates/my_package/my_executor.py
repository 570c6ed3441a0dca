"""Where cells run, in a few words."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ganbench import Executor, Exit, Job, RunOptions, Workers


@dataclass(frozen=True, kw_only=True)
class MyExecutor(Executor):
    """Processes on this machine, each behind a command such as `nice` (say where cells run here)."""

    prefix: tuple[str, ...] = ("nice", "-n", "5")  # words before the command line of each cell

    def start(self, options: RunOptions, jobs: int | None, threads: int, say: Callable[[str], None]) -> Workers:
        return MyExecutorWorkers(prefix=self.prefix, capacity=jobs or 1)


@dataclass
class MyExecutorWorkers:
    prefix: tuple[str, ...]
    capacity: int
    active: dict[str, tuple[Job, subprocess.Popen[bytes], float]] = field(default_factory=dict)

    def submit(self, job: Job) -> None:
        with (job.folder / "log.txt").open("ab") as log:
            command = [*self.prefix, *job.argv]
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        self.active[job.cell] = (job, process, time.monotonic())

    def poll(self) -> list[Exit]:
        return self.reap(stopped=False)

    def running(self) -> list[Job]:
        return [job for job, _, _ in self.active.values()]

    def stop(self, seconds: float) -> list[Exit]:
        """Cells save when they are asked to end; what is still there after the time is killed."""
        for _, process, _ in self.active.values():
            process.terminate()
        deadline = time.monotonic() + seconds
        ended: list[Exit] = []
        while self.active and time.monotonic() < deadline:
            ended += self.reap(stopped=True)
            time.sleep(0.05)
        for _, process, _ in self.active.values():
            process.kill()
            process.wait()
        return ended + self.reap(stopped=True)

    def describe(self) -> str:
        return f"{' '.join(self.prefix)}, {self.capacity} at once"

    def reap(self, stopped: bool) -> list[Exit]:
        ended = []
        for cell, (job, process, started) in list(self.active.items()):
            code = process.poll()
            if code is not None:
                ended.append(Exit(job=job, code=code, seconds=time.monotonic() - started, stopped=stopped))
                del self.active[cell]
        return ended
