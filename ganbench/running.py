"""One pass over the cells of a suite that are not finished: lease, submit, watch, and judge how each process ended.

A runner holds no truth in memory: it reads the results folder, starts cell processes, and looks at what they leave.
Several may share a folder; each cell is run by the one that has its lease (`ganbench.lease`).
"""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from types import FrameType
from typing import Any, Protocol

from ganbench import lease
from ganbench.api.cell import Cell, Suite
from ganbench.api.config import RunOptions
from ganbench.api.executor import Exit, Job, Workers
from ganbench.blame import last_place
from ganbench.cell_folder import CellFolder
from ganbench.errors import StoreError
from ganbench.prepare import Prepared
from ganbench.remaining import TO_RUN, Planned, Request, state_of
from ganbench.store import Store

ATTEMPTS = 3  # of a cell whose process is killed at one and the same checkpoint, until that counts as a failure
HANGS = 2  # the same for one that shows no progress
SHORTAGES = 2  # the same for one that the system kills for lack of memory; the second attempt runs alone
GRACE_SECONDS = 30.0  # for cells to save, once they are asked to stop
OTHERS_SECONDS = 1.0  # between two looks at what other runners do
PROGRESS_SECONDS = 0.01  # for each running cell, between two looks at all of them
NOT_SCORED = 73  # exit code of a finished cell that could not be scored again
DISK = 74  # exit code of a cell that could not write
REQUEUE = 75  # exit code of a cell, and of the runner, that saved and stopped
CROWDED = 76  # exit code of a cell that lacked memory on a GPU that it may have shared
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


@dataclass(kw_only=True)
class Run:
    """A run that is under way."""

    suite: Suite
    store: Store
    request: Request
    view: View
    workers: Workers
    leases: lease.Leases
    planned: list[Planned]
    prepared: Prepared | None
    started: float  # on the monotonic clock, preparation included
    queue: deque[Planned] = field(default_factory=deque)
    others: dict[str, Planned] = field(default_factory=dict)  # what another runner has, by cell
    alone: set[str] = field(default_factory=set)  # cells that get the memory for themselves
    versions: dict[str, tuple[int, int] | None] = field(default_factory=dict)  # of results that are to be made again
    deaths: Counter[tuple[str, int, str]] = field(default_factory=Counter)  # by cell, its last checkpoint, and cause
    damaged: dict[str, set[str]] = field(default_factory=dict)  # files set aside before a cell was started
    looked_at_others: float = 0.0
    looked_at_progress: float = 0.0
    said_waiting: bool = False
    stop_code: int | None = None
    stop_reason: str = ""

    # --- the loop --------------------------------------------------------------------------------------
    def work(self) -> None:
        """Submit and reap until nothing is left, or something asks to stop."""
        to_run = [p for p in self.planned if p.state in TO_RUN]
        self.queue = deque(sorted(to_run, key=lambda p: p.cell.seed))
        self.versions = {p.cell.id: p.folder.result_version() for p in to_run if p.result is not None}
        cells = {p.cell.id: p.cell for p in self.planned}
        try:
            while (self.queue or self.others or self.workers.running()) and self.stop_code is None:
                self.fill()
                for ended in self.workers.poll():
                    self.after(ended, cells[ended.job.cell])
                self.look_at_others()
                self.look_at_progress(cells)
                limit = self.request.max_seconds
                if limit is not None and time.monotonic() - self.started > limit:
                    self.stop(REQUEUE, f"the time limit of {limit / 3600:g} h is reached")
                if self.queue or self.others or self.workers.running():
                    time.sleep(0.1)
        except StoreError as error:
            self.stop(3, str(error))
        finally:
            if self.workers.running():
                self.view.say("stopping: running cells save what they have (again Ctrl-C: at once)")
            for ended in self.workers.stop(GRACE_SECONDS):
                try:
                    self.after(ended, cells[ended.job.cell])
                except StoreError as error:
                    self.stop(3, str(error))

    def look_at_progress(self, cells: dict[str, Cell]) -> None:
        """For who watches; with hundreds of cells less often, since a cluster's file system serves all of them."""
        running = [(cells[job.cell], CellFolder(job.folder)) for job in self.workers.running()]
        running += [(p.cell, p.folder) for p in self.others.values()]
        if time.monotonic() - self.looked_at_progress >= PROGRESS_SECONDS * len(running):
            self.looked_at_progress = time.monotonic()
            self.view.tick([(cell, folder.read_progress()) for cell, folder in running])

    def fill(self) -> None:
        while self.queue and self.stop_code is None:
            running = {job.cell for job in self.workers.running()}
            wants_all = self.queue[0].cell.id in self.alone or bool(running & self.alone)
            if len(running) >= self.workers.capacity or (wants_all and running):
                return
            self.begin(self.queue.popleft())

    def begin(self, planned: Planned) -> None:
        """Run a cell, unless another runner has it or has had it."""
        now = self.fresh(planned)
        if now.state in TO_RUN and self.leases.acquire(planned.folder.path) is None:
            self.others[planned.cell.id] = planned
            return
        now = self.fresh(planned)  # once more: only now it does not change any more
        if now.state in TO_RUN:
            self.submit(now)
        else:
            self.finished(now)

    def fresh(self, planned: Planned) -> Planned:
        """How far a cell is now. What --retry asks for is done once its result is another one."""
        same = planned.folder.result_version() == self.versions.get(planned.cell.id)
        return state_of(planned.cell, planned.folder, self.request if same else Request(), self.prepared)

    def options_of(self, cell: Cell) -> RunOptions:
        """One cell of each level checks whether it is deterministic: that of its first seed."""
        first = min(self.suite.baseline_seeds if cell.is_baseline else self.suite.seeds)
        options = self.suite.options
        return options if cell.seed == first else replace(options, self_check=False)

    def submit(self, planned: Planned) -> None:
        """Hand one cell to the executor."""
        held = self.leases.held[planned.folder.path]
        folder = replace(planned.folder, lease=held)
        if planned.state == "pending" and planned.result is not None:
            folder.forget()  # --retry
        folder.write_config(planned.cell, self.options_of(planned.cell), self.store.cache)
        attempt = {"event": "start", "state": planned.state, "runner": self.leases.name, "at": round(time.time(), 1)}
        folder.append_attempt(attempt)
        self.damaged[planned.cell.id] = folder.damaged()
        threads = planned.cell.config.training.threads
        argv = (sys.executable, "-m", "ganbench.process", str(folder.path), held.key)
        try:
            self.workers.submit(Job(cell=planned.cell.id, folder=folder.path, argv=argv, threads=threads))
        except OSError as error:
            raise StoreError(f"{planned.cell.id}: no process can be started ({error.strerror or error})") from error

    def look_at_others(self) -> None:
        """Cells of other runners: take in what they have finished, and take over what they have left."""
        if not self.others or time.monotonic() - self.looked_at_others < min(OTHERS_SECONDS, lease.SECONDS / 6):
            return
        self.looked_at_others = time.monotonic()
        for planned in list(self.others.values()):
            if self.leases.over(planned.folder.path) or self.fresh(planned).state not in TO_RUN:
                self.queue.append(self.others.pop(planned.cell.id))
        if self.others and not self.queue and not self.workers.running() and not self.said_waiting:
            self.said_waiting = True
            count = f"{len(self.others)} cell{'s are' if len(self.others) > 1 else ' is'}"
            self.view.say(f"{self.suite.folder}: {count} with other runners: waiting for them")

    # --- how a process ended -----------------------------------------------------------------------------
    def after(self, ended: Exit, cell: Cell) -> None:
        """What the end of a process means: a result, another attempt, or a failure."""
        held = self.leases.held[ended.job.folder]
        folder = CellFolder(ended.job.folder, held)
        if not folder.path.exists():
            raise StoreError(f"{folder.path}: is gone: No such file or directory")
        self.say_damage(cell, folder)
        if not lease.owned(held.place, held.number, held.sign.token):
            self.leases.release(held.place)
            self.others[cell.id] = state_of(cell, CellFolder(held.place), Request(), self.prepared)
            self.view.say(f"{cell.id}: this runner showed no life for too long, and another one has taken over")
            return
        folder.append_attempt({"event": "end", "code": ended.code, "seconds": round(ended.seconds, 1)})
        found = state_of(cell, CellFolder(folder.path), Request(), self.prepared)
        if found.state not in TO_RUN or ended.stopped:  # what is in the folder counts, whatever the exit code says
            self.finished(found)
        elif ended.code == DISK:
            self.finished(found)
            self.stop(3, f"{cell.id} could not write: {' '.join(folder.log_tail(1))}")
        elif ended.code == NOT_SCORED:
            self.finished(replace(found, state="stale", reason=" ".join(folder.log_tail(1))))
        else:
            self.died(ended, cell, folder, found)

    def died(self, ended: Exit, cell: Cell, folder: CellFolder, found: Planned) -> None:
        """A process ended without a result: once more, unless that has happened too often at one checkpoint."""
        how, cause, limit = death(ended, folder)
        place = (cell.id, folder.checkpoint_step(), cause)
        self.deaths[place] += 1
        if self.deaths[place] < limit:
            self.planned = [found if p.cell.id == cell.id else p for p in self.planned]
            self.leases.release(folder.path)  # the next attempt has one of its own: this process may only seem gone
            self.queue.append(found)
            self.alone |= {cell.id} if ended.out_of_memory else set()
            more = ", alone" if ended.out_of_memory else ""
            self.view.say(f"{cell.id}: {how}; it goes on from its last checkpoint{more}")
        elif ended.code == REQUEUE and not ended.reason:
            self.finished(replace(found, reason=f"asked to be requeued {limit} times without getting any further"))
        elif found.result is not None:  # a process that scores again and dies leaves a good result behind
            self.finished(replace(found, state="stale", reason=f"it could not be scored again: {how}, {limit} times"))
        else:
            failed = folder.failed(f"{how}, {limit} times")
            peak = max(failed.peak_memory_mib, ended.peak_memory_mib)
            folder.save_result(replace(failed, peak_memory_mib=peak))
            self.finished(state_of(cell, CellFolder(folder.path), Request(), None))

    def finished(self, now: Planned) -> None:
        """Nothing more to do for a cell in this run."""
        self.leases.release(now.folder.path)
        self.alone.discard(now.cell.id)
        self.planned = [now if p.cell.id == now.cell.id else p for p in self.planned]
        self.view.ended(now)
        if self.request.fail_fast and now.result is not None and now.result.status == "failed":
            self.stop(3, f"{now.cell.id} failed, and --fail-fast was given")

    def say_damage(self, cell: Cell, folder: CellFolder) -> None:
        for name in sorted(folder.damaged() - self.damaged.get(cell.id, set())):
            self.view.say(f"{cell.id}: {name.removesuffix('.corrupt')} was damaged: it was set aside as {name}")

    # --- stops -------------------------------------------------------------------------------------------
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

        with handling(on_signal, signal.SIGINT, signal.SIGTERM):
            yield

    def outcome(self) -> Outcome:
        code = self.stop_code
        if code is None:
            states = {p.state for p in self.planned}
            code = 3 if states & {"failed", "stale"} else REQUEUE if states & set(TO_RUN) else 0
        return Outcome(planned=self.planned, code=code, reason=self.stop_reason)


@contextlib.contextmanager
def handling(handler: Any, *numbers: signal.Signals) -> Iterator[None]:
    """Signals go to a handler; in a thread other than the main one (a notebook, a test) they do not."""
    try:
        earlier = {number: signal.signal(number, handler) for number in numbers}
    except ValueError:
        earlier = {}
    try:
        yield
    finally:
        for number, before in earlier.items():
            signal.signal(number, before)


def death(ended: Exit, folder: CellFolder) -> tuple[str, str, int]:
    """How a process ended: in words, the kind of it, and how often it may do so."""
    if ended.reason:
        return ended.reason + last_place(folder.log_tail(400)), "hang", HANGS
    if ended.out_of_memory:
        killed = f"the system killed the process at {ended.peak_memory_mib:.0f} MiB"
        return f"out of memory: {'it may share its GPU' if ended.code == CROWDED else killed}", "memory", SHORTAGES
    if ended.code >= 0:
        return f"the process ended with code {ended.code}", "end", ATTEMPTS
    try:
        name = signal.Signals(-ended.code).name
    except ValueError:
        name = f"signal {-ended.code}"
    where = last_place(folder.log_tail(400)) if name in ("SIGSEGV", "SIGBUS", "SIGFPE", "SIGABRT", "SIGILL") else ""
    return f"the process was killed by {name}{where}", "end", ATTEMPTS
