"""Table -> Summary: every declared level against the baseline, on every metric, with the words around the numbers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import median_low
from typing import TYPE_CHECKING, Any

from ganbench import stats
from ganbench.api.cell import Suite
from ganbench.api.config import Json
from ganbench.api.metric import MetricKey
from ganbench.api.summary import Effect, Summary
from ganbench.errors import ConfigError, did_you_mean
from ganbench.report import words
from ganbench.report.effects import BASELINE, Level, Runs, comparable, compare, outcomes, state
from ganbench.report.protocol import titled

if TYPE_CHECKING:
    import pandas as pd


def summarise(
    suite: Suite,
    rows: pd.DataFrame,
    keys: Sequence[MetricKey],
    notes: Mapping[str, Json] | None = None,
    protocol: Mapping[str, Json] | None = None,
    declared: Iterable[tuple[str, str]] = (),
    *,
    deleted: Sequence[str] = (),
    changes: Sequence[str] = (),
) -> Summary:
    """Verdicts by the rule of `ganbench.stats`, the same whatever the order of rows.

    rows: one per planned cell and seed with the columns suite, cell, axis, level, levels (JSON text), seed, status and
    one per metric (`fid`, and where there are, `fid_last`, `fid_best`); reason, seconds and images_seen are kept.
    The baseline's rows have the level "baseline"; of a grid they are the combination of levels that change nothing.
    A status that is neither done, diverged, collapsed, failed nor skipped (pending, stale) is a missing seed.
    Where the suite declares a top-up, rows with other seeds than the suite's own belong to the second look.
    declared: all (axis, level) that the suite compares, for Holm and for levels without any row.
    deleted: names of levels that were declared once and are gone; they count as comparisons.
    changes: what was changed of the plan after runs had begun.

    Raises ConfigError if the primary metric is not among the keys.
    """
    notes, protocol = dict(notes or {}), dict(protocol or {})
    if suite.primary_metric not in [key.name for key in keys]:
        known = did_you_mean(suite.primary_metric, [key.name for key in keys])
        raise ConfigError(f"suite {suite.name}: primary_metric: {suite.primary_metric!r} is not measured.{known}")
    keys = [titled(key, protocol) for key in keys]
    records, names = _records(suite, rows)
    order = list(dict.fromkeys([*(Level(*pair) for pair in declared), *sorted(set(names) - {BASELINE})]))
    order = [BASELINE, *(level for level in order if level != BASELINE)]
    position = {level: i for i, level in enumerate(order)}
    sorting = sorted(range(len(records)), key=lambda i: (position[names[i]], records[i]["seed"], records[i]["cell"]))
    held: dict[Level, list[Mapping[str, Any]]] = {level: [] for level in order}
    for i in sorting:
        held[names[i]].append(records[i])
    runs = Runs(suite=suite, rows=held)

    floors = comparable(notes, protocol)
    compared = {key.name: compare(runs, key, floors, len(deleted)) for key in keys}
    primary = next(key for key in keys if key.name == suite.primary_metric)
    decided = compared[primary.name]
    effects = [effect for key in keys for effect in compared[key.name].effects]
    states = [state(row) for row in records]
    topped = any(runs.topped_up(level) for level in runs.levels)
    comparisons = len(decided.effects) + len(deleted)
    summary = Summary(
        suite=suite,
        rows=rows.iloc[[records[i]["_row"] for i in sorting]].reset_index(drop=True),
        effects=_with_disagreement(effects, keys, suite),
        keys=list(keys),
        protocol=protocol,
        notes=notes,
        partial="missing" in states,
        planned=sum(one != "skipped" for one in states),
        finished=sum(one in ("done", "failed") for one in states),
        row_levels=[(names[i].axis, names[i].level) for i in sorting],
        interactions=decided.interactions,
        look=2 if topped else 1,
        looks=1 if suite.top_up is None else 2,
        comparisons=comparisons,
        spread=decided.spread,
        smallest_effect=smallest_effect(suite, primary, decided.effects, decided.spread, comparisons),
        open=[(level.axis, level.level) for level in runs.levels if level in decided.open],
    )
    everything = [outcomes(held[level], primary) for level in order]
    return replace(
        summary,
        answer=words.answer(summary, primary),
        warnings=words.warnings(summary, changes),
        footer=words.footer(summary, primary, everything, deleted),
    )


def smallest_effect(
    suite: Suite, key: MetricKey, effects: Sequence[Effect], spread: float | None, comparisons: int
) -> float | None:
    """What the seeds of the median comparison find with power .8, given the spread between seeds that was seen."""
    main = [effect for effect in effects if effect.kind == "main effect"]
    sizes = [(effect.n, effect.baseline_n) for effect in main or effects if effect.n]
    if not spread or not sizes:
        return None
    return stats.smallest_effect(
        spread,
        median_low([n for n, _ in sizes]),
        median_low([n for _, n in sizes]),
        alpha=stats.look_level(suite.top_up),
        comparisons=max(comparisons, 1),
        ratio=key.scale == "ratio",
    )


# --- rows ----------------------------------------------------------------------------------------
def _records(suite: Suite, rows: pd.DataFrame) -> tuple[list[dict[str, Any]], list[Level]]:
    """One record per cell (a cell that was imported twice counts once), and the level that each belongs to."""
    records: dict[str, dict[str, Any]] = {}
    for i, row in enumerate(rows.to_dict("records")):
        records.setdefault(str(row["cell"]), {str(name): value for name, value in row.items()} | {"_row": i})
    return list(records.values()), [_name(suite, row) for row in records.values()]


def _name(suite: Suite, row: Mapping[str, Any]) -> Level:
    axis, level = _said(row["axis"]), _said(row["level"])
    levels: dict[str, str] = json.loads(row["levels"]) if _said(row.get("levels")) else {}
    if not axis and level in ("", BASELINE.level) and not levels:
        return BASELINE
    if suite.design == "grid" and levels and not any(suite.axes.get(a, {}).get(b, True) for a, b in levels.items()):
        return BASELINE  # all its levels set nothing: the base by another name
    return Level(axis, level) if level else combination(suite, levels)


def combination(suite: Suite, levels: Mapping[str, str]) -> Level:
    """The name of a combination of levels, with the axes in the suite's order."""
    order = [axis for axis in suite.axes if axis in levels] + sorted(set(levels) - set(suite.axes))
    return Level("", ", ".join(f"{axis}={levels[axis]}" for axis in order))


def _said(value: Any) -> str:
    """A text cell; pandas puts NaN where there is none."""
    return value if isinstance(value, str) else ""


# --- effects -------------------------------------------------------------------------------------
def _with_disagreement(effects: list[Effect], keys: Sequence[MetricKey], suite: Suite) -> list[Effect]:
    """FID decides, and depends on the number of images; KID does not. Where both are significant and contradict each
    other, the verdict says so."""
    better = {key.name: -1 if key.direction == "lower" else 1 for key in keys}
    kid = {Level(e.axis, e.level): e for e in effects if e.metric == "kid"}

    def marked(effect: Effect) -> Effect:
        other = kid.get(Level(effect.axis, effect.level))
        if (
            effect.metric != suite.primary_metric
            or effect.verdict not in ("helps", "hurts")
            or other is None
            or other.p_value is None
            or other.p_value >= stats.look_level(suite.top_up)
        ):
            return effect
        kid_helps = (other.change_percent or 0) * better["kid"] > 0
        if kid_helps == (effect.verdict == "helps"):
            return effect
        return replace(effect, note="; ".join(filter(None, [effect.note, "metrics disagree"])))

    return [marked(effect) for effect in effects]
