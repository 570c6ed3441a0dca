"""One suite: prepare, see which cells remain, hand them to an executor, keep going when one fails.

Killing it at any time loses nothing but time, and several may work on one results folder.
"""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib import metadata
from types import FrameType
from typing import NoReturn, cast

from ganbench import registry
from ganbench.api.cell import Cell, Suite
from ganbench.api.config import Json
from ganbench.api.executor import Executor
from ganbench.device import pick
from ganbench.errors import ConfigError, GanbenchError
from ganbench.files import plain
from ganbench.lease import Leases
from ganbench.prepare import Prepared, group_of, prepare
from ganbench.provenance import evaluation_key, protocol_digest
from ganbench.remaining import TO_RUN, Planned, Request, plan_suite
from ganbench.report.environments import continuing
from ganbench.report.looks import Looks, declare, level_key, second_look
from ganbench.report.pipeline import summary_of
from ganbench.running import REQUEUE, Outcome, Run, View, handling
from ganbench.store import Store, SuiteFolder
from ganbench.suite import dump
from ganbench.version import __version__

__all__ = ["TO_RUN", "Outcome", "Planned", "Request", "View", "plan_suite", "run_suite"]


class Terminated(BaseException):
    """SIGTERM, before any cell runs."""


# --- a run -------------------------------------------------------------------------------------------------
def run_suite(suite: Suite, store: Store, request: Request, view: View) -> Outcome:
    """Run what is not finished; the same call again continues. One failure stops nothing, unless `fail_fast`.

    A suite with a `top_up` goes on with its second look, for what the first has left open.
    """

    def on_signal(number: int, frame: FrameType | None) -> NoReturn:
        raise Terminated

    with contextlib.closing(Leases()) as leases, handling(on_signal, signal.SIGTERM):
        try:
            return in_passes(suite, store, request, view, leases)
        except Terminated:
            return Outcome(planned=[], code=REQUEUE, reason="received SIGTERM")


def in_passes(suite: Suite, store: Store, request: Request, view: View, leases: Leases) -> Outcome:
    """Prepare, and one pass over the cells; a second one when the first look leaves something open."""
    started = time.monotonic()
    folder = store.suite(suite.folder)
    known = Looks.read(folder)
    everything = plan_suite(suite, store, Request())
    refuse_broken_baseline(everything)

    def waiting() -> None:
        view.say(f"{suite.folder}: another runner is preparing it: waiting")

    with leases.hold(folder.path, waiting):  # what is read and then written must not change in between
        earlier = Looks.read(folder)
        if earlier != known:  # another runner was faster
            everything = plan_suite(suite, store, Request())
        begun = any(one.folder.result_version() for one in everything)
        looks = declare(suite, [one.cell for one in everything], earlier, begun)
        looks.write(folder)
        if earlier is not None and earlier.second != looks.second:
            everything = plan_suite(suite, store, Request())
        folder.adopt(planned.cell for planned in everything)
        runnable = [planned.cell for planned in everything if planned.state != "skipped"]
        prepared = prepare(runnable, device=pick(suite.options.device), cache=store.cache, say=view.say)
        write_plan(suite, folder, everything, prepared)
    while True:
        planned = plan_suite(suite, store, request, prepared, [one.cell for one in everything])
        run = carry_out(suite, store, request, view, prepared, started, leases, planned)
        if run.stop_code is not None:
            return run.outcome()
        with leases.hold(folder.path, waiting):
            more = next_look(suite, folder, looks, view)
            if more is None:
                return run.outcome()
            looks, request = more, replace(request, retry=frozenset())  # what has failed again is not tried once more
            everything = plan_suite(suite, store, Request())
            write_plan(suite, folder, everything, prepared)


def carry_out(
    suite: Suite,
    store: Store,
    request: Request,
    view: View,
    prepared: Prepared,
    started: float,
    leases: Leases,
    planned: list[Planned],
) -> Run:
    """One pass over what is not finished."""
    executor = cast(Executor, registry.make("executor", request.executor))
    threads = max(one.cell.config.training.threads for one in planned)
    workers = executor.start(suite.options, request.jobs, threads, view.say)
    if line := other_versions(planned):
        view.say(f"{suite.folder}: {line}")
    view.begin(suite, planned, workers.describe())
    run = Run(
        suite=suite,
        store=store,
        request=request,
        view=view,
        workers=workers,
        leases=leases,
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


def other_versions(planned: Sequence[Planned]) -> str:
    """That what there is of a suite was run under other versions than what remains will be."""
    if not any(one.state in TO_RUN for one in planned):
        return ""
    here = {"torch": metadata.version("torch"), "ganbench": __version__}
    origins = [one.folder.read_provenance() for one in planned]
    return continuing([origin for origin in origins if origin is not None], here)


@registry.reading_once()
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
    found = Looks.read(folder)
    if found is not None and found.second is not None and replace(found, second=None) == looks:
        return found  # another runner was faster
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
