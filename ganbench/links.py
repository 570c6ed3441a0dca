"""A results folder is data, and may come from anybody: what leads out of it by a symbolic link is refused.

Otherwise a report would show, and a run would overwrite, whatever file of its user such a link names.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from ganbench.errors import StoreError

FOLDERS = ("samples", "generators")  # of a cell; all else in it is a file


def refuse_links(folder: Path, cells: Iterable[str] = ()) -> None:
    """Raises StoreError for the first link out of a suite's folder: in itself, its report, or one of these cells. That
    the folder itself is a link, or lies below one, is its owner's own choice."""
    root = folder.resolve()
    known = [folder / "cells" / cell for cell in cells]
    inside = [path / name for path in known for name in FOLDERS]
    for place in (folder, folder / "report", folder / "report" / "curves", folder / "external", *known, *inside):
        _check(root, place)


def _check(root: Path, place: Path) -> None:
    try:
        with os.scandir(place) as entries:
            links = [Path(entry.path) for entry in entries if entry.is_symlink()]
    except (OSError, ValueError):  # it is not there, or no name that a file could have
        links = [place] if _is_link(place) else []
    for link in [place, *links] if _is_link(place) else links:
        if link != root and not link.resolve().is_relative_to(root):
            raise StoreError(
                f"{link}: is a symbolic link that leads out of {root}, so its content would be shown or overwritten. "
                "Remove it; a results folder as a whole may be a link"
            )


def _is_link(place: Path) -> bool:
    try:
        return place.is_symlink()
    except (OSError, ValueError):
        return False
