"""`ganbench status` and `ganbench logs`: what runs, what is done, what failed and why. Import no torch."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from ganbench import registry
from ganbench.api.cell import RunResult
from ganbench.commands.arguments import find_cells, find_suites
from ganbench.commands.index import Index, files_of
from ganbench.commands.screen import columns, counted, document, duration, note, safe
from ganbench.errors import NothingMatched
from ganbench.lease import number_of, owner, this_machine
from ganbench.progress import numbers, share
from ganbench.report.pipeline import recorded, stale
from ganbench.seldom import seldom
from ganbench.store import CellFolder, Store, SuiteFolder

SILENT = 120.0  # seconds without a sign of life after which a cell is not said to run


@registry.reading_once()
def status_of(folder: SuiteFolder) -> dict[str, Any]:
    """One suite: counts, and every cell with its state."""
    found = recorded(folder)
    index = Index.load(folder)
    cells = [indexed_status(folder.cell(planned["id"]), planned, index) for planned in found.cells]
    index.save()
    return {
        "suite": folder.path.name,
        "question": found.suite.question,
        "primary_metric": found.suite.primary_metric,
        "counts": dict(Counter(cell["state"] for cell in cells)),
        "report": str(folder.report) if folder.report.is_dir() else None,
        "cells": cells,
    }


def indexed_status(folder: CellFolder, planned: dict[str, Any], index: Index) -> dict[str, Any]:
    """`cell_status`, from the index where a finished cell has not changed since."""
    if (known := index.find(folder, planned)) is not None:
        return known
    files, result, depends = files_of(folder), folder.load_result(), set[str]()
    record = cell_status(folder, planned, result, depends)
    if "metrics" in record and result is not None:
        index.add(folder, planned, record, result, files, depends)
    return record


def cell_status(
    folder: CellFolder, planned: dict[str, Any], result: RunResult | None, depends: set[str]
) -> dict[str, Any]:
    """What one cell is at. States are those of results, and running, interrupted, pending, stale."""
    said = {"cell": planned["id"], "levels": planned["levels"], "seed": planned["seed"]}
    if planned.get("conflict"):
        return said | {"state": "skipped", "reason": planned["conflict"]}
    if result is not None:
        if reason := stale(folder, planned, result, depends):
            return said | {"state": "stale", "reason": reason}
        seconds = round(result.seconds + result.evaluation_seconds, 1)
        return said | {
            "state": result.status,
            "reason": result.reason,
            "metrics": result.metrics,
            "seconds": seconds,
        }
    attempts = folder.attempts()
    if not attempts:
        return said | {"state": "pending", "reason": ""}
    progress = folder.read_progress()
    now = time.time()
    age = min(a for a in (folder.progress_age(now), now - float(attempts[-1].get("at", 0))) if a is not None)
    held = owner(folder.path)
    here = held is not None and held.machine == this_machine()
    if held is None and number_of(folder.path):
        running = False  # its runner, on this machine, has ended
    else:
        running = here or (attempts[-1].get("event") == "start" and age < SILENT)
    return said | {
        "state": "running" if running else "interrupted",
        "reason": "" if running else f"stopped {duration(age)} ago; the same `ganbench run` goes on",
        "progress": progress,
        "age": round(age, 1),
        "runner": held.token.partition("-")[0] if held is not None else None,
        "process": held.process if held is not None and here else None,
    }


@seldom()
def status(store: Store, suites: Sequence[str], as_json: bool) -> int:
    """The command; returns the exit code."""
    found = [status_of(folder) for folder in find_suites(store, suites)]
    if as_json:
        document({"results": str(store.root), "suites": found})
        return 0
    for suite in found:
        counts = ", ".join(f"{count} {state}" for state, count in suite["counts"].items())
        print(safe(f"{suite['suite']}: {counts}"))
        for state in ("running", "interrupted", "failed", "diverged", "collapsed", "stale", "skipped"):
            cells = [cell for cell in suite["cells"] if cell["state"] == state]
            if state == "skipped":  # all seeds of a level are skipped for the same reason
                cells = list({cell["reason"]: cell for cell in cells}.values())
            rows = [(state, cell["cell"], words(cell, suite["primary_metric"])) for cell in cells]
            print("\n".join(columns(rows, indent="  ")), end="\n" if rows else "")
        if suite["report"]:
            print(safe(f"  report: {suite['report']}"))
    return 0


def words(cell: dict[str, Any], metric: str) -> str:
    """Beside a cell's name: how far it is, or why it ended."""
    record = cell.get("progress")
    if cell["state"] != "running":
        return str(cell["reason"])
    place = f"process {cell['process']}" if cell["process"] else "another machine"
    who = f"runner {cell['runner']} ({place})" if cell["runner"] else ""
    ago = f"{duration(cell['age'])} ago"
    if record is None:
        return "  ".join(filter(None, [f"starting, {ago}", who]))
    parts = [f"step {record.get('step')}", f"{100 * share(record):.0f} %", numbers(record, metric), ago, who]
    return "  ".join(filter(None, parts))


def logs(store: Store, word: str, lines: int, as_json: bool) -> int:
    """The command; returns the exit code."""
    cells = find_cells(store, word)
    held = {f"{cell.path.parent.parent.name}/{cell.id}": cell.log_tail(lines) for cell in cells}
    if as_json:
        document({"logs": held})
        return 0
    if not any(held.values()):
        raise NothingMatched(f"{word}: {counted(len(cells), 'cell')}, and no log yet")
    for name, tail in held.items():
        if len(held) > 1:
            note(f"== {name}")
        for line in tail:
            print(safe(line))
    return 0
