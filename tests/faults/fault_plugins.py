"""An executor whose cells are forks of this process: stubs that need no torch of their own, or real cells.

What goes wrong in a stub, and where, says GANBENCH_FAULT: `kind:where:step:once`, such as `kill:x-b-s0:7:once`; where
is the beginning of a cell's id, or `*`.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ganbench import Executor, Job, RunOptions, process
from ganbench.api.cell import RunResult
from ganbench.cell_folder import CellFolder
from ganbench.errors import Interrupted, StoreError
from ganbench.files import is_full
from ganbench.lease import Lease
from ganbench_zoo.executors.local import LocalWorkers

ENTRY_POINTS = "[ganbench.executors]\nforking = fault_plugins:Forking\n"
STEPS, CHECKPOINT, SNAPSHOT = 20, 5, 4  # of a stub, between two checkpoints, between two evaluations


def announce(folder: Path) -> str:
    """Write the entry points of this file into a folder; returns it and that of this file."""
    home = folder / "fault_plugins-1.0.dist-info"
    home.mkdir(parents=True, exist_ok=True)
    (home / "METADATA").write_text("Metadata-Version: 2.1\nName: fault-plugins\nVersion: 1.0\n")
    (home / "entry_points.txt").write_text(ENTRY_POINTS)
    return os.pathsep.join([str(Path(__file__).parent), str(folder)])


# --- the executor --------------------------------------------------------------------------------------
@dataclass(frozen=True, kw_only=True)
class Forking(Executor):
    """Local, with cells that are forks of the runner."""

    real: bool = False  # cells as they are, not stubs
    step_seconds: float = 0.002  # of a stub

    def start(self, options: RunOptions, jobs: int | None, threads: int, say: Callable[[str], None]) -> LocalWorkers:
        return ForkingWorkers(options=options, wanted=jobs, say=say, plugin=self)


@dataclass
class ForkingWorkers(LocalWorkers):
    plugin: Forking = field(default_factory=Forking)

    def _fork(self, job: Job, environment: dict[str, str]) -> Any:
        cell = process.main if self.plugin.real else lambda words: stub(*words, seconds=self.plugin.step_seconds)
        return Child(pid=fork(lambda: cell(list(job.argv[3:])), job.folder / "log.txt"))


@dataclass
class Child:
    """A forked process; has what LocalWorkers needs of a subprocess.Popen."""

    pid: int
    code: int | None = None

    def poll(self) -> int | None:
        if self.code is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            self.code = os.waitstatus_to_exitcode(status) if ended else None
        return self.code

    def send_signal(self, number: int) -> None:
        if self.code is None:
            os.kill(self.pid, number)

    def wait(self, seconds: float = 120.0) -> int:
        deadline = time.monotonic() + seconds
        while (code := self.poll()) is None:
            assert time.monotonic() < deadline, "it did not end"
            time.sleep(0.01)
        return code


def fork(work: Callable[[], int], log: Path) -> int:
    """A process in a session of its own that does this, prints into a file, and ends."""
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(output, 1)
        os.dup2(output, 2)
        sys.stdout, sys.stderr = (open(number, "w", buffering=1, closefd=False) for number in (1, 2))  # noqa: SIM115
        os.environ["GANBENCH_RUNNER"] = str(parent)
        code = work()
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException as error:
        import traceback

        traceback.print_exception(error)
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


# --- a cell that trains nothing --------------------------------------------------------------------------
def stub(path: str, key: str, seconds: float) -> int:
    """Writes and reads what a cell writes and reads, through the same functions; its numbers depend on its id alone."""
    folder = CellFolder(Path(path), Lease.joined(Path(path), key))
    stopped: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: stopped.append(number))
    process.explain_crashes()
    process.follow_parent(folder)
    try:
        folder.tidy()
        return train(folder, seconds, stopped)
    except Interrupted as error:
        print(error)
        return process.REQUEUE
    except (OSError, StoreError) as error:
        print(error)
        return process.DISK if is_full(error) or isinstance(error, StoreError) else 1


def train(folder: CellFolder, seconds: float, stopped: list[int]) -> int:
    held = folder.read_checkpoint()
    state = json.loads(held) if held else {"step": 0, "value": folder.id, "snapshots": 0}
    if state["snapshots"] > len(folder.snapshots()):
        state = {"step": 0, "value": folder.id, "snapshots": 0}
    folder.rewind(state["step"] if held else -1, state["snapshots"])
    note(folder, f"resumed {folder.id} {state['step']}")
    while state["step"] < STEPS:
        misbehave(folder, state["step"])
        time.sleep(seconds)
        value = hashlib.sha256(state["value"].encode()).hexdigest()
        state = state | {"step": state["step"] + 1, "value": value}
        note(folder, f"step {folder.id} {state['step']}")
        folder.append_history({"step": state["step"], "D/loss": number(value)})
        folder.write_progress({"step": state["step"], "progress": state["step"] / STEPS, "peak_memory_mib": 7.0})
        if state["step"] % SNAPSHOT == 0:
            folder.append_snapshot({"step": state["step"], "metrics": {"colour": number(value)}})
            state["snapshots"] += 1
        if state["step"] % CHECKPOINT == 0 or stopped:
            folder.write_checkpoint(state["step"], (json.dumps(state) + " " * 5000).encode())
        if stopped:
            return process.REQUEUE
    planned = json.loads((folder.path.parent.parent / "plan.json").read_text())["cells"]
    evaluation = next(cell["evaluation"] for cell in planned if cell["id"] == folder.id)
    scores = [snapshot["metrics"]["colour"] for snapshot in folder.snapshots()[-3:]]
    result = RunResult(
        status="done", metrics={"colour": sum(scores) / 3}, steps=STEPS, seconds=1.0, evaluation=evaluation
    )
    folder.save_result(result)
    note(folder, f"finished {folder.id}")
    folder.drop_checkpoints()
    return 0


def number(value: str) -> float:
    return 1 + int(value[:6], 16) / 2**24


def note(folder: CellFolder, line: str) -> None:
    """What was really done, by whomever; beside the results, for tests to count."""
    with (folder.path.parent.parent.parent / "work.log").open("a") as file:
        file.write(line + "\n")


def misbehave(folder: CellFolder, step: int) -> None:
    kind, where, at, often = (*os.environ.get("GANBENCH_FAULT", "").split(":"), "", "", "")[:4]
    if not kind or (where != "*" and not folder.id.startswith(where)) or step < int(at):
        return
    done = folder.path / "misbehaved"
    if often == "once" and done.exists():
        return
    done.touch()
    match kind:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "segfault":
            ctypes.string_at(0)
        case "exit":
            os._exit(3)
        case "spin":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            while True:
                pass
        case "sleep":
            time.sleep(1e6)
        case "grandchild":  # it holds the log open, and outlives its parent unless it is killed as well
            pid = os.fork()
            if pid == 0:
                time.sleep(1e6)
            (folder.path / "grandchild").write_text(str(pid))
            time.sleep(1e6)
        case "print":
            for _ in range(100):
                print("x" * 99_999)
            time.sleep(1.5)
        case "pause":
            time.sleep(0.3)
        case _:
            raise AssertionError(kind)
