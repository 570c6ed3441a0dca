"""From seeds to verdicts: pure functions on plain numbers, no torch, no disk.

The evidence is one score per training run. A level is compared with the baseline by Welch's test on the log score
(ratio metrics) or on the score itself (difference metrics), all declared comparisons are adjusted by Holm (1979), and
"no difference" has to be shown by two one-sided tests (Schuirmann, 1987). Runs that fail are outcomes, never gaps.
The same results and plan give the same bytes in whatever order they come.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

Verdict = Literal["helps", "hurts", "no difference", "unstable", "not enough seeds"]
UNDECIDED: tuple[Verdict, ...] = ("not enough seeds", "unstable")  # what a top-up may still settle
MIN_SEEDS = 3  # finished seeds on each side, below which nothing is said
FLOOR_FACTOR = 2.0  # a baseline this close to real-against-real leaves no room to see an improvement
POWER = 0.8
_MOST_SEEDS = 1_000_000  # beyond it a number of seeds is no advice
K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, kw_only=True)
class Outcomes:
    """What the seeds of one level, or of the baseline, came to."""

    scores: tuple[float, ...] = ()  # of finished seeds, on the metric's own scale
    failures: int = 0  # diverged, collapsed or failed
    missing: int = 0  # declared, and not there yet

    @property
    def started(self) -> int:
        return len(self.scores) + self.failures


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What was declared before the data: how one metric is compared."""

    margin: float = 0.05  # differences below it do not matter: a share for ratios, absolute for differences
    ratio: bool = True  # compare logs; else plain values
    lower_is_better: bool = True
    alpha: float = 0.05  # of one look; see `look_level`
    comparisons: int | None = None  # declared, those of deleted and failed levels too; None: one by one, unadjusted
    floor: float | None = None  # the metric between two halves of the real data

    @property
    def width(self) -> float:
        """The margin on the scale of the test."""
        return math.log1p(self.margin) if self.ratio else self.margin

    @property
    def improvement(self) -> float:
        """The smallest gain that matters, on the scale of the test: the lower edge of a ratio's margin."""
        return -math.log1p(-self.margin) if self.ratio and self.margin < 1 else self.width


@dataclass(frozen=True, kw_only=True)
class Welch:
    """Two means with unequal variances, on the scale of the test (Welch, 1947)."""

    difference: float  # level minus baseline
    se: float
    df: float  # Welch-Satterthwaite
    p: float  # two-sided

    def half_width(self, confidence: float) -> float:
        """Half of the two-sided interval of the difference."""
        from scipy.special import stdtrit

        return float(stdtrit(self.df, 0.5 + confidence / 2)) * self.se


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


# --- scores --------------------------------------------------------------------------------------
def score(values: Iterable[float], ratio: bool) -> float:
    """The score of a run over its window, or of a level over its runs: geometric mean for ratios, else plain mean."""
    values = list(values)
    if not values:
        raise ValueError("a score needs at least one value")
    if ratio and min(values) <= 0:
        raise ValueError(f"a ratio metric must be above 0, not {min(values)}")
    return math.exp(_mean(_scaled(values, ratio))) if ratio else _mean(values)


def look_level(top_up: int | None) -> float:
    """Level of each look: two looks at .0294 make .05 together (Pocock, 1977)."""
    return 0.05 if top_up is None else 0.0294


def pooled_sd(groups: Iterable[Sequence[float]], ratio: bool) -> float | None:
    """Spread between seeds within levels, on the scale of the test; None without two seeds anywhere."""
    pairs = [(_variance(_scaled(scores, ratio)), len(scores) - 1) for scores in groups if len(scores) > 1]
    df = sum(d for _, d in pairs)
    return math.sqrt(math.fsum(v * d for v, d in pairs) / df) if df else None


def probability_better(level: Outcomes, baseline: Outcomes, lower_is_better: bool = True) -> float | None:
    """P(a run of the level beats one of the baseline): Mann-Whitney, ties .5, failures worst (Matsouaka, 2016)."""
    if not level.started or not baseline.started:
        return None
    sign = 1.0 if lower_is_better else -1.0
    ours = [sign * s for s in level.scores] + [math.inf] * level.failures
    theirs = [sign * s for s in baseline.scores] + [math.inf] * baseline.failures
    return sum((a < b) + 0.5 * (a == b) for a in ours for b in theirs) / (len(ours) * len(theirs))


# --- tests ---------------------------------------------------------------------------------------
def welch(level: Sequence[float], baseline: Sequence[float]) -> Welch | None:
    """None with fewer than two values on a side, or without any spread."""
    if min(len(level), len(baseline)) < 2:
        return None
    from scipy.special import stdtr

    parts = [_variance(level) / len(level), _variance(baseline) / len(baseline)]
    total = sum(parts)
    weights = (
        sum((p / total) ** 2 / (len(g) - 1) for p, g in zip(parts, (level, baseline), strict=True)) if total else 0
    )
    if not weights:
        return None
    d, se = _mean(level) - _mean(baseline), math.sqrt(total)
    return Welch(difference=d, se=se, df=1 / weights, p=min(1.0, 2 * float(stdtr(1 / weights, -abs(d) / se))))


def equivalent(test: Welch, width: float, alpha: float = 0.05) -> bool:
    """Two one-sided tests: the difference lies within +-width."""
    return abs(test.difference) + test.half_width(1 - 2 * alpha) < width


def holm(p_values: Sequence[float], comparisons: int | None = None) -> list[float]:
    """Adjusted p values (Holm, 1979) among at least `comparisons`; those that have no p value count as 1."""
    m = max(len(p_values), comparisons or 0)
    adjusted, highest = [1.0] * len(p_values), 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (m - rank) * p_values[i]))
        adjusted[i] = highest
    return adjusted


def fails_more(level: Outcomes, baseline: Outcomes) -> float:
    """p of Fisher's exact test, one-sided: the level fails more often than the baseline."""
    if not level.failures or not baseline.started:
        return 1.0
    from scipy.stats import fisher_exact

    table: Any = [[level.failures, len(level.scores)], [baseline.failures, len(baseline.scores)]]
    return float(fisher_exact(table, alternative="greater").pvalue)


def failure_bound(failures: int, started: int) -> float:
    """One-sided 95 % upper bound of the true failure rate (Clopper and Pearson, 1934): none of 5 allows .45."""
    from scipy.special import betaincinv

    return 1.0 if failures >= started else float(betaincinv(failures + 1, started - failures, 0.95))


# --- planning ------------------------------------------------------------------------------------
def power(effect: float, n: int, n_base: int, alpha: float = 0.05) -> float:
    """How often Welch's test finds an effect, the right way round. The effect is in units of the seeds' standard
    deviation, which is taken to be the same on both sides."""
    from scipy.stats import nct, t

    ours, theirs = 1 / n, 1 / n_base
    df = (ours + theirs) ** 2 / (ours**2 / (n - 1) + theirs**2 / (n_base - 1))
    limit, shift = float(t.isf(alpha / 2, df)), effect / math.sqrt(ours + theirs)
    # Far out the noncentral t loses its digits, and nothing is left to compute.
    return 1.0 if shift > 3 * limit + 30 else float(nct.sf(limit, df, shift))


def seeds_needed(sd: float, delta: float, *, alpha: float = 0.05, comparisons: int = 1, base: float = 1) -> int | None:
    """Seeds per level to find `delta` (on the scale of the test) with power .8; the baseline has `base` times as many.

    `comparisons` makes it Holm's first and hardest step. None if no reasonable number of seeds would do.
    """
    if not delta > 0 or not math.isfinite(sd):
        return None

    def enough(n: int) -> bool:
        return power(delta / sd, n, max(2, round(base * n)), alpha / comparisons) >= POWER

    low, high = 1, 2  # `low` is too few, `high` is tried
    if sd <= 0:
        return high
    while not enough(high):
        low, high = high, 2 * high
        if high > _MOST_SEEDS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def smallest_effect(
    sd: float, n: int, n_base: int, *, alpha: float = 0.05, comparisons: int = 1, ratio: bool = True
) -> float | None:
    """The smallest change that is found with power .8: a share for ratios (0.1 is -10 %), else absolute.

    `sd` is that of the log score for ratios (see `pooled_sd`). None with fewer than two seeds on a side.
    """
    if min(n, n_base) < 2:
        return None
    low, high = 0.0, 1.0
    while power(high, n, n_base, alpha / comparisons) < POWER:
        low, high = high, 2 * high
    while high - low > 1e-6 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if power(middle, n, n_base, alpha / comparisons) >= POWER else (middle, high)
    return -math.expm1(-high * sd) if ratio else high * sd


# --- verdicts ------------------------------------------------------------------------------------
def judge(levels: Mapping[K, Outcomes], baseline: Outcomes, rule: Rule) -> dict[K, Finding]:
    """Every level against the baseline, under one rule."""
    m = 1 if rule.comparisons is None else max(len(levels), rule.comparisons)
    tests = {key: _test(level, baseline, rule.ratio) for key, level in levels.items()}
    p = {key: 1.0 if test is None else test.p for key, test in tests.items()}
    failing = {key: fails_more(level, baseline) for key, level in levels.items()}
    if rule.comparisons is not None:
        p, failing = _adjust(p, levels, m), dict(zip(failing, holm(list(failing.values()), m), strict=True))
    return {key: _finding(level, baseline, rule, tests[key], p[key], failing[key], m) for key, level in levels.items()}


def _adjust(p: dict[K, float], levels: Mapping[K, Outcomes], m: int) -> dict[K, float]:
    """Holm. The p value of a level with failures speaks of its survivors alone, so it must not clear the way for
    others: to them it counts as 1, else a failure here could earn a verdict there."""
    adjusted = {}
    for key in p:
        seen = [own if other == key or not levels[other].failures else 1.0 for other, own in p.items()]
        adjusted[key] = holm(seen, m)[list(p).index(key)]
    return adjusted


def _test(level: Outcomes, baseline: Outcomes, ratio: bool) -> Welch | None:
    if min(len(level.scores), len(baseline.scores)) < MIN_SEEDS or _seedless(level) or _seedless(baseline):
        return None
    return welch(_scaled(level.scores, ratio), _scaled(baseline.scores, ratio))


def _finding(
    level: Outcomes, baseline: Outcomes, rule: Rule, test: Welch | None, p: float, p_failing: float, m: int
) -> Finding:
    verdict, notes = _verdict(level, baseline, rule, test, p, p_failing)
    needed = None
    if test is not None and verdict == "not enough seeds" and not _at_floor(baseline, rule):
        sd = pooled_sd([level.scores, baseline.scores], rule.ratio) or 0.0
        ratio = len(baseline.scores) / len(level.scores)
        needed = seeds_needed(sd, rule.improvement, alpha=rule.alpha, comparisons=m, base=ratio)
        # The spread seen may say that these seeds were enough, and chance that they were not: one more, then.
        needed = None if needed is None else max(needed, len(level.scores) + 1)
    change: tuple[float | None, ...] = (None, None, None)
    if test is not None:
        half = test.half_width(0.95)
        d = test.difference
        change = tuple(100 * (math.expm1(x) if rule.ratio else x) for x in (d, d - half, d + half))
    return Finding(
        n=len(level.scores),
        baseline_n=len(baseline.scores),
        score=score(level.scores, rule.ratio) if level.scores else None,
        baseline_score=score(baseline.scores, rule.ratio) if baseline.scores else None,
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
    )


def _verdict(
    level: Outcomes, baseline: Outcomes, rule: Rule, test: Welch | None, p: float, p_failing: float
) -> tuple[Verdict, list[str]]:
    """Claims against a level come first, so that a failure can only take away from what is said in its favour."""
    notes = []
    if level.failures:
        notes.append(
            f"{level.failures} of {level.started} failed (baseline {baseline.failures} of {baseline.started})"
            + ("; the change is that of the survivors" if test else "")
        )
    seedless = _seedless(level) or _seedless(baseline)
    if seedless:
        notes.append("seed has no effect")
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


def _seedless(outcomes: Outcomes) -> bool:
    """Several seeds with one and the same score, to the last bit: the seed is not wired to anything."""
    return len(outcomes.scores) > 1 and len(set(outcomes.scores)) == 1


def _scaled(scores: Sequence[float], ratio: bool) -> list[float]:
    return [math.log(s) for s in scores] if ratio else list(scores)


def _mean(values: Sequence[float]) -> float:
    # fsum is exact, so the order of rows cannot change a bit.
    return math.fsum(values) / len(values)


def _variance(values: Sequence[float]) -> float:
    mean = _mean(values)
    return math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1)
