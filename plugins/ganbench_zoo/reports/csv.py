"""Tables for spreadsheets and other programs."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganbench import Report, Summary
from ganbench_zoo.reports.wording import plain

_ROWS = ("suite", "cell", "axis", "level", "levels", "seed", "status")  # then the metrics, then _LAST
_LAST = ("reason", "seconds", "evaluation_seconds", "peak_memory_mib", "images_seen")
_WHOLE = ("seed", "images_seen")  # pandas turns whole numbers with gaps into floats
_EFFECTS = (
    *("axis", "level", "metric", "n", "baseline_n", "baseline_score", "score", "change_percent", "ci_low", "ci_high"),
    *("p_value", "p_adjusted", "verdict", "seeds_needed", "failures", "baseline_failures", "note"),
)


@dataclass(frozen=True, kw_only=True)
class CSV(Report):
    """table.csv, a row per cell and seed, and effects.csv, a row per level and metric; text cannot become formulas."""

    def write(self, summary: Summary, folder: Path) -> list[Path]:
        present = list(summary.rows.columns)
        metrics = [name for name in present if name not in (*_ROWS, *_LAST)]
        columns = [*_ROWS, *metrics, *(name for name in _LAST if name in present)]
        rows = [[row.get(name) for name in columns] for row in summary.rows.to_dict("records")]
        effects = [[getattr(effect, name) for name in _EFFECTS] for effect in summary.effects]
        return [
            _write(folder / "table.csv", columns, rows),
            _write(folder / "effects.csv", _EFFECTS, effects),
        ]


def _write(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_safe(name) for name in columns)
        for row in rows:
            writer.writerow(_cell(name, value) for name, value in zip(columns, row, strict=True))
    return path


def _cell(name: str, value: Any) -> str:
    """Numbers with all their digits; what is not finite, or missing, is empty."""
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, str):
        return _json_safe(value) if name == "levels" else _safe(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            return ""
        return str(int(value)) if name in _WHOLE and value.is_integer() else repr(value)
    return str(value) if isinstance(value, int) else ""


_FORMULA = r"[=+\-@\uff0b\uff0d\uff1d\uff20]"  # the wide ones count where people type them
_FIRST = re.compile(rf"(^|;)(\s*)(?={_FORMULA})")  # where ; separates cells, one begins after it


def _safe(text: str) -> str:
    """One line in which a spreadsheet sees no formula: an apostrophe stands before what could begin one."""
    return _FIRST.sub(r"\1'\2", plain(text))


def _json_safe(text: str) -> str:
    """The same for JSON, which stays the JSON that it is."""
    return re.sub(rf"(;\s*)({_FORMULA})", lambda found: f"{found[1]}\\u{ord(found[2]):04x}", plain(text))
