"""`ganbench export`: finished cells in one file, for another machine. Imports no torch."""

from __future__ import annotations

import contextlib
import hashlib
import json
import secrets
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ganbench.commands.archive import CACHE, CONTENTS, FORMAT, SCHEMA, room_for
from ganbench.commands.arguments import find_suites
from ganbench.commands.clean import size
from ganbench.commands.screen import counted, document, note, safe
from ganbench.errors import ConfigError, NothingMatched, StoreError
from ganbench.files import SEAL, cannot_write, read_json, seal
from ganbench.report.pipeline import recorded
from ganbench.store import CellFolder, Store, SuiteFolder
from ganbench.version import __version__

PACKED = (".json", ".jsonl", ".txt", ".yaml")  # pictures and weights are as small as they get
EPOCH = (1980, 1, 1, 0, 0, 0)  # equal results make equal archives


def export(store: Store, suites: Sequence[str], output: Path | None, generators: bool, as_json: bool) -> int:
    """The command; returns the exit code."""
    folders = find_suites(store, suites)
    output = output or Path(f"{folders[0].path.name if len(folders) == 1 else 'results'}.zip")
    if output.exists():
        raise ConfigError(f"--output {output}: is there already: name another file, or remove it")
    counts = {}
    partial = output.with_name(f".{output.name}.{secrets.token_hex(4)}.partial")
    try:
        with zipfile.ZipFile(partial, "x", allowZip64=True) as archive:
            contents: dict[str, dict[str, Any]] = {}
            for folder in folders:
                counts[folder.path.name] = add_suite(archive, contents, folder, generators)
            if not any(done for done, _ in counts.values()):
                raise NothingMatched(f"{store.root}: no cell is finished yet, so there is nothing to export")
            said = {"format": FORMAT, "schema": SCHEMA, "ganbench": __version__, "files": contents}
            add(archive, {}, CONTENTS, json.dumps(said, indent=1).encode())
        partial.rename(output)
    except OSError as error:
        raise StoreError(cannot_write(output, error)) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()
    total = output.stat().st_size
    if as_json:
        cells = {name: {"exported": done, "unfinished": left} for name, (done, left) in counts.items()}
        document({"file": str(output), "bytes": total, "suites": cells})
        return 0
    for name, (done, left) in counts.items():
        more = f"; {left} without a result {'is' if left == 1 else 'are'} left out" if left else ""
        note(f"{name}: {counted(done, 'finished cell')}{more}")
    print(safe(f"{output} ({size(total)})"))
    return 0


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
