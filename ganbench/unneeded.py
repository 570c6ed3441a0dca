"""What a results folder holds and nobody needs any more, and its removal.

Only inside folders that carry ganbench's own files, never through a symbolic link, and never in a cell that somebody
runs: each is leased while something in it is removed.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ganbench import registry
from ganbench.cell_folder import CellFolder
from ganbench.errors import StoreError
from ganbench.files import read_json
from ganbench.lease import Leases, gone, number_of, owner, signs
from ganbench.report.pipeline import recorded, stale
from ganbench.store import SuiteFolder
from ganbench.weights import CHECKPOINT_FILES

INNER = ("", "samples", "generators")  # folders of a cell
OUTER = ("", "external", "report")  # of a suite
REMOVED = re.compile(r"\.removed\..+\.[0-9a-f]{8}")  # a cell whose removal was cut short
HIDDEN_LEASE = re.compile(r"\.lease\.[0-9]+\.[0-9a-f]{8}")  # a lease whose removal was


@dataclass(frozen=True, kw_only=True)
class Item:
    """One file, or one folder with all that is in it."""

    kind: str  # checkpoints, leftovers, corrupt, generators, stale or orphans
    path: Path
    size: int  # bytes


@dataclass(kw_only=True)
class Found:
    """Of one suite."""

    folder: SuiteFolder
    items: list[Item] = field(default_factory=list)
    kept: dict[Path, str] = field(default_factory=dict)  # what is left alone, and why


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What to look for besides what never needs asking."""

    generators: bool = False
    orphans: bool = False
    stale: bool = False


@registry.reading_once()
def unneeded(folder: SuiteFolder, wanted: Wanted, leases: Leases | None) -> Found:
    """All of it in one suite's folder; with leases, it is removed."""
    found = Found(folder=folder)
    for place, planned in places(found):
        clear(found, place, partial(candidates, found, place, planned, wanted), leases)
    return found


# --- what there is -----------------------------------------------------------------------------------------
def places(found: Found) -> Iterator[tuple[Path, dict[str, Any] | None]]:
    """Folders to look into, each leased by itself: the suite's own, then its cells, with what is planned of them."""
    folder = found.folder
    planned = {cell["id"]: cell for cell in recorded(folder).cells}  # refuses links that lead out
    yield folder.path, None
    for path in folder.cell_paths():
        if REMOVED.fullmatch(path.name):
            continue
        if reason := no_cell(path):
            found.kept[path] = reason
        else:
            yield path, planned.get(path.name)


def candidates(found: Found, place: Path, planned: dict[str, Any] | None, wanted: Wanted) -> list[Item]:
    """What would go in one of them, as things are now."""
    if place == found.folder.path:
        cut_short = [path for path in found.folder.cell_paths() if REMOVED.fullmatch(path.name)]
        trees = [item for path in cut_short for item in tree(found, path, "leftovers")]
        return leftovers(found, place, OUTER) + trees
    if planned is None:
        return tree(found, place, "orphans") if wanted.orphans else []
    cell = CellFolder(place)
    result = cell.load_result()
    if result is not None and wanted.stale and stale(cell, planned, result):
        return tree(found, place, "stale")
    items = leftovers(found, place, INNER)
    if result is not None:
        items += files(found, "checkpoints", [place / name for name in CHECKPOINT_FILES])
        if wanted.generators:
            items += files(found, "generators", sorted((place / "generators").glob("*.pt")))
    return items


def no_cell(path: Path) -> str:
    """Why a folder is not one that ganbench made; empty when it is."""
    if path.is_symlink():
        return "is a symbolic link"
    if any((path / name).is_symlink() for name in INNER[1:]):
        return "holds a symbolic link"
    try:
        config = read_json(path / "config.json")
    except StoreError as error:
        return str(error)
    if config is None or not isinstance(config.get("cell"), dict):
        return "has no config.json that ganbench has written"
    return ""


def leftovers(found: Found, path: Path, folders: Sequence[str]) -> list[Item]:
    """What kills in the middle of a write, and damage, have left."""
    items: list[Item] = []
    for place in (path / name for name in folders):
        if place.is_symlink() and place != path:
            found.kept[place] = "is a symbolic link"
        elif place.is_dir():
            items += files(found, "leftovers", sorted(place.glob(".*.partial")))
            items += files(found, "corrupt", sorted(place.glob("*.corrupt")))
    for hidden in path.iterdir():
        if HIDDEN_LEASE.fullmatch(hidden.name):
            items += tree(found, hidden, "leftovers")
    return items


def files(found: Found, kind: str, paths: Sequence[Path]) -> list[Item]:
    """Those that are there, and are files."""
    items = []
    for path in paths:
        if path.is_symlink():
            found.kept[path] = "is a symbolic link"
        elif path.is_file():
            items.append(Item(kind=kind, path=path, size=path.stat().st_size))
    return items


def tree(found: Found, path: Path, kind: str) -> list[Item]:
    """A whole folder, unless there is a link in it."""
    if path.is_symlink():
        found.kept[path] = "is a symbolic link"
        return []
    size = 0
    for root, folders, names in os.walk(path):
        for name in (*folders, *names):
            inside = Path(root, name)
            if inside.is_symlink():
                found.kept[path] = f"holds a symbolic link ({inside.relative_to(path)})"
                return []
            size += inside.lstat().st_size if name in names else 0
    return [Item(kind=kind, path=path, size=size)]


# --- removing ----------------------------------------------------------------------------------------------
def clear(found: Found, place: Path, look: Callable[[], list[Item]], leases: Leases | None) -> None:
    """With the lease of the folder, under which it is looked at once more; without leases, nothing is removed."""
    items = look()
    if not items:
        return
    held = owner(place) is not None or may_live(place) if leases is None else leases.acquire(place) is None
    if held:
        found.kept[place] = "somebody runs it, or did until a moment ago"
        return
    try:
        for item in items if leases is None else look():
            if leases is not None:
                remove_item(item)
            found.items.append(item)
    finally:
        if leases is not None:
            leases.release(place)


def may_live(place: Path) -> bool:
    """Whether there is a lease whose owner is not known to be gone."""
    number = number_of(place)
    return number > 0 and not gone(signs(place, number))


def remove_item(item: Item) -> None:
    """A folder by a new name first: half a cell must not look like one."""
    try:
        if item.kind in ("stale", "orphans"):
            hidden = item.path.with_name(f".removed.{item.path.name}.{secrets.token_hex(4)}")
            item.path.rename(hidden)
            shutil.rmtree(hidden)
        elif item.path.is_dir():
            shutil.rmtree(item.path)
        else:
            item.path.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"{item.path}: cannot be removed ({error.strerror or error})") from error
