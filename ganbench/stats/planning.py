"""Before the data: how many seeds, and how small an effect they can show."""

from __future__ import annotations

import math

POWER = 0.8
_MOST_SEEDS = 1_000_000  # beyond it a number of seeds is no advice


def power(effect: float, n: int, n_base: int, alpha: float = 0.05) -> float:
    """How often Welch's test finds an effect, the right way round. The effect is in units of the seeds' standard
    deviation, which is taken to be the same on both sides."""
    from scipy.special import nctdtr, stdtrit

    ours, theirs = 1 / n, 1 / n_base
    df = (ours + theirs) ** 2 / (ours**2 / (n - 1) + theirs**2 / (n_base - 1))
    limit, shift = float(stdtrit(df, 1 - alpha / 2)), effect / math.sqrt(ours + theirs)
    # Far out the noncentral t loses its digits, and nothing is left to compute.
    return 1.0 if shift > 3 * limit + 30 else 1.0 - float(nctdtr(df, shift, limit))


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
