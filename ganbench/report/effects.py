"""Rows of a table -> effects: every declared level against the baseline on every metric, at each look; of a grid, what
each axis does on average, too."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from ganbench import stats
from ganbench.api.cell import FAILURES, Suite
from ganbench.api.config import Json
from ganbench.api.metric import MetricKey
from ganbench.api.summary import Effect, Interaction
from ganbench.report.words import change_text
from ganbench.suite import base_levels

Record = Mapping[str, Any]  # a row of the table


class Level(NamedTuple):
    """What is compared with the baseline. A combination of several axes has no axis and a level "a=x, b=y"."""

    axis: str
    level: str


BASELINE = Level("", "baseline")
LARGEST = 1e100  # no metric gives more; a damaged file may


@dataclass(frozen=True, kw_only=True)
class Runs:
    """The rows of a table, by level; each cell once."""

    suite: Suite
    rows: dict[Level, list[Record]]  # of the baseline and of every declared level, in order

    @property
    def levels(self) -> list[Level]:
        return [level for level in self.rows if level != BASELINE]

    def first(self, level: Level) -> list[Record]:
        """The rows of the first look; without a declared top-up there is no other."""
        if self.suite.top_up is None:
            return self.rows[level]
        seeds = self.suite.baseline_seeds if level == BASELINE else self.suite.seeds
        return [row for row in self.rows[level] if row["seed"] in seeds]

    def topped_up(self, level: Level) -> bool:
        return len(self.rows[level]) > len(self.first(level))


def state(row: Record) -> str:
    """done, failed, skipped or missing."""
    status = row["status"]
    return "failed" if status in FAILURES else status if status in ("done", "skipped") else "missing"


def outcomes(rows: Sequence[Record], key: MetricKey) -> stats.Outcomes:
    """What some runs came to, on one metric."""
    states = [state(row) for row in rows]
    found = scores(rows, key)
    return stats.Outcomes(
        scores=tuple(sorted(found.values())),
        failures=states.count("failed"),
        missing=states.count("missing") + states.count("done") - len(found),
    )


def scores(rows: Sequence[Record], key: MetricKey) -> dict[str, float]:
    """Cell -> score, where there is one."""
    values = {str(row["cell"]): row.get(key.name) for row in rows if state(row) == "done"}
    return {cell: float(value) for cell, value in values.items() if value is not None and _usable(float(value), key)}


def _usable(value: float, key: MetricKey) -> bool:
    """Whether a number can be a score. Squares of the excluded ones are no numbers any more."""
    return abs(value) <= LARGEST and (key.scale != "ratio" or value >= 1 / LARGEST)


def rule(suite: Suite, key: MetricKey, notes: Mapping[str, Json], comparisons: int) -> stats.Rule:
    """How this suite compares this metric. Only the primary metric decides, so only it is adjusted."""
    primary = key.name == suite.primary_metric
    floor = notes.get(f"{key.name}_floor", notes.get(f"{key.name}_floor_halves"))  # data may have nothing held out
    return stats.Rule(
        margin=suite.margin if primary else key.margin,
        ratio=key.scale == "ratio",
        lower_is_better=key.direction == "lower",
        alpha=stats.look_level(suite.top_up),
        comparisons=comparisons if primary else None,
        # A difference can be 0 or below, where "within 2x" means nothing.
        floor=float(floor) if isinstance(floor, int | float) and key.scale == "ratio" else None,
    )


def comparable(notes: Mapping[str, Json], protocol: Mapping[str, Json]) -> dict[str, Json]:
    """Without floors for another number of images, which say nothing here: FID falls with their number."""
    images = protocol.get("images")
    return {name: value for name, value in notes.items() if notes.get(f"{name}_images", images) == images}


# --- one metric ----------------------------------------------------------------------------------
@dataclass(frozen=True, kw_only=True)
class Compared:
    """All comparisons on one metric."""

    effects: list[Effect]
    interactions: list[Interaction]
    open: set[Level]  # levels whose comparison a top-up could still settle
    spread: float | None  # between seeds within levels, on the scale of the test


def compare(runs: Runs, key: MetricKey, notes: Mapping[str, Json], deleted: int = 0) -> Compared:
    """Levels against the baseline and, in a grid, main effects first: one family for Holm. `deleted` comparisons were
    declared and are gone."""
    suite, ratio = runs.suite, key.scale == "ratio"
    everything = {level: outcomes(runs.rows[level], key) for level in runs.rows}
    early = {level: outcomes(runs.first(level), key) for level in runs.rows}
    topped = [level for level in runs.levels if runs.topped_up(level)]
    first: dict[Level, stats.Contrast] = _main_effects(runs, early, ratio)
    mains = list(first)
    second = _main_effects(runs, everything, ratio) if topped else {}
    for level in runs.levels:
        said = _unwired(runs.rows[level], runs.rows[BASELINE], key)
        first[level] = stats.against(early[level], early[BASELINE], ratio, unwired=said)
        if level in topped:
            second[level] = stats.against(everything[level], everything[BASELINE], ratio, unwired=said)
    findings = stats.judge_looks(first, second, rule(suite, key, notes, len(first) + deleted))
    pairs = _interactions(runs, everything if topped else early, key)
    contrasts = {level: second[level] if findings[level].look == 2 else one for level, one in first.items()}
    shrunken = _shrunken(contrasts, mains, ratio)
    effects = []
    for level, finding in findings.items():
        said_of = [*finding.notes, *_origin_notes(runs, level, mains)]
        if level in mains:
            against = "" if finding.baseline_score is None else f", against {finding.baseline_score:.4g}"
            said_of += [f"on average over the other settings{against}"]
            said_of += _depends(runs, everything if topped else early, pairs, level, key)
        if key.name != suite.primary_metric:
            said_of.append("exploratory: p is not adjusted")
        values = {name: value for name, value in vars(finding).items() if name not in ("notes", "open")}
        kind = "main effect" if level in mains else "level" if level.axis else "combination"
        effect = Effect(axis=level.axis, level=level.level, metric=key.name, note="; ".join(said_of), **values)
        effects.append(replace(effect, kind=kind, shrunken_percent=shrunken.get(level)))  # type: ignore[arg-type]
    undecided = {level for level, finding in findings.items() if finding.open and level not in topped}
    if mains and undecided:  # every combination has a share in every main effect
        undecided = {level for level in runs.levels if any(state(row) != "skipped" for row in runs.rows[level])}
    return Compared(
        effects=effects,
        interactions=pairs,
        open=undecided - set(topped),
        spread=stats.pooled_sd([one.scores for one in everything.values()], ratio),
    )


def _origin_notes(runs: Runs, level: Level, mains: Sequence[Level]) -> list[str]:
    if level in mains:
        return []
    rows = runs.rows[level]
    if not rows:
        return ["no results"]
    skipped = [row for row in rows if state(row) == "skipped"]
    started = any(state(row) in ("done", "failed") for row in rows)
    return [f"skipped: {_text(skipped[-1].get('reason'))}"] if skipped and not started else []


def _text(value: Any) -> str:
    """pandas puts NaN where there is no text."""
    return value if isinstance(value, str) else ""


def _unwired(rows: Sequence[Record], baseline: Sequence[Record], key: MetricKey) -> str:
    """Two networks never score alike to the last bit: equal scores, seed by seed, mean that the level sets nothing that
    is used. Shares may be equal by chance."""
    if key.scale != "ratio":
        return ""
    by_seed = [
        {row["seed"]: found[str(row["cell"])] for row in side if str(row["cell"]) in found}
        for side, found in ((side, scores(side, key)) for side in (rows, baseline))
    ]
    common = by_seed[0].keys() & by_seed[1].keys()
    if len(common) > 1 and all(by_seed[0][seed] == by_seed[1][seed] for seed in common):
        return "the same scores as the baseline, seed by seed: the level has no effect on anything"
    return ""


def _shrunken(contrasts: Mapping[Level, stats.Contrast], mains: Sequence[Level], ratio: bool) -> dict[Level, float]:
    found = {}
    for family in ([one for one in contrasts if one in mains], [one for one in contrasts if one not in mains]):
        tests = {level: test for level in family if (test := contrasts[level].test) is not None}
        for level, d in zip(tests, stats.shrunken(list(tests.values())), strict=True):
            found[level] = 100 * (math.expm1(d) if ratio else d)
    return found


# --- grids ---------------------------------------------------------------------------------------
def _cells(runs: Runs, found: Mapping[Level, stats.Outcomes]) -> tuple[dict[stats.Cell, stats.Outcomes], stats.Cell]:
    """Combination -> outcomes, and the combination that is the baseline; nothing unless the suite is a grid of two axes
    or more."""
    axes, base = list(runs.suite.axes), base_levels(runs.suite.axes)
    if runs.suite.design != "grid" or len(axes) < 2:
        return {}, ()
    cells = {}
    for level, rows in runs.rows.items():
        if rows:
            levels: dict[str, str] = json.loads(rows[0]["levels"])
            cells[tuple(levels.get(axis, base[axis]) for axis in axes)] = found[level]
    return cells, tuple(base[axis] for axis in axes)


def _main_effects(runs: Runs, found: Mapping[Level, stats.Outcomes], ratio: bool) -> dict[Level, stats.Contrast]:
    cells, base = _cells(runs, found)
    return {
        _level(runs, factor): stats.main_effect(cells, base, factor, ratio) for factor in stats.factors(cells, base)
    }


def _level(runs: Runs, factor: stats.Factor) -> Level:
    return Level(list(runs.suite.axes)[factor[0]], factor[1])


def _interactions(runs: Runs, found: Mapping[Level, stats.Outcomes], key: MetricKey) -> list[Interaction]:
    if key.name != runs.suite.primary_metric:
        return []
    cells, base = _cells(runs, found)
    listed = []
    for pair in stats.interactions(cells, base, key.scale == "ratio"):
        test = pair.test
        half = test.half_width(0.95) if test else 0.0
        d = test.difference if test else math.nan
        change = [100 * (math.expm1(x) if key.scale == "ratio" else x) for x in (d, d - half, d + half)]
        listed.append(
            Interaction(
                first=_level(runs, pair.first),
                second=_level(runs, pair.second),
                change_percent=change[0] if test else None,
                ci_low=change[1] if test else None,
                ci_high=change[2] if test else None,
                p_value=test.p if test else None,
                p_adjusted=pair.p_adjusted,
                found=pair.found,
            )
        )
    return listed


def _depends(
    runs: Runs, found: Mapping[Level, stats.Outcomes], pairs: Sequence[Interaction], level: Level, key: MetricKey
) -> list[str]:
    """`depends on ema: -12.0 % with off, +3.1 % with on`, for each axis with which an interaction was found."""
    cells, base = _cells(runs, found)
    axes, ratio = list(runs.suite.axes), key.scale == "ratio"
    factor = (axes.index(level.axis), level.level)
    partners = [other for pair in pairs if pair.found for other in _partner(pair, level)]
    said = []
    for axis in dict.fromkeys(axis for axis, _ in partners):
        at = axes.index(axis)
        parts = []
        for setting in dict.fromkeys([base[at], *(name for one, name in partners if one == axis)]):
            test = stats.main_effect(cells, base, factor, ratio, where=(at, setting)).test
            if test is not None:
                change = 100 * (math.expm1(test.difference) if ratio else test.difference)
                parts.append(f"{change_text(change, key)} with {setting}")
        said.append(f"depends on {axis}: {', '.join(parts)}" if parts else f"depends on {axis}")
    return said


def _partner(pair: Interaction, level: Level) -> list[tuple[str, str]]:
    if tuple(level) == tuple(pair.first):
        return [pair.second]
    return [pair.first] if tuple(level) == tuple(pair.second) else []
