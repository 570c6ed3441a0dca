"""One suite: prepare, see which cells remain, hand them to an executor, keep going when one fails.

The runner holds no truth in memory: it reads the results folder, starts cell processes, and looks at what they leave.
Killing it at any time loses nothing but time.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from types import FrameType
from typing import Any, Protocol, cast

from ganbench import registry
from ganbench.api.cell import Cell, RunResult, Suite
from ganbench.api.config import Json
from ganbench.api.executor import Executor, Exit, Job, Workers
from ganbench.device import pick
from ganbench.errors import ConfigError, GanbenchError
from ganbench.files import plain
from ganbench.prepare import Prepared, group_of, prepare
from ganbench.provenance import evaluation_key, protocol_digest
from ganbench.remaining import TO_RUN, Planned, Request, plan_suite, state_of
from ganbench.report.looks import Looks, declare, level_key, second_look
from ganbench.report.pipeline import summary_of
from ganbench.store import CellFolder, Store, SuiteFolder
from ganbench.suite import dump

__all__ = ["TO_RUN", "Outcome", "Planned", "Request", "View", "plan_suite", "run_suite"]

ATTEMPTS = 3  # of a cell whose process is killed, until that counts as a failure
GRACE_SECONDS = 30.0  # for cells to save, once they are asked to stop
NOT_SCORED = 73  # exit code of a finished cell that could not be scored again
DISK = 74  # exit code of a cell that could not write
REQUEUE = 75  # exit code of a cell, and of the runner, that saved and stopped
INTERRUPTED = 130


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


# --- a run -------------------------------------------------------------------------------------------------
def run_suite(suite: Suite, store: Store, request: Request, view: View) -> Outcome:
    """Run what is not finished; the same call again continues. One failure stops nothing, unless `fail_fast`.

    A suite with a `top_up` goes on with its second look, for what the first has left open.
    """
    started = time.monotonic()
    folder = store.suite(suite.folder)
    everything = plan_suite(suite, store, Request())
    refuse_broken_baseline(everything)
    earlier = Looks.read(folder)
    looks = declare(suite, [one.cell for one in everything], earlier, any(one.result for one in everything))
    looks.write(folder)
    if earlier is not None and earlier.second != looks.second:
        everything = plan_suite(suite, store, Request())
    folder.adopt(planned.cell for planned in everything)
    runnable = [planned.cell for planned in everything if planned.state != "skipped"]
    prepared = prepare(runnable, device=pick(suite.options.device), cache=store.cache, say=view.say)
    while True:
        write_plan(suite, folder, everything, prepared)
        run = carry_out(suite, store, request, view, prepared, started)
        more = next_look(suite, folder, looks, view) if run.stop_code is None else None
        if more is None:
            return run.outcome()
        looks, request = more, replace(request, retry=frozenset())  # what has failed again is not tried once more
        everything = plan_suite(suite, store, Request())


def carry_out(suite: Suite, store: Store, request: Request, view: View, prepared: Prepared, started: float) -> Run:
    """One pass over what is not finished."""
    planned = plan_suite(suite, store, request, prepared)
    executor = cast(Executor, registry.make("executor", request.executor))
    threads = max(one.cell.config.training.threads for one in planned)
    workers = executor.start(suite.options, request.jobs, threads, view.say)
    view.begin(suite, planned, workers.describe())
    run = Run(
        suite=suite,
        store=store,
        request=request,
        view=view,
        workers=workers,
        planned=planned,
        prepared=prepared,
        started=started,
    )
    try:
        with run.signals():
            run.work()
    finally:
        view.finish()
    return run


def write_plan(suite: Suite, folder: SuiteFolder, everything: Sequence[Planned], prepared: Prepared) -> None:
    folder.write_plan(
        dump(suite),
        {
            "cells": [planned_cell(one.cell, prepared) for one in everything],
            "keys": [plain(key) for key in prepared.keys],
            "notes": plain(prepared.notes),
        },
    )


def next_look(suite: Suite, folder: SuiteFolder, looks: Looks, view: View) -> Looks | None:
    """Once all seeds of the first look are in: record which comparisons it leaves open. Those get the top-up."""
    if suite.top_up is None or looks.second is not None:
        return None
    try:
        more = second_look(suite, summary_of(folder), looks)
    except GanbenchError as error:  # the cells are done all the same, and the report says the same
        view.say(f"no second look: {error}")
        return None
    if more is not None and more.second is not None:
        more.write(folder)
        names = ", ".join(more.second.levels)
        view.say(f"first look: {len(more.second.levels)} undecided ({names}); they and the baseline get the top-up")
    return more


def planned_cell(cell: Cell, prepared: Prepared) -> dict[str, Json]:
    """What plan.json says of a cell: with `evaluation` a report sees which results were scored otherwise."""
    said: dict[str, Json] = plain(
        {"id": cell.id, "levels": cell.levels, "seed": cell.seed, "conflict": cell.conflict, "protocol": ""}
    )
    said["level_key"] = level_key(cell)
    if cell.conflict is None:
        measured = protocol_digest(prepared.protocols[group_of(cell)])
        said |= {"protocol": measured, "evaluation": evaluation_key(cell.evaluation, measured)}
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
    prepared: Prepared | None
    started: float  # on the monotonic clock, preparation included
    ends: dict[tuple[str, int], int] = field(
        default_factory=dict
    )  # cell and its last checkpoint -> processes that died
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
        found = state_of(cell, folder, Request(), self.prepared)
        how = ended.reason or death(ended.code)
        if found.state not in TO_RUN or ended.stopped:  # what is in the folder counts, whatever the exit code says
            self.replace(found)
        elif ended.code == DISK:
            self.replace(found)
            self.stop(3, f"{cell.id} could not write: {' '.join(folder.log_tail(1))}")
        elif ended.code == NOT_SCORED:
            self.replace(replace(found, state="stale", reason=" ".join(folder.log_tail(1))))
        elif self.gets_further(cell, folder):
            self.planned = [found if p.cell.id == cell.id else p for p in self.planned]
            queue.append(found)
            self.view.say(f"{cell.id}: {how}; it goes on from its last checkpoint")
        elif ended.code == REQUEUE:
            self.replace(replace(found, reason=f"asked to be requeued {ATTEMPTS} times without getting any further"))
        elif found.result is not None:  # a process that scores again and dies leaves a good result behind
            self.replace(replace(found, state="stale", reason=f"it could not be scored again: {how}, {ATTEMPTS} times"))
        else:
            folder.save_result(RunResult(status="failed", reason=f"{how}, {ATTEMPTS} times"))
            self.replace(state_of(cell, folder, Request(), None))
        if self.request.fail_fast and folder_failed(folder) and not ended.stopped:
            self.stop(3, f"{cell.id} failed, and --fail-fast was given")

    def gets_further(self, cell: Cell, folder: CellFolder) -> bool:
        """Count the end of a process without a result: whether fewer than ATTEMPTS ended at the same checkpoint."""
        place = (cell.id, folder.checkpoint_step())
        self.ends[place] = self.ends.get(place, 0) + 1
        return self.ends[place] < ATTEMPTS

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
            states = {p.state for p in self.planned}
            code = 3 if states & {"failed", "stale"} else REQUEUE if states & set(TO_RUN) else 0
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
