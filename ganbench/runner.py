"""One suite: prepare, see which cells remain, hand them to an executor, keep going when one fails.

The runner holds no truth in memory: it reads the results folder, starts cell processes, and looks at what they leave.
Killing it at any time loses nothing but time.
"""

from __future__ import annotations

import contextlib
import fnmatch
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Literal, Protocol, cast

from ganbench import registry
from ganbench.api.cell import Cell, RunResult, Suite
from ganbench.api.config import Json, PluginSpec
from ganbench.api.executor import Executor, Exit, Job, Workers
from ganbench.device import pick
from ganbench.errors import ConfigError, NothingMatched
from ganbench.files import plain
from ganbench.prepare import Prepared, group_of, prepare
from ganbench.provenance import changed_since, evaluation_key
from ganbench.store import CellFolder, Store
from ganbench.suite import check, dump, expand

State = Literal["pending", "resume", "rescore", "stale", "done", "diverged", "collapsed", "failed", "skipped"]
TO_RUN: tuple[State, ...] = ("pending", "resume", "rescore")
ATTEMPTS = 3  # of a cell whose process is killed, until that counts as a failure
GRACE_SECONDS = 30.0  # for cells to save, once they are asked to stop
DISK = 74  # exit code of a cell that could not write
REQUEUE = 75  # exit code of a cell, and of the runner, that saved and stopped
INTERRUPTED = 130


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the command line asks for, besides the suite."""

    jobs: int | None = None  # cells at once; None: the executor decides
    executor: PluginSpec = PluginSpec(name="local")
    cells: str | None = None  # glob over cell ids
    retry: frozenset[str] = frozenset()  # of: failed, stale
    fail_fast: bool = False
    max_seconds: float | None = None  # save and stop in time


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A cell and how far it is."""

    cell: Cell
    folder: CellFolder
    state: State
    result: RunResult | None = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a run of a suite ended."""

    planned: list[Planned]  # as they are now
    code: int  # exit code of CONTRACT: 0, 3, 75 or 130
    reason: str = ""  # why it stopped early


class View(Protocol):
    """Who watches a run: the terminal, a notebook, or nobody."""

    def say(self, message: str) -> None: ...
    def begin(self, suite: Suite, planned: Sequence[Planned], where: str) -> None: ...
    def tick(self, running: Sequence[tuple[Cell, dict[str, Any] | None]]) -> None: ...
    def ended(self, planned: Planned) -> None: ...
    def finish(self) -> None: ...


# --- which cells remain ------------------------------------------------------------------------------------
def plan_suite(suite: Suite, store: Store, request: Request, prepared: Prepared | None = None) -> list[Planned]:
    """Every cell with its state; writes nothing, and works without the data (then a change of data goes unnoticed)."""
    folder = store.suite(suite.folder)
    cells = check(expand(suite))
    if request.cells is not None:
        cells = [cell for cell in cells if fnmatch.fnmatchcase(cell.id, request.cells)]
        if not cells:
            raise NothingMatched(f"--cells {request.cells!r}: no cell of {suite.folder} is called so")
    return [state_of(cell, folder.cell(cell.id), request, prepared) for cell in cells]


def state_of(cell: Cell, folder: CellFolder, request: Request, prepared: Prepared | None) -> Planned:
    """What there is of a cell, and whether it still holds."""
    result = folder.load_result()
    state: State
    reason = result.reason if result else ""
    if cell.conflict is not None:
        state, reason = "skipped", cell.conflict
    elif result is None:
        state = "resume" if folder.has_checkpoint() else "pending"
    elif result.status == "failed" and "failed" in request.retry:
        state = "pending"  # also when its plugin has changed since: that is how failures are mended
    elif changed := what_changed(cell, folder, prepared):
        state, reason = ("pending" if "stale" in request.retry else "stale"), changed
    elif result.status in ("done", "collapsed") and evaluation_changed(cell, result, prepared):
        state, reason = "rescore", "the evaluation has changed"
    else:
        state = result.status
    return Planned(cell=cell, folder=folder, state=state, result=result, reason=reason)


def what_changed(cell: Cell, folder: CellFolder, prepared: Prepared | None) -> str:
    """Which plugin, or the data, has changed since the cell was trained; empty when nothing has."""
    origin = folder.read_provenance()
    if origin is None:
        return ""
    return changed_since(origin, cell.config, prepared.of(cell).digest("train") if prepared else None)


def evaluation_changed(cell: Cell, result: RunResult, prepared: Prepared | None) -> bool:
    if prepared is None:
        return False
    return result.evaluation != evaluation_key(cell.evaluation, prepared.of(cell).extractor_plugin.digest())


# --- a run -------------------------------------------------------------------------------------------------
def run_suite(suite: Suite, store: Store, request: Request, view: View) -> Outcome:
    """Run what is not finished; the same call again continues. One failure stops nothing, unless `fail_fast`."""
    started = time.monotonic()
    folder = store.suite(suite.folder)
    everything = plan_suite(suite, store, Request())
    refuse_broken_baseline(everything)
    chosen = plan_suite(suite, store, request) if request.cells else everything
    runnable = [planned.cell for planned in chosen if planned.state != "skipped"]
    prepared = prepare(runnable, device=pick(suite.options.device), cache=store.cache, say=view.say)
    folder.write_plan(
        dump(suite),
        {
            "cells": [planned_cell(one.cell, prepared) for one in everything],
            "keys": [plain(key) for key in prepared.keys],
            "notes": plain(prepared.notes),
        },
    )
    planned = plan_suite(suite, store, request, prepared)
    executor = cast(Executor, registry.make("executor", request.executor))
    workers = executor.start(suite.options, request.jobs, view.say)
    view.begin(suite, planned, workers.describe())
    run = Run(
        suite=suite,
        store=store,
        request=request,
        view=view,
        workers=workers,
        planned=list(planned),
        started=started,
    )
    try:
        with run.signals():
            run.work()
    finally:
        view.finish()
    return run.outcome()


def planned_cell(cell: Cell, prepared: Prepared) -> dict[str, Json]:
    """What plan.json says of a cell: with `evaluation` a report sees which results were scored otherwise."""
    said: dict[str, Json] = plain(
        {"id": cell.id, "levels": cell.levels, "seed": cell.seed, "conflict": cell.conflict, "weights": ""}
    )
    real = prepared.reals.get(group_of(cell))
    if cell.conflict is None and real is not None:
        weights = real.extractor_plugin.digest()
        said |= {"weights": weights, "evaluation": evaluation_key(cell.evaluation, weights)}
    return said


def refuse_broken_baseline(planned: Sequence[Planned]) -> None:
    """Without a baseline there is nothing to compare with, so it must not be skipped like any other level."""
    for one in planned:
        if one.cell.is_baseline and one.cell.conflict:
            raise ConfigError(f"{one.cell.suite}: the baseline cannot run: {one.cell.conflict}")


@dataclass(kw_only=True)
class Run:
    """A run that is under way."""

    suite: Suite
    store: Store
    request: Request
    view: View
    workers: Workers
    planned: list[Planned]
    started: float  # on the monotonic clock, preparation included
    crashes: dict[str, int] = field(default_factory=dict)  # cell -> processes that died in this run
    stop_code: int | None = None
    stop_reason: str = ""

    def work(self) -> None:
        """Submit and reap until nothing is left, or something asks to stop."""
        queue = deque(sorted((p for p in self.planned if p.state in TO_RUN), key=lambda p: p.cell.seed))
        cells = {p.cell.id: p.cell for p in self.planned}
        try:
            while (queue or self.workers.running()) and self.stop_code is None:
                while queue and len(self.workers.running()) < self.workers.capacity:
                    self.submit(queue.popleft())
                for ended in self.workers.poll():
                    self.after(ended, cells[ended.job.cell], queue)
                running = self.workers.running()
                self.view.tick([(cells[job.cell], CellFolder(job.folder).read_progress()) for job in running])
                limit = self.request.max_seconds
                if limit is not None and time.monotonic() - self.started > limit:
                    self.stop(REQUEUE, f"the time limit of {limit / 3600:g} h is reached")
                time.sleep(0.1)
        finally:
            if self.workers.running():
                self.view.say("stopping: running cells save what they have (again Ctrl-C: at once)")
                for ended in self.workers.stop(GRACE_SECONDS):
                    self.after(ended, cells[ended.job.cell], queue)

    def submit(self, planned: Planned) -> None:
        """Hand one cell to the executor."""
        folder = planned.folder
        if planned.state == "pending" and planned.result is not None:
            folder.forget()  # --retry
        folder.write_config(planned.cell, self.suite.options, self.store.cache)
        folder.append_attempt({"event": "start", "state": planned.state, "at": round(time.time(), 1)})
        threads = planned.cell.config.training.threads
        argv = (sys.executable, "-m", "ganbench.process", str(folder.path))
        self.workers.submit(Job(cell=planned.cell.id, folder=folder.path, argv=argv, threads=threads))

    def after(self, ended: Exit, cell: Cell, queue: deque[Planned]) -> None:
        """What the end of a process means: a result, another attempt, or a failure."""
        folder = CellFolder(ended.job.folder)
        folder.append_attempt({"event": "end", "code": ended.code, "seconds": round(ended.seconds, 1)})
        found = state_of(cell, folder, Request(), None)
        if ended.code == 0 or (ended.stopped and found.result is not None):
            self.replace(found)
        elif ended.code == DISK:
            self.replace(found)
            self.stop(3, f"{cell.id} could not write: {' '.join(folder.log_tail(1))}")
        elif ended.code == 2 and found.result is not None:  # generators for re-scoring were not kept
            self.replace(Planned(cell=cell, folder=folder, state="stale", reason=" ".join(folder.log_tail(1))))
        elif ended.stopped:
            self.replace(found)
        elif ended.code != REQUEUE and self.crashed(ended, cell):
            reason = f"{ended.reason or death(ended.code)}, {ATTEMPTS} times"
            folder.save_result(RunResult(status="failed", reason=reason))
            self.replace(state_of(cell, folder, Request(), None))
        else:
            queue.append(found)
            self.view.say(f"{cell.id}: {ended.reason or death(ended.code)}; it goes on from its last checkpoint")
            return
        if self.request.fail_fast and folder_failed(folder) and not ended.stopped:
            self.stop(3, f"{cell.id} failed, and --fail-fast was given")

    def crashed(self, ended: Exit, cell: Cell) -> bool:
        """Count a death; whether it was one too many."""
        self.crashes[cell.id] = self.crashes.get(cell.id, 0) + 1
        return self.crashes[cell.id] >= ATTEMPTS

    def replace(self, now: Planned) -> None:
        self.planned = [now if p.cell.id == now.cell.id else p for p in self.planned]
        self.view.ended(now)

    def stop(self, code: int, reason: str) -> None:
        if self.stop_code is None:
            self.stop_code, self.stop_reason = code, reason

    @contextlib.contextmanager
    def signals(self) -> Iterator[None]:
        """First Ctrl-C: cells save and stop. Second: at once."""

        def on_signal(number: int, frame: FrameType | None) -> None:
            if self.stop_code is not None and number == signal.SIGINT:
                self.workers.stop(0.0)
                raise KeyboardInterrupt
            code = INTERRUPTED if number == signal.SIGINT else REQUEUE
            self.stop(code, "interrupted" if number == signal.SIGINT else f"received {signal.Signals(number).name}")

        numbers = [signal.SIGINT, signal.SIGTERM]
        try:
            earlier = {number: signal.signal(number, on_signal) for number in numbers}
        except ValueError:  # not the main thread: a notebook or a test
            earlier = {}
        try:
            yield
        finally:
            for number, handler in earlier.items():
                signal.signal(number, handler)

    def outcome(self) -> Outcome:
        code = self.stop_code
        if code is None:
            code = 3 if any(p.state in ("failed", "stale", *TO_RUN) for p in self.planned) else 0
        return Outcome(planned=self.planned, code=code, reason=self.stop_reason)


def folder_failed(folder: CellFolder) -> bool:
    result = folder.load_result()
    return result is not None and result.status == "failed"


def death(code: int) -> str:
    """How a process ended, in words."""
    if code >= 0:
        return f"the process ended with code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"the process was killed by {name}" + (" (out of memory?)" if code == -signal.SIGKILL else "")
