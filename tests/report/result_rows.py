"""A small table of results, as the store gives it."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from ganbench.api.metric import MetricKey

FID = MetricKey(name="fid", direction="lower", scale="ratio", margin=0.05, title="FID")
KID = MetricKey(name="kid", direction="lower", scale="difference", margin=0.005, title="KID")
ACCURACY = MetricKey(name="conditional_accuracy", direction="higher", scale="difference", margin=0.02)
NOISE = (0.0, 0.02, -0.015, 0.01, -0.02, 0.005, -0.01, 0.015, 0.003, -0.004)


class Rows:
    """Collects rows; `frame` is what the store returns."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def add(
        self, levels: dict[str, str], fid: float, n: int = 5, status: str = "done", reason: str = "", **more: float
    ) -> Rows:
        axis, level = next(iter(levels.items())) if len(levels) == 1 else ("", "" if levels else "baseline")
        first = sum(row["levels"] == json.dumps(levels) for row in self.rows)
        for seed in range(first, first + n):
            row = {
                "suite": "demo",
                "cell": f"{axis}-{level}-{'-'.join(levels.values())}-{seed}",
                "axis": axis,
                "level": level,
                "levels": json.dumps(levels),
                "seed": seed,
                "status": status,
                "reason": reason,
                "seconds": 1.5 if status == "done" else None,
                "images_seen": 6400 if status == "done" else None,
            }
            if status == "done":
                score = fid * (1 + NOISE[seed % len(NOISE)])
                row |= {"fid": score, "fid_last": 1.1 * score, "fid_best": 0.9 * score}
                row |= {
                    name: value + NOISE[seed % len(NOISE)] / 100 for name, value in more.items() if name != "reason"
                }
            self.rows.append(row | {name: value for name, value in more.items() if name == "reason"})
        return self

    @property
    def frame(self) -> pd.DataFrame:
        return pd.DataFrame(self.rows)
