"""From two groups of runs to a verdict, under a rule that was declared before the data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from ganbench.stats.outcomes import Outcomes, pooled_sd, scaled, score
from ganbench.stats.planning import seeds_needed
from ganbench.stats.tests import (
    Welch,
    equivalent,
    fails_more,
    failure_bound,
    holm,
    probability_better,
    welch,
)

Verdict = Literal["helps", "hurts", "no difference", "unstable", "not enough seeds"]
UNDECIDED: tuple[Verdict, ...] = ("not enough seeds", "unstable")  # what a top-up may still settle
MIN_SEEDS = 3  # finished seeds on each side, below which nothing is said
FLOOR_FACTOR = 2.0  # a baseline this close to real-against-real leaves no room to see an improvement
ONE_LOOK, EACH_OF_TWO = 0.05, 0.0294  # levels: two looks at .0294 make .05 together (Pocock, 1977)
K = TypeVar("K")


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What was declared before the data: how one metric is compared."""

    margin: float = 0.05  # differences below it do not matter: a share for ratios, absolute for differences
    ratio: bool = True  # compare logs; else plain values
    lower_is_better: bool = True
    alpha: float = ONE_LOOK  # of one look; see `look_level`
    comparisons: int | None = None  # declared, those of deleted and failed levels too; None: one by one, unadjusted
    floor: float | None = None  # the metric between real images and real images

    @property
    def width(self) -> float:
        """The margin on the scale of the test."""
        return math.log1p(self.margin) if self.ratio else self.margin

    @property
    def improvement(self) -> float:
        """The smallest gain that matters, on the scale of the test: the lower edge of a ratio's margin."""
        return -math.log1p(-self.margin) if self.ratio and self.margin < 1 else self.width


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """What one verdict is about: two groups of runs, and the test that they differ."""

    level: Outcomes
    baseline: Outcomes
    test: Welch | None  # None where there is too little to test
    spread: float | None = None  # between seeds, on the scale of the test
    cells: int = 1  # configurations on the side of the level: more than one in a main effect
    unwired: str = ""  # a sentence, where the scores show that something is not connected
    # Of the two sides, where they are no plain means over runs: a main effect is a mean over combinations
    scores: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One level against the baseline. None where there are too few seeds."""

    n: int
    baseline_n: int
    score: float | None
    baseline_score: float | None
    change_percent: float | None  # difference metrics: 100 x the difference
    ci_low: float | None  # 95 % interval of the change, unadjusted
    ci_high: float | None
    p_value: float | None
    p_adjusted: float | None  # None where the rule adjusts nothing
    verdict: Verdict
    seeds_needed: int | None  # per level; only where the verdict is that there are not enough
    failures: int
    baseline_failures: int
    notes: tuple[str, ...] = ()
    look: int = 1
    p_better: float | None = None  # P(a run of the level beats one of the baseline), failures worst
    p_failures: float | None = None  # Fisher's, adjusted like the other; None where no run of the level failed
    failure_bound: float | None = None  # the true failure rate may be as high as this (one-sided 95 %)
    open: bool = False  # whether a top-up could settle it


def look_level(top_up: int | None) -> float:
    """Level of each look."""
    return ONE_LOOK if top_up is None else EACH_OF_TWO


# --- many comparisons ----------------------------------------------------------------------------
def judge(levels: Mapping[K, Outcomes], baseline: Outcomes, rule: Rule) -> dict[K, Finding]:
    """Every level against the baseline, under one rule."""
    return judge_contrasts({key: against(level, baseline, rule.ratio) for key, level in levels.items()}, rule)


def against(level: Outcomes, baseline: Outcomes, ratio: bool, *, unwired: str = "") -> Contrast:
    """A level and the baseline, with Welch's test where there are enough seeds."""
    if level.seedless or baseline.seedless:
        unwired = "seed has no effect"
    test = None
    if min(len(level.scores), len(baseline.scores)) >= MIN_SEEDS and not unwired:
        test = welch(scaled(level.scores, ratio), scaled(baseline.scores, ratio))
    spread = pooled_sd([level.scores, baseline.scores], ratio)
    return Contrast(level=level, baseline=baseline, test=test, spread=spread, unwired=unwired)


def judge_contrasts(contrasts: Mapping[K, Contrast], rule: Rule) -> dict[K, Finding]:
    """One family of comparisons: adjusted together, in whatever order they come."""
    m = 1 if rule.comparisons is None else max(len(contrasts), rule.comparisons)
    p = {key: 1.0 if one.test is None else one.test.p for key, one in contrasts.items()}
    failing = {key: fails_more(one.level, one.baseline) for key, one in contrasts.items()}
    if rule.comparisons is not None:
        p = _adjusted(p, contrasts, m)
        failing = dict(zip(failing, holm(list(failing.values()), m), strict=True))
    return {key: _finding(one, rule, p[key], failing[key], m) for key, one in contrasts.items()}


def judge_looks(first: Mapping[K, Contrast], second: Mapping[K, Contrast], rule: Rule) -> dict[K, Finding]:
    """Two looks at `rule.alpha` each. first: every comparison, with the seeds of the first look; second: those that got
    the declared top-up, with all their seeds. What was decided at the first look stays decided as it was, also where it
    got more seeds for the sake of others, as in a grid; but failures count whenever they come. Without declared
    comparisons nothing is decided, so all seeds are shown."""
    found = judge_contrasts(first, rule)
    more = {
        key: one
        for key, one in second.items()
        if rule.comparisons is None or found[key].verdict in UNDECIDED or one.level.failures > first[key].level.failures
    }
    if more:
        again = judge_contrasts({**first, **more}, rule)
        found |= {key: replace(again[key], look=2, open=False) for key in more}
    return found


def _adjusted(p: Mapping[K, float], contrasts: Mapping[K, Contrast], m: int) -> dict[K, float]:
    """Holm. The p value of a level with failures speaks of its survivors alone, and that of a level with missing seeds
    is provisional, so they must not clear the way for others: to them they count as 1, else a failure here could earn a
    verdict there."""
    keys = list(p)
    apart = {key for key in keys if contrasts[key].level.failures or contrasts[key].level.missing}
    seen = [1.0 if key in apart else p[key] for key in keys]
    adjusted = dict(zip(keys, holm(seen, m), strict=True))
    for i, key in enumerate(keys):
        if key in apart:
            adjusted[key] = holm([*seen[:i], p[key], *seen[i + 1 :]], m)[i]
    return adjusted


# --- one comparison ------------------------------------------------------------------------------
def _finding(one: Contrast, rule: Rule, p: float, p_failing: float, m: int) -> Finding:
    level, baseline, test = one.level, one.baseline, one.test
    verdict, notes = _verdict(one, rule, p, p_failing)
    at_floor = _at_floor(baseline, rule)
    needed = None
    if test is not None and verdict == "not enough seeds" and not at_floor:
        ratio = len(baseline.scores) / len(level.scores)
        needed = seeds_needed(one.spread or 0.0, rule.improvement, alpha=rule.alpha, comparisons=m, base=ratio)
        # The spread seen may say that these seeds were enough, and chance that they were not: one more, then.
        needed = None if needed is None else max(-(-needed // one.cells), len(level.scores) // one.cells + 1)
    change: tuple[float | None, ...] = (None, None, None)
    if test is not None:
        half = test.half_width(0.95)
        d = test.difference
        change = tuple(100 * (math.expm1(x) if rule.ratio else x) for x in (d, d - half, d + half))
    ours, theirs = one.scores or [score(side.scores, rule.ratio) if side.scores else None for side in (level, baseline)]
    praised = test is not None and (test.difference < 0) == rule.lower_is_better
    return Finding(
        n=len(level.scores),
        baseline_n=len(baseline.scores),
        score=ours,
        baseline_score=theirs,
        change_percent=change[0],
        ci_low=change[1],
        ci_high=change[2],
        p_value=None if test is None else test.p,
        p_adjusted=None if test is None or rule.comparisons is None else p,
        verdict=verdict,
        seeds_needed=needed,
        failures=level.failures,
        baseline_failures=baseline.failures,
        notes=tuple(notes),
        p_better=probability_better(level, baseline, rule.lower_is_better) if one.cells == 1 else None,
        p_failures=p_failing if level.failures else None,
        failure_bound=failure_bound(level.failures, level.started) if level.started else None,
        open=verdict in UNDECIDED and bool(level.started) and not one.unwired and not (at_floor and praised),
    )


def _verdict(one: Contrast, rule: Rule, p: float, p_failing: float) -> tuple[Verdict, list[str]]:
    """Claims against a level come first, so that a failure can only take away from what is said in its favour."""
    level, baseline, test = one.level, one.baseline, one.test
    notes = []
    if level.failures:
        notes.append(
            f"{level.failures} of {level.started} failed (baseline {baseline.failures} of {baseline.started})"
            + ("; the change is that of the survivors" if test else "")
        )
    if one.unwired:
        notes.append(one.unwired)
    if missing := level.missing + baseline.missing:
        # A look before the declared seeds are in is a look too many.
        return "not enough seeds", [*notes, f"provisional: {missing} seed{'s' * (missing > 1)} missing"]
    if min(level.started, baseline.started) < MIN_SEEDS:
        return "not enough seeds", notes
    worse = test is not None and (test.difference > 0) == rule.lower_is_better
    if p_failing < rule.alpha:
        return "hurts", [*notes, f"fails more often (Fisher p = {p_failing:.2g})"]
    if p < rule.alpha and worse:
        return "hurts", notes
    if level.failures:
        # Also where the baseline fails as often: had the lost run lived, a score far off could have undone any verdict
        # on the survivors, so a verdict here could be one that the failure has improved.
        return "unstable", notes
    if test is None:
        return "not enough seeds", notes
    at_floor = _at_floor(baseline, rule)
    if at_floor:
        notes.append(f"baseline within {FLOOR_FACTOR:g}x of the floor")
    if p < rule.alpha and not at_floor:
        return "helps", notes
    if equivalent(test, rule.width, rule.alpha) and not at_floor:
        return "no difference", notes
    return "not enough seeds", notes


def _at_floor(baseline: Outcomes, rule: Rule) -> bool:
    return (
        rule.floor is not None
        and rule.lower_is_better
        and bool(baseline.scores)
        and score(baseline.scores, rule.ratio) <= FLOOR_FACTOR * rule.floor
    )
