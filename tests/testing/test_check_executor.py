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
from ganbench import ConfigError, Executor, Exit, Job, RunOptions, Unavailable
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


@dataclass(frozen=True, kw_only=True)
class Nowhere(Executor):
    error: Any = Unavailable

    def start(self, *given: Any) -> Any:
        raise self.error("no cluster")


class Unanswered(MINE.MyExecutorWorkers):
    """A cluster whose commands are installed here, and nobody answers them."""

    error: Any = Unavailable

    def poll(self) -> list[Exit]:
        raise self.error("the jobs were refused: no controller")


class Refusing(Unanswered):
    """One that hands on whatever went wrong."""

    error = ConfigError


def test_one_that_says_that_what_it_runs_on_is_not_here_is_not_judged() -> None:
    with pytest.raises(NotChecked, match=r"^it cannot start here: no cluster$"):
        check_executor(Nowhere())
    with pytest.raises(NotChecked, match=r"^it takes no jobs here: the jobs were refused: no controller$"):
        check_executor(Defective(workers=Unanswered))


def test_one_that_refuses_for_another_reason_is_broken() -> None:
    with pytest.raises(AssertionError, match=r"^it cannot start: no cluster \(where .* raise Unavailable\)$"):
        check_executor(Nowhere(error=ConfigError))
    with pytest.raises(AssertionError, match=r"^it takes no jobs: the jobs were refused: no controller \(where"):
        check_executor(Defective(workers=Refusing))


class Loses(MINE.MyExecutorWorkers):
    def poll(self) -> list[Exit]:
        return [replace(one, code=75) for one in super().poll()]


def test_what_it_said_stands_beside_exit_codes_that_are_wrong() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Telling(Defective):
        def start(self, options: RunOptions, jobs: int | None, threads: int, say: Any) -> Any:
            say("job 77_0 is gone without a word")
            return super().start()

    with pytest.raises(AssertionError, match=r"ended with .*75.*; it said: job 77_0 is gone without a word$"):
        check_executor(Telling(workers=Loses))


class Littering(MINE.MyExecutorWorkers):
    """It keeps files of its own, and none of them goes."""

    place: Path

    def submit(self, job: Job) -> None:
        assert self.place.is_dir()
        (self.place / job.cell).touch()
        super().submit(job)


@pytest.mark.parametrize("kind", [str, Path])
def test_files_of_its_own_lie_in_a_temporary_folder(kind: Any, tmp_path: Path) -> None:
    made = []

    @dataclass(frozen=True, kw_only=True)
    class Keeping(Defective):
        folder: kind = kind(tmp_path / "jobs")  # type: ignore[valid-type]

        def start(self, *given: Any) -> Any:
            made.append(super().start())
            made[-1].place = Path(self.folder)
            assert type(self.folder) is type(kind(tmp_path))
            return made[-1]

    class LitteringAndBroken(Littering, NoLog):
        pass

    check_executor(Keeping(workers=Littering))
    with pytest.raises(AssertionError):
        check_executor(Keeping(workers=LitteringAndBroken))
    assert len(made) == 2 and not any(workers.place.exists() for workers in made) and not list(tmp_path.iterdir())


class BreaksLater(MINE.MyExecutorWorkers):
    """A cluster that has run jobs, and then takes no more."""

    def submit(self, job: Job) -> None:
        if job.cell == "long":
            raise ConfigError("full")
        super().submit(job)


def test_one_that_ran_jobs_and_then_takes_none_is_judged() -> None:
    with pytest.raises(ConfigError, match="full"):
        check_executor(Defective(workers=BreaksLater))
