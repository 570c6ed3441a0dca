"""Results in one file, to carry them to another machine: what may be in it, and where. No code, and nothing foreign.

    ganbench.json                      which files there are: size and sha256 of each
    <suite>/suite.yaml, plan.json, looks.json, external/*.json
    <suite>/cells/<cell>/config.json, provenance.json, result.json, *.jsonl, log.txt, training.webp,
        samples/*.webp, generators/*.pt

Only finished cells are in it, and no reports: those are made of the rest.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import secrets
import shutil
import stat
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from ganbench.cell_folder import CellFolder
from ganbench.errors import NothingMatched, StoreError
from ganbench.files import SEAL, cannot_write, make_folder, read_json, seal
from ganbench.report.pipeline import recorded
from ganbench.store import Store, SuiteFolder
from ganbench.version import __version__

SCHEMA = 1  # of the archive
FORMAT = "ganbench results"
CONTENTS = "ganbench.json"
CACHE = "../../../.cache"  # what config.json says of the cache in an archive: nobody's own folders

MOST_FILES = 1_000_000
MOST_RATIO = 200  # a file of more than MEBIBYTE may be so many times larger than what is stored of it
MEBIBYTE = 2**20
CHUNK = MEBIBYTE  # that is unpacked at once
PACKED = (".json", ".jsonl", ".txt", ".yaml")  # pictures and weights are as small as they get
EPOCH = (1980, 1, 1, 0, 0, 0)  # equal results make equal archives
_SUITE = r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}(?:@[A-Za-z0-9][A-Za-z0-9_-]{0,59})?"
CELL = r"[a-z0-9](?:[a-z0-9-]{0,60})-s[0-9]{1,16}-[0-9a-f]{12}"
# name inside the suite's folder -> the most bytes that such a file may have
_KNOWN = {
    r"suite\.yaml": 16 * MEBIBYTE,
    r"(?:plan|looks)\.json": 256 * MEBIBYTE,
    r"external/[a-z0-9-]{1,60}\.json": 16 * MEBIBYTE,
    rf"cells/{CELL}/(?:config|provenance|result)\.json": 16 * MEBIBYTE,
    rf"cells/{CELL}/(?:history|snapshots|attempts)\.jsonl": 512 * MEBIBYTE,
    rf"cells/{CELL}/log\.txt": 16 * MEBIBYTE,
    rf"cells/{CELL}/training\.webp": 256 * MEBIBYTE,
    rf"cells/{CELL}/samples/[0-9]{{1,16}}\.webp": 64 * MEBIBYTE,
    rf"cells/{CELL}/generators/[0-9]{{1,16}}\.pt": 8192 * MEBIBYTE,
}
_PATTERNS = [(re.compile(f"(?P<suite>{_SUITE})/{inner}"), most) for inner, most in _KNOWN.items()]


def room_for(name: str) -> int | None:
    """The most bytes that a file of this name may have in an archive; None for names that have no business there."""
    if name == CONTENTS:
        return 512 * MEBIBYTE
    return next((most for pattern, most in _PATTERNS if pattern.fullmatch(name)), None)


# --- packing -----------------------------------------------------------------------------------------------
def pack(output: Path, folders: Sequence[SuiteFolder], generators: bool) -> dict[str, tuple[int, int]]:
    """Make an archive. Returns how many cells of each suite are in it, and how many are not finished yet.

    Raises NothingMatched where none is, StoreError where it cannot be written.
    """
    counts = {}
    partial = output.with_name(f".{output.name}.{secrets.token_hex(4)}.partial")
    try:
        with zipfile.ZipFile(partial, "x", allowZip64=True) as archive:
            contents: dict[str, dict[str, Any]] = {}
            for folder in folders:
                counts[folder.path.name] = add_suite(archive, contents, folder, generators)
            if not any(done for done, _ in counts.values()):
                where = folders[0].path.parent if folders else output.parent
                raise NothingMatched(f"{where}: no cell is finished yet, so there is nothing to export")
            said = {"format": FORMAT, "schema": SCHEMA, "ganbench": __version__, "files": contents}
            add(archive, {}, CONTENTS, json.dumps(said, indent=1).encode())
        partial.rename(output)
    except OSError as error:
        raise StoreError(cannot_write(output, error)) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()
    return counts


def add_suite(
    archive: zipfile.ZipFile, contents: dict[str, dict[str, Any]], folder: SuiteFolder, generators: bool
) -> tuple[int, int]:
    """Finished and unfinished cells of it."""
    planned = [cell for cell in recorded(folder).cells if not cell.get("conflict")]  # refuses links that lead out
    done = 0
    for cell in planned:
        found = finished_files(folder.cell(cell["id"]), generators)
        for path, content in found.items():
            add(archive, contents, f"{folder.path.name}/cells/{cell['id']}/{path}", content)
        done += bool(found)
    outer = [folder.path / name for name in ("suite.yaml", "plan.json", "looks.json")]
    for file in (*outer, *sorted((folder.path / "external").glob("*.json"))):
        if file.is_file() and not file.is_symlink():
            name = file.relative_to(folder.path).as_posix()
            add(archive, contents, f"{folder.path.name}/{name}", file.read_bytes())
    return done, len(planned) - done


def finished_files(cell: CellFolder, generators: bool) -> dict[str, bytes]:
    """The files of a finished cell; none while it has no result. Read again when it is scored anew meanwhile."""
    while True:
        before = cell.result_version()
        if before is None or cell.load_result() is None:
            return {}
        found = {}
        for path in inside(cell, generators):
            with contextlib.suppress(FileNotFoundError):
                found[path.relative_to(cell.path).as_posix()] = path.read_bytes()
        if cell.result_version() == before and {"config.json", "result.json"} <= found.keys():
            found["config.json"] = anonymous(cell)
            return found
        if "config.json" not in found:
            raise StoreError(f"{cell.path}: has a result but no config.json, so it cannot be exported")


def inside(cell: CellFolder, generators: bool) -> Iterator[Path]:
    folders = [cell.path, cell.samples, *([cell.path / "generators"] if generators else [])]
    for folder in folders:
        for path in sorted(folder.iterdir()) if folder.is_dir() and not folder.is_symlink() else ():
            name = f"suite/cells/{cell.id}/{path.relative_to(cell.path).as_posix()}"
            if room_for(name) is not None and path.is_file() and not path.is_symlink():
                yield path


def anonymous(cell: CellFolder) -> bytes:
    """config.json without the place of this machine's cache."""
    value = read_json(cell.path / "config.json")
    if value is None:
        raise StoreError(f"{cell.path}: config.json is damaged")
    value |= {"cache": CACHE}
    return (json.dumps(value | {SEAL: seal(value)}, indent=1) + "\n").encode()


def add(archive: zipfile.ZipFile, contents: dict[str, dict[str, Any]], name: str, content: bytes) -> None:
    most = room_for(name)
    if most is None or len(content) > most:
        raise StoreError(
            f"{name}: is too large for an archive ({len(content)} bytes)" if most else f"{name}: is not ours"
        )
    info = zipfile.ZipInfo(name, EPOCH)
    info.external_attr = 0o100644 << 16
    info.compress_type = zipfile.ZIP_DEFLATED if name.endswith(PACKED) else zipfile.ZIP_STORED
    archive.writestr(info, content)
    contents[name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


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
    members = contents_of(path, archive)
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


def contents_of(path: Path, archive: zipfile.ZipFile) -> dict[str, dict[str, Any]]:
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
