"""`ganbench run`: several suites one after another, and what came of them."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ganbench import registry
from ganbench.api.executor import Executor
from ganbench.commands.arguments import Choice, load_suites, request_of
from ganbench.commands.forecast import forecast
from ganbench.commands.prepare import spec_of
from ganbench.commands.screen import console, counted, document, note, safe
from ganbench.errors import ConfigError, GanbenchError
from ganbench.store import Store, SuiteFolder

if TYPE_CHECKING:
    from ganbench.api.cell import Suite
    from ganbench.api.summary import Summary
    from ganbench.commands.finished import Told
    from ganbench.report.terminal import Verdicts
    from ganbench.runner import Outcome, Planned, View

SEVERITY = (0, 3, 75, 130)  # exit codes, the worst last
STOPPED = (75, 130)  # nothing more is started after these


@dataclass(frozen=True, kw_only=True)
class Ran:
    """A suite that was run, and its report where all cells have a result."""

    suite: Suite
    folder: SuiteFolder
    outcome: Outcome
    summary: Summary | None = None
    report: tuple[Path, ...] = ()
    problem: str = ""  # why there is no report
    seen: str = ""  # what lay in the folder before the report was begun


def run_suites(choice: Choice, store: Store, view: View) -> Iterator[Ran]:
    """Run what is not finished of each suite, until one is told to stop. Reports are written where all is there."""
    with warm_executor(choice):  # importing torch takes seconds: the executor does so at the same time
        from ganbench.runner import run_suite

        request = request_of(choice)
        started = time.monotonic()
        for path, suite in zip(choice.suites, load_suites(choice), strict=True):
            for line in forecast(suite, path, choice, store):
                view.say(f"{suite.folder}: {line}")
            left = None
            if request.max_seconds is not None:
                left = max(request.max_seconds - (time.monotonic() - started), 0.0)
            outcome = run_suite(suite, store, replace(request, max_seconds=left), view)
            yield with_report(Ran(suite=suite, folder=store.suite(suite.folder), outcome=outcome))
            if outcome.code in STOPPED:
                break


def warm_executor(choice: Choice) -> AbstractContextManager[None]:
    """What is wrong with the choice of an executor is told with everything else that is wrong."""
    try:
        spec = spec_of(choice.executor, choice.executor_options, "--executor-option")
        return cast(Executor, registry.make("executor", spec)).warm()
    except GanbenchError:
        return contextlib.nullcontext()


def with_report(ran: Ran) -> Ran:
    """With the report of a suite whose cells all have a result that holds."""
    from ganbench.commands import finished
    from ganbench.report.build import write
    from ganbench.report.curves import with_records
    from ganbench.report.pipeline import default_formats, summary_of, unfinished

    if ran.outcome.code not in (0, 3):
        return ran
    ran = replace(ran, seen=finished.seen(ran.folder))
    try:
        summary = summary_of(ran.folder)
        if unfinished(summary):
            return replace(ran, summary=summary)
        files = write(with_records(summary, ran.folder), ran.folder.report, default_formats())
    except GanbenchError as error:  # the cells are done all the same
        return replace(ran, problem=str(error))
    return replace(ran, summary=summary, report=tuple(files))


def worst(codes: Sequence[int]) -> int:
    return max(codes, key=SEVERITY.index, default=0)


def run(choice: Choice, store: Store, as_json: bool) -> int:
    """The command; returns the exit code."""
    from ganbench.commands import finished, index
    from ganbench.commands.look import status_of
    from ganbench.progress import view

    told = finished.recall(choice, store)
    if told is not None:
        tell(told, as_json)
        return worst([one.code for one in told])
    here, told = finished.installation(), []
    try:
        for path, ran in zip(choice.suites, run_suites(choice, store, view(quiet=as_json)), strict=False):
            told.append(told_of(ran, choice))
            finished.remember(choice, Path(path), store, here, ran, told[-1])
            if len(ran.outcome.planned) >= index.WORTH:
                with contextlib.suppress(GanbenchError):  # so that the next look is a fast one
                    status_of(ran.folder)
    finally:  # what was run is shown, also where the data of the next suite are missing
        tell(told, as_json)
    return worst([one.code for one in told])


def told_of(ran: Ran, choice: Choice) -> Told:
    """The verdicts and where the report is; then what is left to do."""
    from ganbench.commands.finished import Told
    from ganbench.report.terminal import Verdicts

    notes = [*(profile_lines(ran) if choice.profile_cell else ()), *left_out_lines(ran), *troubles(ran, choice)]
    notes.append(counts_line(ran))
    notes += ["the same command goes on from here"] * (ran.outcome.code in STOPPED)
    verdicts = Verdicts.of(ran.summary) if ran.summary is not None and ran.report else None
    report, code = str(ran.folder.report), ran.outcome.code
    return Told(code=code, record=as_record(ran), verdicts=verdicts, report=report, notes=tuple(notes))


def tell(told: Sequence[Told], as_json: bool) -> None:
    if as_json and told:
        document({"suites": [one.record for one in told]})
    for one in () if as_json else told:
        if one.verdicts is not None:
            show_verdicts(one.verdicts)
            print(f"report: {one.report}")
        for line in one.notes:
            note(line)


def as_record(ran: Ran) -> dict[str, Any]:
    return {
        "suite": ran.suite.folder,
        "folder": str(ran.folder.path),
        "code": ran.outcome.code,
        "reason": ran.outcome.reason,
        "counts": dict(Counter(planned.state for planned in ran.outcome.planned)),
        "cells": [
            {"cell": one.cell.id, "levels": one.cell.levels, "seed": one.cell.seed}
            | {"state": one.state, "reason": one.reason, "metrics": one.result.metrics if one.result else {}}
            | ({"profile": one.result.profile} if one.result and one.result.profile else {})
            for one in ran.outcome.planned
        ],
        "report": [str(path) for path in ran.report],
        "answer": ran.summary.answer if ran.summary is not None else "",
        "problem": ran.problem,
    }


def counts_line(ran: Ran) -> str:
    """`quickstart: 20 done, 1 failed`"""
    counts = Counter(planned.state for planned in ran.outcome.planned)
    states = ", ".join(f"{count} {state}" for state, count in counts.items())
    return f"{ran.suite.folder}: {states}" + (f" ({ran.outcome.reason})" if ran.outcome.reason else "")


def profile_lines(ran: Ran) -> list[str]:
    """Where the time of the cells went that were run with a profile, all of them together."""
    from ganbench.profile import add_up, table

    profiles = [one.result.profile for one in ran.outcome.planned if one.result is not None and one.result.profile]
    if not profiles:
        return ["no cell has a profile: only those that are trained while it is asked for have one"]
    parts = [{name: value for name, value in profile.items() if name != "tricks"} for profile in profiles]
    return [f"where the time of {counted(len(profiles), 'cell')} went:", *table(add_up(parts))]


def left_out_lines(ran: Ran) -> list[str]:
    """What cells asked for and had to do without, with the reason that each has in its provenance.json."""
    found: Counter[tuple[str, str]] = Counter()
    for one in ran.outcome.planned:
        asked = one.cell.config.training
        origin = one.folder.read_provenance() if asked.compile or asked.cuda_graphs else None
        found.update(() if origin is None else origin.left_out.items())
    return [f"training.{name} is left out of {counted(n, 'cell')}: {why}" for (name, why), n in found.items()]


def troubles(ran: Ran, choice: Choice) -> list[str]:
    """A line per cell that has no result that holds, and the command that mends it."""
    lines = [ran.problem] if ran.problem else []
    command = f"ganbench run {' '.join(map(str, choice.suites))}"
    command += f" --profile {choice.profile}" if choice.profile else ""
    command += f" --shard {choice.shard}" if choice.shard else ""
    for state, advice in (("failed", "--retry"), ("stale", "--retry stale")):
        found: list[Planned] = [one for one in ran.outcome.planned if one.state == state]
        lines += [f"{state}: {one.cell.id}: {one.reason}{at_step(one)}" for one in found]
        if found:
            cell = found[0].cell.id if len(found) == 1 else ""
            one = f" --cells '{cell}'" if cell else ""
            lines.append(f"to run {counted(len(found), 'cell')} again: {command}{one} {advice}")
            if cell and state == "failed":
                lines.append(f"its log: ganbench logs {cell}")
    return lines


def at_step(planned: Planned) -> str:
    """How far a cell that failed had come."""
    failed = planned.state == "failed" and planned.result is not None and planned.result.steps
    return f" (step {planned.result.steps})" if failed and planned.result else ""


def show_verdicts(said: Verdicts) -> None:
    """The verdict table and the answer, on stdout."""
    from ganbench.report.terminal import verdict_table

    out = console()
    out.print(verdict_table(said, out.width))
    for warning in said.warnings:
        out.print(safe(f"warning: {warning}"), markup=False)
    out.print(safe(said.answer), markup=False)


def results_store(root: Path) -> Store:
    """The results folder; a file of that name is told as a mistake."""
    if root.exists() and not root.is_dir():
        raise ConfigError(f"--results {root}: is a file, not a folder")
    return Store(root)
