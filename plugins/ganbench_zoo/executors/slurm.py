"""Jobs of a Slurm cluster, through submitit: `pip install 'ganbench[slurm]'`."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from ganbench import ConfigError, Executor, Exit, Job, RunOptions, Unavailable
from ganbench_zoo.executors.remote import LOST, Errand, ended, errand, gpus_of, whole

GONE = 2  # looks in which a job is not in the queue and has left nothing, until it counts as gone
COMMAND_SECONDS = 60.0  # for squeue and scancel


@dataclass(frozen=True, kw_only=True)
class Slurm(Executor):
    """Cells as job arrays of Slurm (Yoo et al., 2003). A job that is preempted saves its cell and is queued again.

    What a cell asks for stands in the suite's `resources:`; the options here come before it.
    """

    partition: str = ""  # where jobs are queued; empty: as the suite says, else the cluster's default
    account: str = ""  # who pays; empty: as the suite says
    qos: str = ""  # quality of service
    constraint: str = ""  # features of nodes
    hours: float = 24.0  # of a job, > 0, where the suite does not say; when they are over, the job is queued again
    at_once: int = 500  # jobs in the queue, unless --jobs says it, >= 1
    array_size: int = 500  # jobs of one array, >= 1; a cluster's MaxArraySize is often 1001
    signal_seconds: int = 120  # before a job's time is over, its cell is asked to save, >= 1
    look_seconds: float = 5.0  # between two looks at the queue, >= 0
    folder: str = "~/.ganbench/slurm"  # for submitit's files, which are code: on a shared file system, yours alone
    cluster: Literal["slurm", "local"] = "slurm"  # local: submitit's processes on this machine, to try things out

    def start(self, options: RunOptions, jobs: int | None, threads: int, say: Callable[[str], None]) -> SlurmWorkers:
        try:
            import submitit
        except ImportError as error:
            raise Unavailable("the executor slurm needs submitit: pip install 'ganbench[slurm]'") from error
        if jobs is not None and jobs < 1:
            raise ConfigError(f"--jobs {jobs}: at least 1")
        asked = replace(
            options.resources,
            partition=self.partition or options.resources.partition,
            account=self.account or options.resources.account,
        )
        options = replace(options, resources=asked)
        folder = Path(self.folder).expanduser() / secrets.token_hex(4)
        try:
            folder.mkdir(mode=0o700, parents=True)
            executor = submitit.AutoExecutor(folder=folder, cluster=self.cluster)
        except OSError as error:
            raise ConfigError(f"slurm: no jobs can be submitted from here ({error})") from error
        except RuntimeError as error:  # without the commands of Slurm
            folder.rmdir()
            raise Unavailable(f"slurm: no jobs can be submitted from here ({error})") from error
        if gpus_of(options) % 1:
            say(f"slurm gives whole GPUs: a cell gets {whole(gpus_of(options))} instead of {gpus_of(options):g}")
        workers = SlurmWorkers(
            plugin=self, options=options, folder=folder, executor=executor, say=say, capacity=jobs or self.at_once
        )
        executor.update_parameters(**workers.parameters(threads))
        return workers


@dataclass(kw_only=True)
class Task(Errand):
    """What submitit runs on a node."""

    def checkpoint(self) -> Any:
        """Called on the signal before a preemption or the end of the time; what it returns is queued again."""
        import submitit

        exits = self.save()
        if exits and exits[0].code == 0:
            return None  # it has just finished
        return submitit.helpers.DelayedSubmission(replace(self, workers=None))


@dataclass(kw_only=True)
class Live:
    """A job that was submitted."""

    job: Job
    handle: Any  # submitit.Job
    started: float
    missing: int = 0  # looks in which it was not to be seen


@dataclass(kw_only=True)
class SlurmWorkers:
    plugin: Slurm
    options: RunOptions
    folder: Path
    executor: Any  # submitit.AutoExecutor
    say: Callable[[str], None]
    capacity: int
    waiting: list[Job] = field(default_factory=list)
    live: list[Live] = field(default_factory=list)
    looked: float = 0.0
    silent: bool = False  # the queue cannot be seen, and that was said

    def parameters(self, threads: int) -> dict[str, Any]:
        """Of jobs whose cells compute with so many threads, in submitit's words."""
        asked = self.options.resources
        common: dict[str, Any] = {
            "name": "ganbench",
            "timeout_min": max(1, whole(60 * (asked.hours or self.plugin.hours))),
            "cpus_per_task": asked.cpus or threads,
            "gpus_per_node": whole(gpus_of(self.options)),
        }
        if asked.memory_gib:
            common["mem_gb"] = asked.memory_gib
        if self.plugin.cluster == "local":
            return common
        named = {"partition": asked.partition, "account": asked.account}
        named |= {"qos": self.plugin.qos, "constraint": self.plugin.constraint}
        slurm = {f"slurm_{name}": value for name, value in named.items() if value}
        more = {"signal_delay_s": self.plugin.signal_seconds, "array_parallelism": self.capacity}
        more["additional_parameters"] = {"requeue": True}
        if not common["gpus_per_node"]:
            del common["gpus_per_node"]  # clusters without GPUs refuse the word
        return common | slurm | {f"slurm_{name}": value for name, value in more.items()}

    # --- jobs ------------------------------------------------------------------------------------------
    def submit(self, job: Job) -> None:
        """With the next poll, together with all others of that moment: as an array."""
        self.waiting.append(job)

    def running(self) -> list[Job]:
        return [*self.waiting, *(one.job for one in self.live)]

    def describe(self) -> str:
        asked = self.parameters(1)
        gpus = f", {asked['gpus_per_node']} GPU each" if asked.get("gpus_per_node") else ""
        where = self.options.resources.partition or "default partition"
        where = "submitit on this machine" if self.plugin.cluster == "local" else where
        return f"slurm, {where}, at most {self.capacity} jobs in the queue{gpus}"

    def poll(self) -> list[Exit]:
        self._send()
        if time.monotonic() - self.looked < self.plugin.look_seconds:
            return []
        self.looked = time.monotonic()
        return list(self._ended())

    def stop(self, seconds: float) -> list[Exit]:
        exits = [Exit(job=job, code=LOST, stopped=True) for job in self.waiting]
        self.waiting = []
        self._cancel()
        deadline = time.monotonic() + seconds
        while self.live and time.monotonic() < deadline:
            exits += self._ended(stopped=True)
            time.sleep(min(1.0, seconds / 10))
        if self.live:
            self._cancel("--signal=KILL", "--full")
            exits += [Exit(job=one.job, code=-9, stopped=True) for one in self.live]
            self.live = []
        if not list(self.folder.glob("*_log.*")):  # what failed leaves its logs
            shutil.rmtree(self.folder, ignore_errors=True)
        return exits

    def _send(self) -> None:
        while self.waiting:
            threads = self.waiting[0].threads
            alike = [job for job in self.waiting if job.threads == threads][: self.plugin.array_size]
            self.executor.update_parameters(**self.parameters(threads))
            handles = []
            try:
                with self.executor.batch():
                    handles = [self.executor.submit(errand(Task, job, self.options)) for job in alike]
            except Exception as error:  # submitit's, which has the words of sbatch
                self.silent = True
                kind = Unavailable if self._queue() is None else ConfigError  # nobody answers, or Slurm says no
                raise kind(f"slurm: the jobs were refused: {last_line(error)}") from error
            taken = {job.cell for job in alike}
            self.waiting = [job for job in self.waiting if job.cell not in taken]
            now = time.monotonic()
            self.live += [Live(job=j, handle=h, started=now) for j, h in zip(alike, handles, strict=True)]

    # --- how they end ------------------------------------------------------------------------------------
    def _ended(self, stopped: bool = False) -> Iterator[Exit]:
        """One listing of submitit's folder and one of the queue, however many jobs there are."""
        if not self.live:
            return
        queued = self._queue()
        names = {path.name for path in self.folder.iterdir()}
        alive = []
        for one in self.live:
            if f"{one.handle.job_id}_0_result.pkl" in names:
                yield self._result(one, stopped)
            elif one.missing >= GONE - 1 and queued is not None and one.handle.job_id not in queued:
                if not stopped:
                    self.say(f"{one.job.cell}: job {one.handle.job_id} is gone without a word")
                yield Exit(job=one.job, code=LOST, seconds=time.monotonic() - one.started, stopped=stopped)
            else:
                one.missing += queued is not None and one.handle.job_id not in queued
                alive.append(one)
        self.live = alive

    def _result(self, one: Live, stopped: bool) -> Exit:
        try:
            found = ended(one.job, one.handle.result(), stopped)
        except ConfigError:
            raise
        except Exception as error:  # the job broke before or after its cell, or was not queued again
            if not stopped:
                self.say(f"{one.job.cell}: job {one.handle.job_id}: {last_line(error)}")
            return Exit(job=one.job, code=LOST, seconds=time.monotonic() - one.started, stopped=stopped)
        for path in self.folder.glob(f"{one.handle.job_id}_*"):
            with contextlib.suppress(OSError):
                path.unlink()
        return found

    def _queue(self) -> set[str] | None:
        """Jobs of ours that wait or run; None when that cannot be told now."""
        if self.plugin.cluster == "local":
            return {one.handle.job_id for one in self.live if one.handle.state == "RUNNING"}
        try:
            command = ["squeue", "--noheader", "--array", "--format=%i", "--me"]
            said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=COMMAND_SECONDS).stdout
        except (OSError, subprocess.SubprocessError) as error:
            if not self.silent:
                self.say(f"the queue of Slurm cannot be seen ({last_line(error)}); jobs count as running")
            self.silent = True
            return None
        self.silent = False
        return set(said.split())

    def _cancel(self, *options: str) -> None:
        if self.plugin.cluster == "local":
            for one in self.live:
                one.handle.cancel(check=False)
            return
        ids = [one.handle.job_id for one in self.live]
        for start in range(0, len(ids), 200):
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                command = ["scancel", *options, *ids[start : start + 200]]
                subprocess.run(command, capture_output=True, timeout=COMMAND_SECONDS, check=False)


def last_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:300]
