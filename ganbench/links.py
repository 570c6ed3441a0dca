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
    for place in (folder, folder / "report", folder / "report" / "curves", folder / "external"):
        _check(root, str(place), _is_link(place))
    wanted = set(cells)
    try:
        with os.scandir(folder / "cells") as found:
            places = sorted((entry.path, entry.is_symlink()) for entry in found if entry.name in wanted)
    except OSError:
        return  # nothing has run yet
    for name, link in places:  # no Path is made of them: there may be tens of thousands
        for inside in _check(root, name, link):
            _check(root, inside, False)


def _check(root: Path, place: str, link: bool) -> list[str]:
    """Returns those of FOLDERS that are in it."""
    try:
        with os.scandir(place) as found:
            entries = list(found)
        links = [entry.path for entry in entries if entry.is_symlink()]
    except (OSError, ValueError):  # it is not there, or no name that a file could have
        entries, links = [], []
    for name in [place, *links] if link else links:
        if Path(name) != root and not Path(name).resolve().is_relative_to(root):
            raise StoreError(
                f"{name}: is a symbolic link that leads out of {root}, so its content would be shown or overwritten. "
                "Remove it; a results folder as a whole may be a link"
            )
    return [entry.path for entry in entries if entry.name in FOLDERS]


def _is_link(place: Path) -> bool:
    try:
        return place.is_symlink()
    except (OSError, ValueError):
        return False
