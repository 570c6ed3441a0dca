"""`ganbench run`: several suites one after another, and what came of them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganbench.commands.arguments import Choice, load_suites, request_of
from ganbench.commands.screen import console, counted, document, note
from ganbench.errors import ConfigError, GanbenchError
from ganbench.store import Store, SuiteFolder

if TYPE_CHECKING:
    from ganbench.api.cell import Suite
    from ganbench.api.summary import Summary
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


def run_suites(choice: Choice, store: Store, view: View) -> list[Ran]:
    """Run what is not finished of each suite, until one is told to stop. Reports are written where all is there."""
    from ganbench.runner import run_suite

    request = request_of(choice)
    started = time.monotonic()
    ran: list[Ran] = []
    for suite in load_suites(choice):
        left = None
        if request.max_seconds is not None:
            left = max(request.max_seconds - (time.monotonic() - started), 0.0)
        outcome = run_suite(suite, store, replace(request, max_seconds=left), view)
        ran.append(with_report(Ran(suite=suite, folder=store.suite(suite.folder), outcome=outcome)))
        if outcome.code in STOPPED:
            break
    return ran


def with_report(ran: Ran) -> Ran:
    """With the report of a suite whose cells all have a result that holds."""
    from ganbench.report.build import write
    from ganbench.report.curves import with_records
    from ganbench.report.pipeline import default_formats, summary_of, unfinished

    if ran.outcome.code not in (0, 3):
        return ran
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
    from ganbench.progress import view

    ran = run_suites(choice, store, view(quiet=as_json))
    if as_json:
        document({"suites": [as_record(one) for one in ran]})
    else:
        for one in ran:
            show(one, choice)
    return worst([one.outcome.code for one in ran])


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
            for one in ran.outcome.planned
        ],
        "report": [str(path) for path in ran.report],
        "answer": ran.summary.answer if ran.summary is not None else "",
        "problem": ran.problem,
    }


def show(ran: Ran, choice: Choice) -> None:
    """The verdicts and where the report is; then what is left to do."""
    if ran.summary is not None and ran.report:
        show_summary(ran.summary)
        print(f"report: {ran.folder.report}")
    for line in troubles(ran, choice):
        note(line)
    note(counts_line(ran))
    if ran.outcome.code in STOPPED:
        note("the same command goes on from here")


def counts_line(ran: Ran) -> str:
    """`quickstart: 20 done, 1 failed`"""
    counts = Counter(planned.state for planned in ran.outcome.planned)
    states = ", ".join(f"{count} {state}" for state, count in counts.items())
    return f"{ran.suite.folder}: {states}" + (f" ({ran.outcome.reason})" if ran.outcome.reason else "")


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


def show_summary(summary: Summary) -> None:
    """The verdict table and the answer, on stdout."""
    from ganbench.commands.screen import safe
    from ganbench.report.terminal import verdict_table

    out = console()
    out.print(verdict_table(summary, out.width))
    for warning in summary.warnings:
        out.print(safe(f"warning: {warning}"), markup=False)
    out.print(safe(summary.answer), markup=False)


def results_store(root: Path) -> Store:
    """The results folder; a file of that name is told as a mistake."""
    if root.exists() and not root.is_dir():
        raise ConfigError(f"--results {root}: is a file, not a folder")
    return Store(root)
