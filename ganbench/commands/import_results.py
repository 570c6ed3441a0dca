"""`ganbench import`: finished cells from another machine's archive. Imports no torch.

The archive is data from anybody. It is unpacked beside the suites, every file under a name that it may have, and
checked as a whole; only then are cells put in their places, each under its lease, its result last.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import shutil
import stat
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

from ganbench.api.cell import RunResult
from ganbench.api.config import RunOptions
from ganbench.commands.archive import CELL, CONTENTS, FORMAT, MEBIBYTE, MOST_FILES, MOST_RATIO, SCHEMA, room_for
from ganbench.commands.screen import counted, document, note, safe
from ganbench.errors import GanbenchError, StoreError
from ganbench.files import cannot_write, make_folder, plain, read_json, read_lines, sync_folder, write_json
from ganbench.lease import Leases
from ganbench.links import refuse_links
from ganbench.report.looks import Looks
from ganbench.report.pipeline import recorded
from ganbench.store import CellFolder, Store, SuiteFolder

CHUNK = MEBIBYTE
SHOWN = 5  # cells that differ


@dataclass(kw_only=True)
class Merge:
    """What is to be done for one suite."""

    came: SuiteFolder  # unpacked
    here: SuiteFolder
    new: list[str] = field(default_factory=list)  # cells
    same: list[str] = field(default_factory=list)
    other: dict[str, str] = field(default_factory=dict)  # cell -> how its result here differs
    takes_plan: bool = False


def import_results(store: Store, path: Path, keep: bool, dry_run: bool, as_json: bool) -> int:
    """The command; returns the exit code. keep: where both have a result, the one that is here stays."""
    with unpacked(store, path) as staging:
        merges = [merge(staging / name, store) for name in sorted(path.name for path in staging.iterdir())]
        differing = [f"{m.here.path.name}/{cell}: {how}" for m in merges for cell, how in m.other.items()]
        if differing and not keep:
            raise StoreError(
                f"{path}: {counted(len(differing), 'cell')} finished here with another result: nothing was imported. "
                "Import into another results folder, or use --keep to keep the results that are here\n"
                + "\n".join(differing[:SHOWN])
            )
        if not dry_run:
            os.sync() if hasattr(os, "sync") else None
            with contextlib.closing(Leases()) as leases:
                for one in merges:
                    place(one, store, leases)
    if as_json:
        document({"file": str(path), "dry_run": dry_run, "suites": list(map(as_record, merges))})
        return 0
    verb = "would be imported" if dry_run else "imported"
    for one in merges:
        more = [f"{len(one.same)} the same as here"] * bool(one.same) + [f"{len(one.other)} kept"] * bool(one.other)
        print(safe(", ".join([f"{one.here.path.name}: {counted(len(one.new), 'cell')} {verb}", *more])))
        for cell, how in one.other.items():
            note(f"kept: {cell}: {how}")
    return 0


def as_record(one: Merge) -> dict[str, Any]:
    return {"suite": one.here.path.name, "imported": one.new, "same": one.same, "kept": one.other}


# --- unpacking ---------------------------------------------------------------------------------------------
@contextlib.contextmanager
def unpacked(store: Store, path: Path) -> Iterator[Path]:
    """A folder with what is in the archive, every byte of it as its list of contents says."""
    if not path.is_file():
        raise StoreError(f"{path}: there is no such file")
    make_folder(store.root)
    staging = store.root / f".import.{secrets.token_hex(8)}"
    try:
        with zipfile.ZipFile(path) as archive:
            members = checked(path, archive)
            staging.mkdir(mode=0o700)
            for name, said in members.items():
                extract(path, archive, name, said, staging / name)
        yield staging
    except (zipfile.BadZipFile, NotImplementedError, EOFError, UnicodeDecodeError) as error:
        raise StoreError(f"{path}: is no archive of results, or damaged ({error})") from error
    except OSError as error:
        raise StoreError(cannot_write(staging, error)) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def checked(path: Path, archive: zipfile.ZipFile) -> dict[str, dict[str, Any]]:
    """Name -> size and digest of each file, after a look at all that can be told without unpacking."""

    def refuse(name: str, why: str) -> NoReturn:
        raise StoreError(f"{path}: {name[:120]!r} {why}: nothing was imported")

    infos = archive.infolist()
    if len(infos) > MOST_FILES:
        raise StoreError(f"{path}: holds {len(infos):,} files; at most {MOST_FILES:,}")
    seen: set[str] = set()
    for info in infos:
        most = room_for(info.filename)
        kind = stat.S_IFMT(info.external_attr >> 16)
        if most is None:
            refuse(info.filename, "is nothing that ganbench exports")
        if kind not in (0, stat.S_IFREG):
            refuse(info.filename, "is a link or no plain file")
        if info.filename.lower() in seen:
            refuse(info.filename, "is in it twice")
        if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            refuse(info.filename, "is encrypted, or packed in an unusual way")
        if info.file_size > most:
            refuse(info.filename, f"is too large ({info.file_size} bytes)")
        if info.file_size > max(MEBIBYTE, MOST_RATIO * info.compress_size):
            refuse(info.filename, "would grow suspiciously when unpacked")
        seen.add(info.filename.lower())
    if CONTENTS not in seen:
        raise StoreError(f"{path}: is no archive of results ({CONTENTS} is missing)")
    members = contents(path, archive)
    names = {info.filename: info.file_size for info in infos if info.filename != CONTENTS}
    for name in sorted(names.keys() ^ members.keys()):
        refuse(name, "is missing" if name in members else "is not in its list of contents")
    for name, said in members.items():
        if said.get("bytes") != names[name] or not re.fullmatch("[0-9a-f]{64}", str(said.get("sha256"))):
            refuse(name, "is not as its list of contents says")
    total, free = sum(names.values()), shutil.disk_usage(path.parent).free
    if total > free:
        raise StoreError(f"{path}: needs {total} bytes when unpacked; {free} are free")
    return members


def contents(path: Path, archive: zipfile.ZipFile) -> dict[str, dict[str, Any]]:
    try:
        said = strict(archive.read(CONTENTS))
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{path}: {CONTENTS} is damaged ({error})") from error
    if not isinstance(said, dict) or said.get("format") != FORMAT or not isinstance(said.get("schema"), int):
        raise StoreError(f"{path}: is no archive of results ({CONTENTS} is not ours)")
    if said["schema"] > SCHEMA:
        raise StoreError(f"{path}: was made by a newer ganbench ({said.get('ganbench')}). Upgrade ganbench to read it.")
    listed = said.get("files")
    if not isinstance(listed, dict) or not all(isinstance(one, dict) for one in listed.values()):
        raise StoreError(f"{path}: {CONTENTS} is damaged")
    return listed


def strict(content: bytes) -> Any:
    """JSON without NaN and infinity. Raises ValueError."""

    def refuse(word: str) -> NoReturn:
        raise ValueError(f"{word} is no JSON")

    return json.loads(content, parse_constant=refuse)


def extract(path: Path, archive: zipfile.ZipFile, name: str, said: dict[str, Any], target: Path) -> None:
    """Its name was checked: it leads nowhere else."""
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with archive.open(name) as source, target.open("xb") as file:
        while chunk := source.read(CHUNK):
            digest.update(chunk)
            file.write(chunk)
    if digest.hexdigest() != said["sha256"]:
        raise StoreError(f"{path}: {name} is not what was exported (its digest differs): nothing was imported")


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
def place(one: Merge, store: Store, leases: Leases) -> None:
    def waiting() -> None:
        note(f"{one.here.path.name}: a runner is preparing it: waiting")

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
