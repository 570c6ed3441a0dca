"""Folders of files: found, listed without leaving them, ordered and digested. Shared by the data sets on disk."""

from __future__ import annotations

import hashlib
import os
import time
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from ganbench import DataError, Json, Skipped
from ganbench_zoo.datasets.images import SUFFIXES, THREADS

LISTED = 20  # names that a message gives
SETTLED = 2.0  # seconds after which a folder's time of change can be trusted to show the next change

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The images below a folder."""

    root: Path
    files: list[str]  # relative paths with /, in the order of the data set: by a hash of the path
    refused: list[str]  # "path: why" of links that are not followed
    folders: list[Path]  # that were looked into
    _whole: dict[str, str] = field(default_factory=dict)  # path in normal form -> path
    _short: dict[str, str] = field(default_factory=dict)  # name, with and without suffix -> path; "" where several fit

    def find(self, name: str, within: str = "") -> str | None:
        """The listed file that a table means, however its accents are composed: by its path, or by its name alone
        (with or without suffix) where only one file has it. Never anything outside the folder."""
        plain = _normal(name)
        found = self._whole.get(f"{within}/{plain}" if within else plain) or self._whole.get(plain)
        return found or (None if "/" in plain else self._short.get(plain) or None)


def find_root(data_set: str, path: str, example: str) -> Path:
    """The folder that an option names."""
    if not path:
        raise DataError(f"{data_set}: say which folder: {{{data_set}: {{path: {example}}}}}")
    root = (Path(os.environ.get("GANBENCH_DATA", ".")) / Path(path).expanduser()).resolve()
    if not root.is_dir():
        raise DataError(
            f"{data_set}: there is no folder {root}. Set the option `path`, or $GANBENCH_DATA if it is relative."
        )
    return root


def list_images(data_set: str, root: Path) -> Listing:
    """All images below a folder but hidden ones. Links to folders, and links that lead out, are refused."""
    return remembered(f"{data_set} {root}", lambda: _list_images(data_set, root), lambda listing: listing.folders)


def _list_images(data_set: str, root: Path) -> Listing:
    files: list[str] = []
    refused: list[str] = []
    folders: list[Path] = []

    def stop(error: OSError) -> None:
        raise DataError(f"{data_set}: cannot list {error.filename}: {error.strerror}") from error

    for folder, subfolders, names in os.walk(root, followlinks=False, onerror=stop):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        folders.append(Path(folder))
        inside = folders[-1].relative_to(root).as_posix()
        before = "" if inside == "." else f"{inside}/"
        for name in subfolders:
            if (folders[-1] / name).is_symlink():
                refused.append(f"{before}{name}: a symbolic link to a folder")
        for name in sorted(names):
            if name.startswith(".") or PurePosixPath(name).suffix.lower() not in SUFFIXES:
                continue
            path = folders[-1] / name
            if not path.is_file():  # a pipe would be waited for, and a loop of links cannot be resolved
                refused.append(f"{before}{name}: no file, or a symbolic link that leads nowhere")
            elif path.is_symlink() and not path.resolve().is_relative_to(root):
                refused.append(f"{before}{name}: a symbolic link that leads out of the folder")
            else:
                files.append(before + name)
    if not files:
        raise DataError(f"{data_set}: no image ({', '.join(sorted(SUFFIXES))}) in {root} or its subfolders.")
    whole = {_normal(file): file for file in files} | {file: file for file in files}
    short: dict[str, str] = {}
    for file in files:
        alone = PurePosixPath(_normal(file))
        for key in (alone.name, alone.stem):
            short[key] = file if short.get(key, file) == file else ""
    return Listing(root=root, files=in_order(files), refused=refused, folders=folders, _whole=whole, _short=short)


_remembered: dict[str, tuple[float, Any]] = {}  # key -> newest change of what was looked at, and what was found


def remembered(key: str, find: Callable[[], T], seen: Callable[[T], Iterable[Path]]) -> T:
    """What `find` finds, until a file or folder that it looked at changes: a plan asks once per level."""
    known = _remembered.get(key)
    if known is not None and _newest(seen(known[1])) == known[0]:
        return known[1]  # type: ignore[no-any-return]
    found = find()
    newest = _newest(seen(found))
    if time.time() - newest > SETTLED:
        _remembered[key] = newest, found
    return found


def _newest(paths: Iterable[Path]) -> float:
    """When one of these changed last; now, if one is gone."""
    try:
        return max((path.stat().st_mtime for path in paths), default=0.0)
    except OSError:
        return time.time()


def in_order(files: Iterable[str]) -> list[str]:
    """By a hash of the path: the first ones are a random sample, and every machine has the same order."""
    return sorted(files, key=lambda file: hashlib.sha256(os.fsencode(file)).digest())


def manifest(root: Path, files: Iterable[str]) -> str:
    """One digest over path, size and content of files. Reads them all, once per process."""
    listed = sorted(files)

    def one(file: str) -> str:
        path = root / file
        try:
            status = path.stat()
            content = content_digest(path, status.st_size, status.st_mtime_ns)
        except OSError as error:  # `make` counts it as bad
            return f"{file}\0{error.strerror}\n"
        return f"{file}\0{status.st_size}\0{content}\n"

    whole = hashlib.sha256()
    with ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1)) as pool:
        for line in pool.map(one, listed):
            whole.update(os.fsencode(line))
    return whole.hexdigest()


@cache
def content_digest(path: Path, size: int, modified: int) -> str:
    """sha256 of a file; `size` and `modified` make a changed file another key."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def held_out_count(data_set: str, wanted: float, count: int) -> int:
    """How many of `count` images are held out: a share below 1, else a number."""
    number = round(wanted * count) if wanted < 1 else int(wanted)
    if number >= count:
        raise DataError(f"{data_set}: held_out asks for {number} of {count} images, and leaves none to train on.")
    return number


def check_held_out(wanted: float) -> None:
    if wanted < 0 or (wanted >= 1 and wanted != int(wanted)):
        raise ValueError(f"held_out must be a share in [0, 1) or a whole number, not {wanted}")


def skipped(reason: str, names: Sequence[str]) -> list[Skipped]:
    """What was left out, if anything was."""
    return [Skipped(reason=reason, count=len(names), first=tuple(names[:LISTED]))] if names else []


def unusable(data_set: str, root: Path, bad: Sequence[str], count: int) -> DataError:
    """The message that lists bad files."""
    lines = [f"{data_set}: {len(bad)} of {count} files in {root} cannot be used:"]
    lines += [f"  {line}" for line in bad[:LISTED]]
    lines += [f"  and {len(bad) - LISTED} more"] if len(bad) > LISTED else []
    return DataError("\n".join([*lines, "Mend or remove them, or set `on_error: skip`."]))


def identity_of(root: Path, listing: Listing, tables: Iterable[str] = ()) -> Json:
    """What the content of a folder of images depends on."""
    return {
        "files": len(listing.files),
        "refused": len(listing.refused),
        "manifest": manifest(root, [*listing.files, *tables]),
    }


def _normal(name: str) -> str:
    return unicodedata.normalize("NFC", name.strip().replace("\\", "/").removeprefix("./"))
