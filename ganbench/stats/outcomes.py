"""Runs as numbers: what the seeds of a level came to, and how scores are averaged."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Outcomes:
    """What the seeds of one level, or of the baseline, came to."""

    scores: tuple[float, ...] = ()  # of finished seeds, on the metric's own scale
    failures: int = 0  # diverged, collapsed or failed
    missing: int = 0  # declared, and not there yet

    @property
    def started(self) -> int:
        return len(self.scores) + self.failures

    @property
    def seedless(self) -> bool:
        """Several seeds with one and the same score, to the last bit: the seed is not wired to anything."""
        return len(self.scores) > 1 and len(set(self.scores)) == 1


def together(groups: Iterable[Outcomes]) -> Outcomes:
    """Several groups of runs as one."""
    groups = list(groups)
    return Outcomes(
        scores=tuple(sorted(score for group in groups for score in group.scores)),
        failures=sum(group.failures for group in groups),
        missing=sum(group.missing for group in groups),
    )


def score(values: Iterable[float], ratio: bool) -> float:
    """The score of a run over its window, or of a level over its runs: geometric mean for ratios, else plain mean."""
    values = list(values)
    if not values:
        raise ValueError("a score needs at least one value")
    if ratio and min(values) <= 0:
        raise ValueError(f"a ratio metric must be above 0, not {min(values)}")
    return math.exp(mean(scaled(values, ratio))) if ratio else mean(values)


def pooled_sd(groups: Iterable[Sequence[float]], ratio: bool) -> float | None:
    """Spread between seeds within levels, on the scale of the test; None without two seeds anywhere."""
    pairs = [(variance(scaled(scores, ratio)), len(scores) - 1) for scores in groups if len(scores) > 1]
    df = sum(d for _, d in pairs)
    return math.sqrt(math.fsum(v * d for v, d in pairs) / df) if df else None


def scaled(scores: Sequence[float], ratio: bool) -> list[float]:
    """On the scale of the test: logarithms of ratios."""
    return [math.log(s) for s in scores] if ratio else list(scores)


def mean(values: Sequence[float]) -> float:
    # fsum is exact, so the order of rows cannot change a bit.
    return math.fsum(values) / len(values)


def variance(values: Sequence[float]) -> float:
    """Of a sample, unbiased."""
    centre = mean(values)
    return math.fsum((v - centre) ** 2 for v in values) / (len(values) - 1)
