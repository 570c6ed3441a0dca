"""The conformance check of executors: the one that `ganbench new` writes passes, and each defect is told."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import ganbench
from ganbench import ConfigError, Executor, Exit, Job
from ganbench.testing import check_executor
from ganbench.testing.outcome import NotChecked
from ganbench_zoo.executors.local import Local


def template() -> ModuleType:
    path = Path(ganbench.__file__).parent / "templates" / "my_package" / "my_executor.py"
    spec = importlib.util.spec_from_file_location("my_executor", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["my_executor"] = module  # dataclasses look for it
    spec.loader.exec_module(module)
    return module


MINE: Any = template()
PLAIN = MINE.MyExecutor(prefix=("env",))


@pytest.mark.parametrize("executor", [PLAIN, Local(fork_server=False)], ids=["template", "local"])
def test_executors_that_work_pass(executor: Executor) -> None:
    check_executor(executor)


class ToldTwice(MINE.MyExecutorWorkers):
    def poll(self) -> list[Exit]:
        return [one for one in super().poll() for _ in range(2)]


class NoCode(MINE.MyExecutorWorkers):
    def poll(self) -> list[Exit]:
        return [replace(one, code=0) for one in super().poll()]


class NoLog(MINE.MyExecutorWorkers):
    def submit(self, job: Job) -> None:
        process = subprocess.Popen(job.argv, stdout=subprocess.DEVNULL)
        self.active[job.cell] = (job, process, 0.0)


class KillsAtOnce(MINE.MyExecutorWorkers):
    def stop(self, seconds: float) -> list[Exit]:
        for _, process, _ in self.active.values():
            process.kill()
            process.wait()
        return list(self.reap(stopped=True))


class Forgets(MINE.MyExecutorWorkers):
    def stop(self, seconds: float) -> list[Exit]:
        super().stop(seconds)
        return []


class NotSaid(MINE.MyExecutorWorkers):
    def stop(self, seconds: float) -> list[Exit]:
        return [replace(one, stopped=False) for one in super().stop(seconds)]


class NoRoom(MINE.MyExecutorWorkers):
    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.capacity = 0


DEFECTS = {
    ToldTwice: "must be told once|are told to have ended with",
    NoCode: "exit with 0 and 3",
    NoLog: "must stand in log.txt",
    KillsAtOnce: "must let jobs save",
    Forgets: "must return the exit",
    NotSaid: "says so: stopped=True",
    NoRoom: "capacity must be at least 1",
}


@dataclass(frozen=True, kw_only=True)
class Defective(MINE.MyExecutor):
    workers: Any = None

    def start(self, *given: Any) -> Any:
        return self.workers(prefix=(), capacity=2)


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda one: one.__name__)
def test_a_defect_is_told(defect: Any) -> None:
    with pytest.raises(AssertionError, match=DEFECTS[defect]):
        check_executor(Defective(workers=defect))


def test_one_that_cannot_start_here_is_not_judged() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Nowhere(Executor):
        def start(self, *given: Any) -> Any:
            raise ConfigError("no cluster")

    with pytest.raises(NotChecked, match="no cluster"):
        check_executor(Nowhere())


class Unanswered(MINE.MyExecutorWorkers):
    """A cluster whose commands are installed here, and nobody answers them."""

    def poll(self) -> list[Exit]:
        raise ConfigError("the jobs were refused: no controller")


def test_one_whose_cluster_takes_no_jobs_is_not_judged() -> None:
    with pytest.raises(NotChecked, match=r"^it takes no jobs here: the jobs were refused: no controller$"):
        check_executor(Defective(workers=Unanswered))


class BreaksLater(MINE.MyExecutorWorkers):
    """A cluster that has run jobs, and then takes no more."""

    def submit(self, job: Job) -> None:
        if job.cell == "long":
            raise ConfigError("full")
        super().submit(job)


def test_one_that_ran_jobs_and_then_takes_none_is_judged() -> None:
    with pytest.raises(ConfigError, match="full"):
        check_executor(Defective(workers=BreaksLater))
