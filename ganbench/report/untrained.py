"""Whether anything was learnt: scores against those of the same networks before their first step.

Two levels that have learnt nothing score alike, and a test that finds no difference between them is right; what a
reader would conclude about the trick is not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from statistics import mean

from ganbench.api.metric import MetricKey
from ganbench.api.summary import Summary
from ganbench.errors import StoreError
from ganbench.report.words import MOST_NAMES, margin_text
from ganbench.store import CellFolder, SuiteFolder


def with_untrained(summary: Summary, folder: SuiteFolder) -> Summary:
    """The summary with a warning where levels are not better than untrained by the suite's margin, if there are any.
    A run without an evaluation at initialisation (`evaluation.curve: 0`) says nothing."""
    key = next(key for key in summary.keys if key.name == summary.suite.primary_metric)
    pairs: dict[tuple[str, str], list[tuple[float, float]]] = {}
    if key.name not in summary.rows:  # no cell has got that far
        return summary
    rows = zip(summary.rows["cell"], summary.rows["status"], summary.rows[key.name], summary.row_levels, strict=True)
    for cell, status, score, level in rows:
        first = at_first(folder.cell(cell), key.name) if status in ("done", "collapsed") else None
        if first is not None and math.isfinite(score):
            pairs.setdefault(level, []).append((first, float(score)))
    unlearnt = [level for level, held in pairs.items() if not learnt(held, key, summary.suite.margin)]
    if not unlearnt:
        return summary
    return replace(summary, warnings=[*summary.warnings, _sentence(unlearnt, pairs, key, summary)])


def at_first(cell: CellFolder, metric: str) -> float | None:
    """The score before the first step; None where it was not measured."""
    try:
        found = cell.snapshots(most=1)
    except StoreError:
        return None
    if not found or found[0].get("step") != 0 or not isinstance(found[0].get("metrics"), dict):
        return None
    score = found[0]["metrics"].get(metric)
    return float(score) if isinstance(score, int | float) and math.isfinite(score) else None


def learnt(runs: Sequence[tuple[float, float]], key: MetricKey, margin: float) -> bool:
    """runs: of one level, scores before the first step and of the run. Means are geometric for ratio metrics."""
    firsts, scores = zip(*runs, strict=True)
    if key.scale == "ratio" and min(*firsts, *scores) > 0:
        change = math.expm1(mean(map(math.log, scores)) - mean(map(math.log, firsts)))
    else:
        change = mean(scores) - mean(firsts)
    return (-change if key.direction == "lower" else change) >= margin


def _sentence(
    unlearnt: Sequence[tuple[str, str]],
    pairs: dict[tuple[str, str], list[tuple[float, float]]],
    key: MetricKey,
    summary: Summary,
) -> str:
    names = [f"{axis}={level}" if axis else level for axis, level in unlearnt]
    shown = ", ".join(names[:MOST_NAMES]) + (f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else "")
    of = f"{len(unlearnt)} of {len(pairs)} levels" if len(pairs) > 1 else "the baseline"
    first = mean(first for held in pairs.values() for first, _ in held)
    if ("", "baseline") in unlearnt:
        so = ": between the baseline and another of these, a verdict says nothing about the trick; train for longer, "
        so += "or change the base"
    else:
        so = ": how they compare with each other says nothing" if len(unlearnt) > 1 else ""
    return (
        f"{of} ({shown}) {'is' if len(unlearnt) == 1 else 'are'} not better than untrained networks by the margin of "
        f"{margin_text(summary, key)} ({key.name} before the first step: {first:.4g}){so}"
    )
