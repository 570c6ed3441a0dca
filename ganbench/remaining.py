"""Which cells of a suite remain: what there is of each, and whether it still holds. Writes nothing."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ganbench import registry
from ganbench.api.cell import Cell, RunResult, Suite
from ganbench.api.config import PluginSpec
from ganbench.cell_folder import CellFolder
from ganbench.errors import NothingMatched
from ganbench.links import refuse_links
from ganbench.prepare import Prepared, group_of
from ganbench.provenance import changed_since, evaluation_key, protocol_digest
from ganbench.report.looks import Looks, cells_of
from ganbench.shard import Shard
from ganbench.store import Store
from ganbench.suite import check

State = Literal["pending", "resume", "rescore", "stale", "done", "diverged", "collapsed", "failed", "skipped"]
TO_RUN: tuple[State, ...] = ("pending", "resume", "rescore")


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the command line asks for, besides the suite."""

    jobs: int | None = None  # cells at once; None: the executor decides
    executor: PluginSpec = PluginSpec(name="local")
    cells: str | None = None  # glob over cell ids
    shard: Shard | None = None  # only this part of them
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


@registry.reading_once()
def plan_suite(
    suite: Suite,
    store: Store,
    request: Request,
    prepared: Prepared | None = None,
    cells: list[Cell] | None = None,
    known: Callable[[CellFolder], RunResult | None] = lambda folder: None,
) -> list[Planned]:
    """Every cell with its state; writes nothing, and works without the data (then a change of data goes unnoticed).

    cells: those of the suite, where they are known already. known: results that are known to hold, and their plugins.
    """
    folder = store.suite(suite.folder)
    cells = check(cells_of(suite, Looks.read(folder))) if cells is None else cells
    refuse_links(folder.path, [cell.id for cell in cells])
    if request.cells is not None:
        cells = [cell for cell in cells if fnmatch.fnmatchcase(cell.id, request.cells)]
        if not cells:
            raise NothingMatched(f"--cells {request.cells!r}: no cell of {suite.folder} is called so")
    if request.shard is not None:
        cells = request.shard.of(suite, cells)
    there, planned = folder.cell_names(), []
    for cell in cells:
        held = folder.cell(cell.id)
        if cell.id not in there:
            planned.append(untouched(cell, held))
        elif cell.conflict is None and not request.retry and (result := known(held)) is not None:
            planned.append(Planned(cell=cell, folder=held, state=result.status, result=result, reason=result.reason))
        else:
            planned.append(state_of(cell, held, request, prepared))
    return planned


def untouched(cell: Cell, folder: CellFolder) -> Planned:
    """A cell that nothing is there of."""
    state: State = "pending" if cell.conflict is None else "skipped"
    return Planned(cell=cell, folder=folder, state=state, reason=cell.conflict or "")


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
        if sentence := folder.lacks(cell.evaluation):
            state, reason = ("pending" if "stale" in request.retry else "stale"), f"{reason}: {sentence}"
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
    return result.evaluation != evaluation_key(cell.evaluation, protocol_digest(prepared.protocols[group_of(cell)]))
