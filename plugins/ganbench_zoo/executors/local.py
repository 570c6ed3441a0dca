"""One subprocess per cell and seed, on this machine."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ganbench import ConfigError, Executor, Exit, Job, RunOptions
from ganbench_zoo.executors import gpus as gpus_, memory
from ganbench_zoo.executors.forked import Forked, ForkServer, available, warm
from ganbench_zoo.executors.gpus import PerGpu, Seats

DUMP_SECONDS = 0.5  # for a hanging cell to write its stacks
SAVE_SECONDS = 5.0  # and to save, before it is killed
DUMP = getattr(signal, "SIGUSR2", signal.SIGTERM)  # a cell answers with the stacks of its threads
CROWDED = 76  # the code of a cell that lacked memory on a GPU that it may have shared
LOOK_SECONDS = 1.0  # between two looks that count: in a longer gap this process itself did not run

# Large blocks go back to the allocator, not to the system: fewer page faults per step.
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": "1073741824", "MALLOC_TRIM_THRESHOLD_": "2147483648"}


@dataclass(frozen=True, kw_only=True)
class Local(Executor):
    """Processes on this machine: as many as it has GPUs, or as its cores allow; no pool, so a crash costs one cell."""

    cells_per_gpu: PerGpu = 1  # >= 1; auto: as many as its memory holds, once the first cell has shown what one needs
    fork_server: bool = True  # import torch once and fork the cells, where the system forks safely (Linux)

    def warm(self) -> contextlib.AbstractContextManager[None]:
        # One thread is what nearly every suite asks for; where it is another number, this server is not used.
        return warm(environment_of(1)) if self.fork_server and available() else contextlib.nullcontext()

    def start(self, options: RunOptions, jobs: int | None, threads: int, say: Callable[[str], None]) -> LocalWorkers:
        gpus = gpus_.visible() if options.device in ("auto", "cuda") else []
        if jobs is not None and jobs < 1:
            raise ConfigError(f"--jobs {jobs}: at least 1")
        seats = Seats(gpus, self.cells_per_gpu)
        if gpus and self.cells_per_gpu == "auto" and not seats.measured:
            say("cells_per_gpu: the driver does not say how much memory is free; one cell on each GPU")
        forks = ForkServer(environment=environment_of(threads)) if self.fork_server and available() else None
        return LocalWorkers(options=options, seats=seats, wanted=jobs, say=say, forks=forks, threads=threads)

    def __post_init__(self) -> None:
        if isinstance(self.cells_per_gpu, int) and self.cells_per_gpu < 1:
            raise ValueError(f"cells_per_gpu must be auto or at least 1, not {self.cells_per_gpu}")


@dataclass
class Running:
    job: Job
    process: subprocess.Popen[bytes] | Forked
    gpu: str | None
    started: float
    looked: float  # when it was last looked at, on this process's monotonic clock
    kills: int | None  # of the system for lack of memory, before it was started
    silent: float = 0.0  # seconds of looking without a new sign of life
    sign: int = 0  # the last sign of life: a time stamp, compared for change only
    peak_memory_mib: float = 0.0
    reason: str = ""
    hung_at: float = 0.0  # when that was noticed
    steps: list[tuple[float, int]] = field(default_factory=list)  # seconds after it -> signal, those still to send


@dataclass
class LocalWorkers:
    options: RunOptions
    wanted: int | None
    say: Callable[[str], None]
    seats: Seats = field(default_factory=lambda: Seats([]))
    forks: ForkServer | None = None
    threads: int = 1
    active: list[Running] = field(default_factory=list)

    @property
    def capacity(self) -> int:
        if self.wanted is not None:
            return self.wanted
        if self.seats.gpus:
            return self.seats.capacity(self._taken())
        if self.options.device.startswith("cuda:"):
            return 1  # all cells would share that one
        return max(1, len(os.sched_getaffinity(0)) // self.threads) if hasattr(os, "sched_getaffinity") else 1

    def submit(self, job: Job) -> None:
        gpu = self.seats.pick(self._taken())
        environment = {} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu}
        if gpu is not None and self.seats.wanted != 1:
            environment["GANBENCH_SHARES_GPU"] = "1"
        process = self._fork(job, environment) or self._spawn(job, environment)
        now = time.monotonic()
        kills = memory.kills()
        self.active.append(Running(job=job, process=process, gpu=gpu, started=now, looked=now, kills=kills))

    def _fork(self, job: Job, environment: dict[str, str]) -> Forked | None:
        """The cell as a fork of a process that has torch imported; None where that cannot be."""
        # Libraries count their threads when they are loaded, so a fork has those of its server.
        if self.forks is None or job.threads != self.threads or job.argv[1:3] != ("-m", "ganbench.process"):
            return None
        try:
            return self.forks.fork(job.argv[3:], job.folder / "log.txt", environment)
        except OSError as error:
            self.say(f"{error}; cells start as processes of their own, which takes seconds longer")
            self.forks = None
            return None

    def _spawn(self, job: Job, environment: dict[str, str]) -> subprocess.Popen[bytes]:
        """The cell as a process from scratch; it ends when this process does."""
        ours = {"GANBENCH_RUNNER": str(os.getpid()), "PYTHONUNBUFFERED": "1"}
        with (job.folder / "log.txt").open("ab") as log:
            return subprocess.Popen(
                job.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | environment_of(job.threads) | environment | ours,
                start_new_session=True,  # Ctrl-C is for the runner, which then asks its cells to save
            )

    def poll(self) -> list[Exit]:
        for running in self.active:
            self._watch(running)
        return self._reap()

    def running(self) -> list[Job]:
        return [running.job for running in self.active]

    def stop(self, seconds: float) -> list[Exit]:
        for running in self.active:
            with contextlib.suppress(ProcessLookupError):
                running.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + seconds
        exits: list[Exit] = []
        while self.active and time.monotonic() < deadline:
            exits += self._reap(stopped=True)
            time.sleep(0.05)
        for running in self.active:
            kill_group(running.process)
            with contextlib.suppress(ProcessLookupError):
                running.process.send_signal(signal.SIGKILL)  # its group may not exist yet
            running.process.wait()
        exits += self._reap(stopped=True)
        if self.forks is not None:
            self.forks.close()
        return exits

    def describe(self) -> str:
        count, each = len(self.seats.gpus), self.seats.wanted
        shared = "" if each == 1 else f" with {each} cells each" if each != "auto" else ", as many cells each as fit"
        where = f"{count} GPU{'s' * (count > 1)}{shared}" if count else "CPU"
        return f"local, {self.capacity} at once, {self.threads} thread{'s' * (self.threads > 1)} each, {where}"

    def _taken(self) -> Counter[str]:
        """GPU -> cells on it."""
        return Counter(running.gpu for running in self.active if running.gpu is not None)

    def _watch(self, running: Running) -> None:
        """End a cell that shows no progress: a dump of its stacks, a chance to save, the end of its whole group.

        What counts is that its sign changes, not what clock it was made by; and only time in which this process looked:
        when the whole machine was suspended, nothing hangs.
        """
        now = time.monotonic()
        running.silent += min(now - running.looked, LOOK_SECONDS)
        running.looked = now
        running.peak_memory_mib = max(running.peak_memory_mib, memory.peak_mib(running.process.pid))
        with contextlib.suppress(OSError):
            sign = (running.job.folder / "progress.json").stat().st_mtime_ns
            if sign != running.sign:
                running.sign, running.silent = sign, 0.0
        if running.silent > self.options.hang_seconds and not running.reason:
            running.reason = f"no progress for {self.options.hang_seconds:g} s"
            running.hung_at = now
            running.steps = [(0.0, DUMP), (DUMP_SECONDS, signal.SIGTERM), (SAVE_SECONDS, signal.SIGKILL)]
        while running.steps and now - running.hung_at >= running.steps[0][0]:
            number = running.steps.pop(0)[1]
            with contextlib.suppress(ProcessLookupError):
                running.process.send_signal(number)
            if number == signal.SIGKILL:
                kill_group(running.process)

    def _reap(self, stopped: bool = False) -> list[Exit]:
        exits, alive = [], []
        for running in self.active:
            code = running.process.poll()
            if code is None:
                alive.append(running)
                continue
            kill_group(running.process)  # what the cell may have left behind
            if running.gpu is not None:
                self.seats.ended(gpu_peak_mib(running.job.folder))
            exits.append(
                Exit(
                    job=running.job,
                    code=code,
                    seconds=time.monotonic() - running.started,
                    reason=running.reason,
                    stopped=stopped,
                    out_of_memory=code == CROWDED
                    or (code == -signal.SIGKILL and not running.reason and memory.was_short(running.kills)),
                    peak_memory_mib=round(running.peak_memory_mib, 1),
                )
            )
        self.active = alive
        return exits


def gpu_peak_mib(folder: Path) -> float:
    """What a cell has needed of its GPU, from its last sign of life; 0 where it gave none."""
    try:
        said = json.loads((folder / "progress.json").read_bytes()).get("peak_memory_mib")
    except (OSError, ValueError, AttributeError):
        return 0.0
    return float(said) if isinstance(said, int | float) else 0.0


def kill_group(process: subprocess.Popen[bytes] | Forked) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def environment_of(threads: int) -> dict[str, str]:
    """What has to be set before torch and numpy are loaded: more threads than cores spin and slow everybody down."""
    counts = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
    return ALLOCATOR | counts
