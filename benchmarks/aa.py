"""False alarms on real runs: A/A suites drawn from a pool of runs that differ in nothing but chance.

ganbench run suites/aa.yaml --profile pool
python -m benchmarks.aa results/aa@pool
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.statistics_figures import Plan
from ganbench import stats
from ganbench.api.cell import FAILURES
from ganbench.report.pipeline import recorded, rows
from ganbench.store import SuiteFolder

LEVELS = 8


@dataclass(frozen=True, kw_only=True)
class Pool:
    """What runs of one configuration came to."""

    scores: tuple[float, ...]
    failures: int


def pool_of(folder: SuiteFolder, metric: str | None = None) -> Pool:
    """All runs of a suite, whose levels must not differ in anything but `replicate`."""
    found = recorded(folder)
    metric = metric or found.suite.primary_metric
    others = sorted({path for axis in found.suite.axes.values() for level in axis.values() for path in level})
    if others not in ([], ["replicate"]):
        raise SystemExit(f"{folder.path}: its levels set {', '.join(others)}, so this is no A/A suite")
    frame = rows(folder, found)
    done = frame[frame["status"] == "done"]
    return Pool(scores=tuple(map(float, done[metric])), failures=int(frame["status"].isin(FAILURES).sum()))


def false_alarms(pool: Pool, plan: Plan, *, suites: int = 1000, seed: int = 0) -> float:
    """Share of suites of eight levels, drawn from the pool without replacement, in which any level gets a claim.

    A ratio metric is assumed (FID). With few more runs than a suite needs, the suites are much alike.
    """
    outcomes: list[float | None] = [*sorted(pool.scores), *[None] * pool.failures]
    n, n_base = plan.top_up or plan.n, 2 * plan.top_up if plan.top_up else plan.n_base
    if len(outcomes) < LEVELS * n + n_base:
        raise SystemExit(f"{len(outcomes)} runs are too few: a suite takes {LEVELS * n + n_base}")
    rng, alarms = np.random.default_rng(seed), 0
    rule = stats.Rule(comparisons=LEVELS, alpha=stats.look_level(plan.top_up))
    for _ in range(suites):
        drawn = [outcomes[i] for i in rng.permutation(len(outcomes))[: LEVELS * n + n_base]]
        base, levels = drawn[:n_base], [drawn[n_base + n * i : n_base + n * (i + 1)] for i in range(LEVELS)]
        first = {
            i: stats.against(group(level[: plan.n]), group(base[: plan.n_base]), True) for i, level in enumerate(levels)
        }
        found = stats.judge_looks(first, {}, rule)
        if plan.top_up:
            left = [i for i, finding in found.items() if finding.open]
            found = stats.judge_looks(
                first, {i: stats.against(group(levels[i]), group(base), True) for i in left}, rule
            )
        alarms += any(finding.verdict in ("helps", "hurts") for finding in found.values())
    return alarms / suites


def group(drawn: Sequence[float | None]) -> stats.Outcomes:
    return stats.Outcomes(
        scores=tuple(score for score in drawn if score is not None), failures=sum(score is None for score in drawn)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="results/aa@pool")
    parser.add_argument("--suites", type=int, default=10_000)
    chosen = parser.parse_args()
    pool = pool_of(SuiteFolder(chosen.folder))
    logs = [math.log(score) for score in pool.scores]
    print(f"{len(logs)} runs, {pool.failures} failed; spread of the log score {statistics.stdev(logs):.3f}")
    missed = False
    for plan in (Plan(n=5), Plan(n=5, top_up=8)):
        runs = LEVELS * (plan.top_up or plan.n) + (2 * plan.top_up if plan.top_up else plan.n_base)
        if runs > len(logs) + pool.failures:
            print(f"two looks: {runs} runs would be needed")
            continue
        share = false_alarms(pool, plan, suites=chosen.suites)
        looks = f"{plan.n}" + (f" -> {plan.top_up}" if plan.top_up else "")
        print(f"{chosen.suites} A/A suites of {LEVELS} levels, {looks} seeds: {share:.3f} with a false alarm (<= .06)")
        missed |= share > 0.06
    raise SystemExit(int(missed))


if __name__ == "__main__":
    main()
