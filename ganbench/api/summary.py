"""What a report shows, computed once: rows, effects with verdicts, and the words around them. No torch, no disk."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from ganbench.api.cell import Suite
from ganbench.api.config import Json
from ganbench.api.metric import MetricKey

if TYPE_CHECKING:
    import pandas as pd

Verdict = Literal["helps", "hurts", "no difference", "unstable", "not enough seeds"]


@dataclass(frozen=True, kw_only=True)
class Effect:
    """One level against the baseline, on one metric; a row of effects.csv. None where there are too few seeds."""

    axis: str
    level: str
    metric: str
    n: int  # finished seeds of the level
    baseline_n: int
    baseline_score: float | None  # mean over seeds (geometric for ratio metrics)
    score: float | None
    change_percent: float | None  # of ratio metrics; difference metrics: 100 x the difference
    ci_low: float | None  # 95 % interval of change_percent, unadjusted
    ci_high: float | None
    p_value: float | None  # Welch, two-sided
    p_adjusted: float | None  # Holm over the declared comparisons; None for metrics that do not decide
    verdict: Verdict
    seeds_needed: int | None  # per level, to settle a difference of the size of the margin with power 0.8
    failures: int
    baseline_failures: int
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Summary:
    suite: Suite
    rows: pd.DataFrame  # table.csv: one row per cell and seed
    effects: list[Effect]
    keys: list[MetricKey]  # metrics, in the suite's order; their titles name the protocol
    protocol: dict[str, Json]
    notes: dict[str, Json] = field(default_factory=dict)  # floors and ceilings
    answer: str = ""  # one sentence that answers the suite's question
    warnings: list[str] = field(default_factory=list)
    partial: bool = False  # cells are missing
    planned: int = 0  # cells that the suite asks for
    finished: int = 0
    footer: list[str] = field(default_factory=list)  # how the numbers were made, a line each
    # Of each row, the (axis, level) of its effects: the names of combinations too; ("", "baseline") of the baseline.
    row_levels: list[tuple[str, str]] = field(default_factory=list)
