"""Whether files are those that were seen before: by inode, size and time, without reading them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

Signature = list[int] | None  # None: it is not there


def signature(path: Path | str) -> Signature:
    """Of what a name stands for, through links. Changes when a file is written, replaced or removed."""
    try:
        found = os.stat(path)  # noqa: PTH116 - of tens of thousands of files
    except OSError:
        return None
    return [found.st_ino, found.st_size, found.st_mtime_ns]


def signatures(folder: Path, names: Iterable[str]) -> list[Signature]:
    """Of some files of a folder, in that order."""
    return [signature(f"{folder}{os.sep}{name}") for name in names]


def below(folder: Path) -> Iterator[tuple[str, Signature]]:
    """Every file in a folder and in those inside, by name; what Python has compiled does not count."""
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if not entry.is_dir(follow_symlinks=False):
            yield entry.path, signature(entry.path)
        elif entry.name != "__pycache__":
            yield from below(Path(entry.path))
