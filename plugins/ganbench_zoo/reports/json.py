"""The summary as one JSON document."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from ganbench import Report, Summary


@dataclass(frozen=True, kw_only=True)
class JSON(Report):
    """summary.json: effects, interactions, rows, external scores and protocol for programs; keys sorted, never NaN."""

    def write(self, summary: Summary, folder: Path) -> list[Path]:
        suite = summary.suite
        document = {
            "schema": 1,
            "suite": {
                "name": suite.name,
                "profile": suite.profile,
                "question": suite.question,
                "design": suite.design,
                "primary_metric": suite.primary_metric,
                "margin": suite.margin,
                "seeds": suite.seeds,
                "baseline_seeds": suite.baseline_seeds,
                "top_up": suite.top_up,
            },
            "answer": summary.answer,
            "warnings": summary.warnings,
            "partial": summary.partial,
            "planned": summary.planned,
            "finished": summary.finished,
            "metrics": summary.keys,
            "effects": summary.effects,
            "interactions": summary.interactions,
            "look": summary.look,
            "looks": summary.looks,
            "comparisons": summary.comparisons,
            "smallest_effect": summary.smallest_effect,
            "spread": summary.spread,
            "external": summary.records.external,
            "rows": [{**row, "levels": json.loads(row["levels"])} for row in summary.rows.to_dict("records")],
            "protocol": summary.protocol,
            "notes": summary.notes,
            "footer": summary.footer,
        }
        path = folder / "summary.json"
        text = json.dumps(_plain(document), indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False)
        path.write_text(re.sub("[^\n -~]", _shown, text) + "\n", encoding="utf-8")
        return [path]


def _shown(character: re.Match[str]) -> str:
    """What could rewrite a screen, and halves of surrogate pairs, as \\u escapes."""
    return character[0] if character[0].isprintable() else json.dumps(character[0])[1:-1]


def _plain(value: Any) -> Any:
    """Records as objects, numbers of numpy as numbers, what is not finite as null."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    return value if isinstance(value, float) and math.isfinite(value) else None  # also pandas' NA and NaT
