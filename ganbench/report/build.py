"""Summary -> files, through the report plugins."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import cast

from ganbench import registry
from ganbench.accuse import accusing
from ganbench.api.config import PluginSpec
from ganbench.api.report import Report
from ganbench.api.summary import Summary
from ganbench.errors import StoreError


def write(summary: Summary, folder: Path, formats: Iterable[str]) -> list[Path]:
    """Write every format into `folder`, and return the files. Files of an earlier report are replaced one by one by
    rename where they differ, and only after all formats are made: a format that breaks leaves it as it was.

    Raises UnknownPlugin for a format that is not installed, StoreError where the folder cannot be written.
    """
    plugins = [cast(Report, registry.make("report", PluginSpec(name=name))) for name in dict.fromkeys(formats)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Beside the files, since a rename cannot cross file systems.
        with tempfile.TemporaryDirectory(prefix=".report-", dir=folder) as name:
            with accusing():
                made = [path.relative_to(name) for plugin in plugins for path in plugin.write(summary, Path(name))]
            for path in made:
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                if not same(Path(name) / path, folder / path):
                    (Path(name) / path).replace(folder / path)
    except OSError as error:
        raise StoreError(f"{folder}: the report cannot be written ({error.strerror or error})") from error
    return [folder / path for path in made]


def same(new: Path, old: Path) -> bool:
    """Whether a file of the report has not changed."""
    try:
        return (
            not old.is_symlink() and new.stat().st_size == old.stat().st_size and new.read_bytes() == old.read_bytes()
        )
    except OSError:
        return False
