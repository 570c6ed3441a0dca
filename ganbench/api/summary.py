"""What a report shows, computed once: rows, effects with verdicts, and the words around them. No torch, no disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from ganbench.api.cell import Suite
from ganbench.api.config import Json
from ganbench.api.metric import MetricKey
from ganbench.api.recorded import Records

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
    # level: against the baseline; main effect: of an axis in a grid, on average over the other axes; combination: of a
    # grid, as a whole against the baseline
    kind: Literal["level", "main effect", "combination"] = "level"
    look: int = 1  # 2: the declared top-up is in it
    p_better: float | None = None  # P(a run of the level beats one of the baseline), failures worst
    p_failures: float | None = None  # Fisher's exact test that the level fails more often, one-sided, after Holm
    failure_bound: float | None = None  # the true failure rate may be as high as this (one-sided 95 %)
    shrunken_percent: float | None = None  # the change, pulled towards 0 against the winner's curse: for rankings


@dataclass(frozen=True, kw_only=True)
class Interaction:
    """Of two levels in a grid: by how much the effect of one differs when the other is set, too (primary metric)."""

    first: tuple[str, str]  # axis, level
    second: tuple[str, str]
    change_percent: float | None
    ci_low: float | None  # 95 %, unadjusted
    ci_high: float | None
    p_value: float | None
    p_adjusted: float | None  # Holm over all pairs
    found: bool  # p_adjusted < 0.10: the main effects of both are then said to depend on each other


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
    interactions: list[Interaction] = field(default_factory=list)  # of a grid, all pairs of levels of two axes
    look: int = 1  # the last look that was begun
    looks: int = 1  # that were declared: 2 with `top_up`
    comparisons: int = 0  # that Holm counts: all that were ever declared, deleted ones too
    smallest_effect: float | None = None  # found with power 0.8: a share for ratios (0.1 is -10 %), else absolute
    spread: float | None = None  # between seeds of one level: of the log score for ratios
    open: list[tuple[str, str]] = field(default_factory=list)  # (axis, level) of cells that a top-up could still settle
    records: Records = Records()  # curves, grids, warnings: filled in for report formats, empty elsewhere

    def baseline(self, metric: str) -> Effect | None:
        """An effect on a metric that is measured against the baseline itself; None without levels."""
        return against_baseline([effect for effect in self.effects if effect.metric == metric])


def against_baseline(effects: Sequence[Effect]) -> Effect | None:
    """The first of them whose other side is the baseline alone: a main effect of a grid has several combinations there,
    and its `baseline_score` is their mean."""
    return next((effect for effect in effects if effect.kind != "main effect"), effects[0] if effects else None)
