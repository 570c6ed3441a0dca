"""Distributions that are installed for a test: a folder on the path, with what an installer would have written."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path

import pytest

from ganbench import probe, registry


def write_distribution(folder: Path, name: str, points: Mapping[str, str], modules: Mapping[str, str]) -> None:
    """points: `trick.mirror` -> `module:Class`; modules: name -> source."""
    home = folder / f"{name.replace('-', '_')}-1.5.dist-info"  # what stands before the first `-` is the name
    home.mkdir(parents=True, exist_ok=True)
    (home / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.5\n")
    lines = []
    for point, value in points.items():
        kind, _, entry = point.partition(".")
        lines.append(f"[{registry.group(kind)}]\n{entry} = {value}\n")  # type: ignore[arg-type]
    (home / "entry_points.txt").write_text("".join(lines))
    for module, text in modules.items():
        (folder / f"{module}.py").write_text(text)


def forget() -> None:
    """What this process knows of installed plugins."""
    importlib.invalidate_caches()
    registry._scan.cache_clear()
    registry.plugin_class.cache_clear()
    registry._refused.clear()
    probe._tried.clear()
    probe._untried.clear()
    probe._deadly.clear()


def on_path(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Here and in processes that are started from here."""
    patch.syspath_prepend(str(folder))
    patch.setenv("PYTHONPATH", str(folder))
    forget()
