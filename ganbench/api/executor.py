"""Executors: where cell processes run. ganbench schedules nothing itself beyond one machine."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ganbench.api.config import RunOptions
from ganbench.api.plugin import Plugin


@dataclass(frozen=True, kw_only=True)
class Job:
    """One cell to run: a command line that trains, evaluates and writes into its folder, and may be run again."""

    cell: str  # id
    folder: Path
    argv: tuple[str, ...]
    threads: int = 1


@dataclass(frozen=True, kw_only=True)
class Exit:
    """How a job ended."""

    job: Job
    code: int  # 0 has a result; 75 asked to be requeued; negative: killed by that signal
    seconds: float = 0.0
    reason: str = ""  # what the executor did, e.g. "no progress for 600 s"
    out_of_memory: bool = False  # the system killed it for lack of memory
    peak_memory_mib: float = 0.0  # of its process, as far as the executor saw
    stopped: bool = False  # ended because the executor was told to stop


class Workers(Protocol):
    """A running executor."""

    @property
    def capacity(self) -> int:
        """How many jobs may run at once."""
        ...

    def submit(self, job: Job) -> None: ...

    def poll(self) -> list[Exit]:
        """Jobs that ended since the last call; returns at once."""
        ...

    def running(self) -> list[Job]: ...

    def stop(self, seconds: float) -> list[Exit]:
        """Ask all jobs to save and stop; kill what is still there after so many seconds. Always called at the end."""
        ...

    def describe(self) -> str:
        """One line for people: "local, 2 at once, 1 thread each, cpu"."""
        ...


@dataclass(frozen=True, kw_only=True)
class Executor(Plugin):
    def warm(self) -> AbstractContextManager[None]:
        """Entered before suites are read, and left when the last one has ended: an executor may begin here what takes
        seconds to start. Nothing is known yet of what will run, and perhaps nothing will."""
        return nullcontext()

    def start(self, options: RunOptions, jobs: int | None, threads: int, say: Callable[[str], None]) -> Workers:
        """`jobs` is how many cells may run at once, None lets the executor decide; `threads` is what each of them
        computes with on a CPU."""
        raise NotImplementedError
