"""The layout of results/, of which this module and `cell_folder` alone know.

One writer per file. JSON files are replaced by rename, after an fsync; a file that cannot be read counts as absent.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganbench.api.cell import Cell
from ganbench.api.config import Json
from ganbench.cell_folder import CellFolder
from ganbench.errors import StoreError
from ganbench.files import SCHEMA, make_folder, plain, read_json, write_atomic, write_json
from ganbench.lease import owner

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SCHEMA", "CellFolder", "Store", "SuiteFolder", "table"]


def _sampler(evaluation: Mapping[str, Json]) -> tuple[Json, ...]:
    return evaluation["weights"], evaluation["batch_norm"]


def _whole(plan: Mapping[str, Any]) -> bool:
    """Whether a plan holds what is read of it. Ids name folders, so none may lead elsewhere."""
    cells, keys = plan.get("cells"), plan.get("keys")
    return (
        isinstance(plan.get("schema", 0), int)
        and isinstance(cells, list)
        and isinstance(keys, list)
        and isinstance(plan.get("notes", {}), dict)
        and all(
            isinstance(cell, dict)
            and isinstance(cell.get("id"), str)
            and cell["id"] not in ("", "..")
            and Path(cell["id"]).name == cell["id"]
            and isinstance(cell.get("levels"), dict)
            and isinstance(cell.get("seed"), int)
            for cell in cells
        )
    )


# --- one suite -------------------------------------------------------------------------------------
@dataclass(frozen=True)
class SuiteFolder:
    """results/<suite> or results/<suite>@<profile>."""

    path: Path

    @property
    def report(self) -> Path:
        return self.path / "report"

    def cell(self, cell_id: str) -> CellFolder:
        return CellFolder(self.path.joinpath("cells", cell_id))

    def adopt(self, cells: Iterable[Cell]) -> None:
        """A cell whose axis or level was renamed keeps what it has: its folder, known by the digest, is renamed too.

        Only a folder that no cell of the suite goes by any more, and of the same sampler: levels may differ in that
        alone, and then share a digest.
        """
        cells = list(cells)
        orphans = [path for path in self.cell_paths() if path.name not in {cell.id for cell in cells}]
        for cell in cells:
            mine = [path for path in orphans if path.name.endswith(f"-{cell.digest}")]
            if not mine or self.cell(cell.id).path.exists():
                continue
            for path in mine:
                if owner(path) is not None and not (path / "result.json").exists():
                    continue  # it is being trained under its old name
                config = read_json(path / "config.json")
                if config is not None and _sampler(config["cell"]["evaluation"]) == _sampler(plain(cell.evaluation)):
                    path.rename(self.cell(cell.id).path)
                    orphans.remove(path)
                    break

    def cell_paths(self) -> list[Path]:
        try:
            return sorted(path for path in (self.path / "cells").iterdir() if path.is_dir())
        except FileNotFoundError:
            return []

    def cell_names(self) -> set[str]:
        """Of all that lies among the cells, with one look."""
        try:
            return set(os.listdir(self.path / "cells"))  # noqa: PTH208 - names, no paths
        except OSError:
            return set()

    def write_plan(self, suite_yaml: str, plan: Mapping[str, Json]) -> None:
        """The suite as run, resolved, and what reports need to know of it without importing a plugin."""
        make_folder(self.path / "cells")
        text = self.path / "suite.yaml"
        if not text.exists() or text.read_text() != suite_yaml:
            write_atomic(text, suite_yaml.encode())
        value = {"schema": SCHEMA, **plan}
        if read_json(self.path / "plan.json") != plain(value):
            write_json(self.path / "plan.json", value)

    def read_plan(self) -> tuple[str, dict[str, Any]] | None:
        """suite.yaml and plan.json; None when this folder holds no suite. Raises StoreError where they are damaged."""
        plan = read_json(self.path / "plan.json")
        text = self.path / "suite.yaml"
        if plan is None or not text.exists():
            return None
        if not _whole(plan):
            raise StoreError(f"{self.path / 'plan.json'}: is damaged; `ganbench run` writes it anew")
        try:
            return text.read_text("utf-8"), plan
        except (OSError, UnicodeDecodeError) as error:
            raise StoreError(f"{text}: cannot be read ({error})") from error

    def read_looks(self) -> dict[str, Any] | None:
        """What was declared before the first run, and which look this is; None where no suite was run."""
        return read_json(self.path / "looks.json")

    def write_looks(self, looks: Mapping[str, Json]) -> None:
        value = {"schema": SCHEMA, **looks}
        if read_json(self.path / "looks.json") != plain(value):
            make_folder(self.path)
            write_json(self.path / "looks.json", value)


@dataclass(frozen=True)
class Store:
    """A results folder."""

    root: Path

    def suite(self, folder: str) -> SuiteFolder:
        return SuiteFolder(self.root / folder)

    def suites(self) -> Iterator[SuiteFolder]:
        """All suites that were run into this folder."""
        if self.root.is_dir():
            for path in sorted(self.root.iterdir()):
                if (path / "plan.json").exists():
                    yield SuiteFolder(path)

    @property
    def cache(self) -> Path:
        """Data sets, statistics and evaluators, shared by the suites of this folder. GANBENCH_CACHE names another."""
        named = os.environ.get("GANBENCH_CACHE")
        return Path(named) if named else self.root / ".cache"


def table(folder: SuiteFolder) -> pd.DataFrame:
    """One row per planned cell and seed: suite, cell, axis, level, levels, seed, status, reason, seconds,
    evaluation_seconds, peak_memory_mib, images_seen, then one column per metric. Cells without a result have the status
    `pending`."""
    import pandas as pd

    found = folder.read_plan()
    rows: list[dict[str, Any]] = []
    for planned in found[1]["cells"] if found else []:
        cell = folder.cell(planned["id"])
        result = cell.load_result()
        levels: dict[str, str] = planned["levels"]
        single = next(iter(levels.items())) if len(levels) == 1 else ("", "" if levels else "baseline")
        row = {
            "suite": folder.path.name,
            "cell": planned["id"],
            "axis": single[0],
            "level": single[1],
            "levels": json.dumps(levels),
            "seed": planned["seed"],
            "status": result.status if result else "skipped" if planned.get("conflict") else "pending",
            "reason": result.reason if result else planned.get("conflict") or "",
            "seconds": result.seconds if result else None,
            "evaluation_seconds": result.evaluation_seconds if result else None,
            "peak_memory_mib": result.peak_memory_mib if result else None,
            "images_seen": result.images_seen if result else None,
        }
        rows.append(row | (dict(result.metrics) if result else {}))
    about = ["suite", "cell", "axis", "level", "levels", "seed", "status", "reason"]
    columns = [*about, "seconds", "evaluation_seconds", "peak_memory_mib", "images_seen"]
    metrics = sorted({name for row in rows for name in row} - set(columns))
    return pd.DataFrame(rows, columns=[*columns, *metrics])
