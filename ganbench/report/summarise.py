"""Table -> Summary: every declared level against the baseline, on every metric, with the words around the numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from ganbench import stats
from ganbench.api.cell import FAILURES, Suite
from ganbench.api.config import Json
from ganbench.api.metric import MetricKey
from ganbench.api.summary import Effect, Summary
from ganbench.errors import ConfigError, did_you_mean
from ganbench.report import words
from ganbench.report.protocol import titled

if TYPE_CHECKING:
    import pandas as pd


class Level(NamedTuple):
    """What is compared with the baseline. A combination of several axes has no axis and a level "a=x, b=y"."""

    axis: str
    level: str


BASELINE = Level("", "baseline")


def summarise(
    suite: Suite,
    rows: pd.DataFrame,
    keys: Sequence[MetricKey],
    notes: Mapping[str, Json] | None = None,
    protocol: Mapping[str, Json] | None = None,
    declared: Iterable[tuple[str, str]] = (),
) -> Summary:
    """Verdicts by the rule of `ganbench.stats`, the same whatever the order of rows.

    rows: one per planned cell and seed with the columns suite, cell, axis, level, levels (JSON text), seed, status and
    one per metric (`fid`, and where there are, `fid_last`, `fid_best`); reason, seconds and images_seen are kept.
    The baseline's rows have the level "baseline"; of a grid they are the combination of levels that change nothing.
    A status that is neither done, diverged, collapsed, failed nor skipped (pending, stale) is a missing seed.
    declared: all (axis, level) that the suite compares, for Holm and for levels without any row.

    Raises ConfigError if the primary metric is not among the keys.
    """
    notes, protocol = dict(notes or {}), dict(protocol or {})
    if suite.primary_metric not in [key.name for key in keys]:
        known = did_you_mean(suite.primary_metric, [key.name for key in keys])
        raise ConfigError(f"suite {suite.name}: primary_metric: {suite.primary_metric!r} is not measured.{known}")
    keys = [titled(key, protocol) for key in keys]
    records, names = _records(suite, rows)
    found = sorted(set(names) - {BASELINE})
    order = list(dict.fromkeys([*(Level(*pair) for pair in declared), *found]))
    order = [level for level in order if level != BASELINE]

    # A floor for another number of images says nothing here: FID falls with their number.
    images = (protocol or {}).get("images")
    comparable = {name: value for name, value in notes.items() if notes.get(f"{name}_images", images) == images}
    effects = [effect for key in keys for effect in _effects(suite, key, records, names, order, comparable)]
    effects = _with_disagreement(effects, keys, suite)
    states = [_state(row) for row in records]
    position = {level: i for i, level in enumerate([BASELINE, *order])}
    sorting = sorted(range(len(records)), key=lambda i: (position[names[i]], records[i]["seed"], records[i]["cell"]))
    summary = Summary(
        suite=suite,
        rows=rows.iloc[[records[i]["_row"] for i in sorting]].reset_index(drop=True),
        effects=effects,
        keys=list(keys),
        protocol=protocol,
        notes=notes,
        partial="missing" in states,
        planned=sum(state != "skipped" for state in states),
        finished=sum(state in ("done", "failed") for state in states),
        row_levels=[(names[i].axis, names[i].level) for i in sorting],
    )
    primary = next(key for key in keys if key.name == suite.primary_metric)
    groups = {level: _outcomes(records, names, level, primary) for level in [BASELINE, *order]}
    return replace(
        summary,
        answer=words.answer(summary, primary),
        warnings=words.warnings(summary),
        footer=words.footer(summary, primary, groups.pop(BASELINE), list(groups.values())),
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


def _state(row: Mapping[str, Any]) -> str:
    """done, failed, skipped or missing."""
    status = row["status"]
    return "failed" if status in FAILURES else status if status in ("done", "skipped") else "missing"


def _outcomes(records: Sequence[Mapping[str, Any]], names: Sequence[Level], level: Level, key: MetricKey) -> Any:
    mine = [row for row, name in zip(records, names, strict=True) if name == level]
    states = [_state(row) for row in mine]
    values = [row.get(key.name) for row, state in zip(mine, states, strict=True) if state == "done"]
    scores = [float(value) for value in values if value is not None and _usable(float(value), key)]
    return stats.Outcomes(
        scores=tuple(sorted(scores)),
        failures=states.count("failed"),
        missing=states.count("missing") + len(values) - len(scores),
    )


def _usable(value: float, key: MetricKey) -> bool:
    return math.isfinite(value) and (key.scale != "ratio" or value > 0)


# --- effects -------------------------------------------------------------------------------------
def rule(suite: Suite, key: MetricKey, notes: Mapping[str, Json], comparisons: int) -> stats.Rule:
    """How this suite compares this metric. Only the primary metric decides, so only it is adjusted."""
    primary = key.name == suite.primary_metric
    floor = notes.get(f"{key.name}_floor")
    return stats.Rule(
        margin=suite.margin if primary else key.margin,
        ratio=key.scale == "ratio",
        lower_is_better=key.direction == "lower",
        alpha=stats.look_level(suite.top_up),
        comparisons=comparisons if primary else None,
        # A difference can be 0 or below, where "within 2x" means nothing.
        floor=float(floor) if isinstance(floor, int | float) and key.scale == "ratio" else None,
    )


def _effects(
    suite: Suite,
    key: MetricKey,
    records: Sequence[Mapping[str, Any]],
    names: Sequence[Level],
    order: Sequence[Level],
    notes: Mapping[str, Json],
) -> list[Effect]:
    outcomes = {level: _outcomes(records, names, level, key) for level in order}
    baseline = _outcomes(records, names, BASELINE, key)
    findings = stats.judge(outcomes, baseline, rule(suite, key, notes, len(order)))
    skipped = {n: _said(r.get("reason")) for r, n in zip(records, names, strict=True) if _state(r) == "skipped"}
    effects = []
    for level, finding in findings.items():
        said = list(finding.notes)
        if level in skipped and not outcomes[level].started:
            said.append(f"skipped: {skipped[level]}")
        elif level not in names:
            said.append("no results")
        if key.name != suite.primary_metric:
            said.append("exploratory: p is not adjusted")
        values = {name: value for name, value in vars(finding).items() if name != "notes"}
        effects.append(Effect(axis=level.axis, level=level.level, metric=key.name, note="; ".join(said), **values))
    return effects


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
