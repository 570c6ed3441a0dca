"""The tests behind verdicts, on plain numbers. scipy is imported when one is made."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ganbench.stats.outcomes import Outcomes, mean, variance


@dataclass(frozen=True, kw_only=True)
class Welch:
    """A difference of means with unequal variances, on the scale of the test (Welch, 1947)."""

    difference: float  # level minus baseline
    se: float
    df: float  # Welch-Satterthwaite
    p: float  # two-sided

    def half_width(self, confidence: float) -> float:
        """Half of the two-sided interval of the difference."""
        from scipy.special import stdtrit

        return float(stdtrit(self.df, 0.5 + confidence / 2)) * self.se


def welch(level: Sequence[float], baseline: Sequence[float]) -> Welch | None:
    """None with fewer than two values on a side, or without any spread."""
    return contrast([(1.0, level), (-1.0, baseline)])


def contrast(groups: Sequence[tuple[float, Sequence[float]]]) -> Welch | None:
    """Welch's test that a weighted sum of group means is 0. None where a group has fewer than two values, or where
    none has any spread."""
    if not groups or min(len(values) for _, values in groups) < 2:
        return None
    from scipy.special import stdtr

    parts = [weight**2 * (variance(values) / len(values)) for weight, values in groups]
    total = math.fsum(parts)
    if not total:
        return None
    shares = math.fsum((p / total) ** 2 / (len(values) - 1) for p, (_, values) in zip(parts, groups, strict=True))
    d, se = math.fsum(weight * mean(values) for weight, values in groups), math.sqrt(total)
    return Welch(difference=d, se=se, df=1 / shares, p=min(1.0, 2 * float(stdtr(1 / shares, -abs(d) / se))))


def equivalent(test: Welch, width: float, alpha: float = 0.05) -> bool:
    """Two one-sided tests (Schuirmann, 1987): the difference lies within +-width."""
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


def probability_better(level: Outcomes, baseline: Outcomes, lower_is_better: bool = True) -> float | None:
    """P(a run of the level beats one of the baseline): Mann-Whitney, ties .5, failures worst (Matsouaka, 2016)."""
    if not level.started or not baseline.started:
        return None
    sign = 1.0 if lower_is_better else -1.0
    ours = [sign * s for s in level.scores] + [math.inf] * level.failures
    theirs = [sign * s for s in baseline.scores] + [math.inf] * baseline.failures
    return sum((a < b) + 0.5 * (a == b) for a in ours for b in theirs) / (len(ours) * len(theirs))


def shrunken(tests: Sequence[Welch]) -> list[float]:
    """Differences pulled towards 0 by d tau^2 / (tau^2 + se^2), tau^2 being the variance of true effects that the
    spread of the differences allows (moments; zero mean is assumed, as a level does nothing until shown otherwise).

    The largest of many estimates is likely too large (the winner's curse), so rankings use these.
    """
    if not tests:
        return []
    seen = math.fsum(t.difference**2 for t in tests) / len(tests)
    tau = max(0.0, seen - math.fsum(t.se**2 for t in tests) / len(tests))
    return [t.difference * tau / (tau + t.se**2) if tau else 0.0 for t in tests]
