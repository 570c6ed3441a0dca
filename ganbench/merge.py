"""What came from another machine, unpacked, into a results folder: is it what an export has made, does it go with what
is here, and then each cell into its place, under its lease, its result last."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ganbench.api.cell import RunResult
from ganbench.api.config import RunOptions
from ganbench.archive import CELL, strict
from ganbench.cell_folder import CellFolder
from ganbench.errors import GanbenchError, StoreError
from ganbench.files import make_folder, plain, read_json, read_lines, sync_folder, write_json
from ganbench.lease import Leases
from ganbench.links import refuse_links
from ganbench.report.looks import Looks
from ganbench.report.pipeline import recorded
from ganbench.store import Store, SuiteFolder


@dataclass(kw_only=True)
class Merge:
    """What is to be done for one suite."""

    came: SuiteFolder  # unpacked
    here: SuiteFolder
    new: list[str] = field(default_factory=list)  # cells
    same: list[str] = field(default_factory=list)
    other: dict[str, str] = field(default_factory=dict)  # cell -> how its result here differs
    takes_plan: bool = False


# --- what came, and what is here -----------------------------------------------------------------------------
def merge(unpacked: Path, store: Store) -> Merge:
    """Raises StoreError where the suite cannot be what an export has made, or does not go with the one here."""
    one = Merge(came=SuiteFolder(unpacked), here=store.suite(unpacked.name))
    name = unpacked.name
    planned = plan_of(one.came)
    if planned is None:
        raise StoreError(f"{name}: the archive holds no plan of this suite, so it cannot be imported")
    for path in unpacked.rglob("*"):
        if path.is_file():
            check_content(name, path)
    if Looks.read(one.came) is None and (unpacked / "looks.json").exists():
        raise StoreError(f"{name}: looks.json is damaged")
    refuse_links(one.here.path, planned)
    present = plan_of(one.here)
    one.takes_plan = present is None or agree(one, present, planned)
    for path in one.came.cell_paths():
        result = check_cell(one.came.cell(path.name), name, planned.get(path.name))
        found = one.here.cell(path.name).load_result()
        if found is None:
            one.new.append(path.name)
        elif plain(found) == plain(result):
            one.same.append(path.name)
        else:
            one.other[path.name] = difference(plain(found), plain(result))
    return one


def plan_of(folder: SuiteFolder) -> dict[str, dict[str, Any]] | None:
    """Cell -> what is planned; None where no suite is."""
    if folder.read_plan() is None:
        return None
    return {cell["id"]: cell for cell in recorded(folder).cells}


def agree(one: Merge, here: dict[str, dict[str, Any]], came: dict[str, dict[str, Any]]) -> bool:
    """Whether the plan that came goes further than the one here. Raises StoreError where they contradict."""
    name = one.here.path.name
    suites = [replace(recorded(folder).suite, options=RunOptions()) for folder in (one.here, one.came)]
    differing = [cell for cell in here.keys() & came.keys() if here[cell] != came[cell]]
    if suites[0] != suites[1] or differing or not (here.keys() <= came.keys() or came.keys() <= here.keys()):
        raise StoreError(
            f"{name}: the suite here is another one than that in the archive"
            + (f" ({min(differing)} was measured otherwise)" if differing else "")
            + ": import into another results folder"
        )
    return here.keys() < came.keys()


def check_content(suite: str, path: Path) -> None:
    """Whether a file is what its name says."""
    kind = path.suffix
    if kind == ".json":
        try:
            strict(path.read_bytes())
        except (ValueError, RecursionError):
            raise StoreError(f"{suite}: {path.name} is no JSON") from None
    if kind == ".jsonl" and len(read_lines(path)) != path.read_bytes().count(b"\n"):
        raise StoreError(f"{suite}: {path.parent.name}/{path.name} is damaged")
    with path.open("rb") as file:
        head = file.read(12)
    if kind == ".webp" and not (head[:4] == b"RIFF" and head[8:] == b"WEBP"):
        raise StoreError(f"{suite}: {path.name} is no picture")


def check_cell(cell: CellFolder, suite: str, planned: dict[str, Any] | None) -> RunResult:
    """Its result, after a look at all that has to go with it."""
    where = f"{suite}/{cell.id}"
    if planned is None or not re.fullmatch(CELL, cell.id):
        raise StoreError(f"{where}: is not in the plan of its suite")
    try:
        held, _, _ = cell.read_config()
    except GanbenchError as error:
        raise StoreError(f"{where}: config.json is missing or damaged") from error
    except ValueError as error:  # pydantic's ValidationError is one
        raise StoreError(f"{where}: config.json was written by another version of ganbench") from error
    if (held.id, held.suite, held.seed, held.levels) != (cell.id, suite, planned["seed"], planned["levels"]):
        raise StoreError(f"{where}: config.json is that of another cell")
    result = cell.load_result()
    if result is None:
        raise StoreError(f"{where}: result.json is missing or damaged")
    if (cell.path / "provenance.json").exists() and cell.read_provenance() is None:
        raise StoreError(f"{where}: provenance.json is damaged")
    known = {f"{snapshot.get('step')}.pt": snapshot.get("generator") for snapshot in cell.snapshots()}
    for path in (cell.path / "generators").glob("*"):
        if hashlib.sha256(path.read_bytes()).hexdigest() != known.get(path.name):
            raise StoreError(f"{where}: generators/{path.name} is not the one that was scored")
    return result


def difference(here: dict[str, Any], came: dict[str, Any]) -> str:
    """`fid is 83.1 here, 84 in the archive`"""
    flat = [{**value, **value.get("metrics", {})} for value in (here, came)]
    changed = [key for key in flat[0].keys() | flat[1].keys() if flat[0].get(key) != flat[1].get(key)]
    first = min(changed, key=lambda key: (key not in ("status", *here.get("metrics", {})), key))
    return f"{first} is {str(flat[0].get(first))[:60]} here, {str(flat[1].get(first))[:60]} in the archive"


# --- into their places -----------------------------------------------------------------------------------------
def place(one: Merge, store: Store, leases: Leases, say: Callable[[str], None]) -> None:
    """Raises StoreError when somebody works on one of the cells."""

    def waiting() -> None:
        say(f"{one.here.path.name}: a runner is preparing it: waiting")

    with leases.hold(one.here.path, waiting):
        make_folder(one.here.path / "cells")
        for path in sorted(one.came.path.glob("external/*.json")):
            target = one.here.path / "external" / path.name
            if not target.exists():
                make_folder(target.parent)
                path.replace(target)
        if one.takes_plan:
            for name in ("looks.json", "suite.yaml", "plan.json"):  # the plan last: it makes the suite one
                if (one.came.path / name).exists():
                    (one.came.path / name).replace(one.here.path / name)
            sync_folder(one.here.path)
    for cell in list(one.new):
        place_cell(one.came.cell(cell), one.here.cell(cell), store, leases)


def place_cell(came: CellFolder, here: CellFolder, store: Store, leases: Leases) -> None:
    """Raises StoreError when somebody runs the cell, or has just finished it."""
    config = read_json(came.path / "config.json")
    assert config is not None
    write_json(came.path / "config.json", config | {"cache": os.path.relpath(store.cache, here.path)})
    held = leases.acquire(here.path)
    if held is None or here.load_result() is not None:
        leases.release(here.path)
        raise StoreError(f"{here.id}: somebody runs it at this moment: import again when it is finished")
    try:
        folder = CellFolder(here.path, held)
        folder.forget()
        paths = sorted((path for path in came.path.rglob("*") if path.is_file()), key=lambda p: p.name == "result.json")
        for path in paths:
            target = here.path / path.relative_to(came.path)
            target.parent.mkdir(exist_ok=True)
            folder.check_lease()
            if path.name == "result.json":
                sync_folder(here.path)
            path.replace(target)
        sync_folder(here.path)
    finally:
        leases.release(here.path)
