"""The acceptance figures on fewer suites, with room for chance; the benchmark of the same name is the whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.aa import Pool, false_alarms, pool_of
from benchmarks.statistics_figures import Plan, World, coverage, family_error, suites, verdicts
from ganbench.store import SuiteFolder

MANY = 300
TWO_LOOKS = Plan(n=5, top_up=8)


def test_suites_without_any_effect_seldom_claim_one_and_intervals_cover():
    for plan, seed in ((Plan(n=5), 1), (TWO_LOOKS, 2)):
        world = World()
        found = list(suites(MANY, world, plan, seed))
        assert family_error(found) <= 0.09  # .05 and three standard errors
        assert coverage(found, world.effects) >= 0.93


def test_a_level_that_only_raises_the_spread_is_not_blamed():
    world = World(effects=(0.0,), spread=0.0, widths=(3.0,))
    assert family_error(list(suites(3 * MANY, world, Plan(n=5), 3))) <= 0.08


def test_large_effects_are_found_and_the_top_up_finds_smaller_ones():
    world = World(effects=(-0.3,) * 4 + (-0.1,) * 4)
    found = list(suites(MANY // 3, world, TWO_LOOKS, 4))
    large = [f.verdict for suite in found for f in suite.findings[:4]]
    small = [f.verdict for suite in found for f in suite.findings[4:]]
    assert large.count("helps") / len(large) >= 0.98
    assert small.count("helps") / len(small) >= 0.74
    assert small.count("no difference") / len(small) <= 0.01 and "hurts" not in large + small


def test_failures_are_not_paid_for_by_survivors():
    for share, most in ((0.2, 0.36), (0.4, 0.13)):
        world = World(effects=(-0.10,), fails=share, spread=0.0)
        found = list(suites(MANY, world, Plan(n=5), 5))
        assert verdicts(found, "helps") <= most
        assert verdicts(found, "no difference") <= most


def test_suites_drawn_from_one_pool_seldom_claim_anything():
    """Skewed scores, as FIDs are: a long tail of bad runs. A single pool of 110 may be anywhere from .02 to .08."""
    rng, alarms = np.random.default_rng(6), {}
    for plan in (Plan(n=5), TWO_LOOKS):
        pools = [Pool(scores=tuple(np.exp(4 + 0.05 * rng.gamma(2, 1, 110)).tolist()), failures=0) for _ in range(5)]
        alarms[plan] = np.mean([false_alarms(pool, plan, suites=50) for pool in pools])
    assert max(alarms.values()) <= 0.10


def test_a_pool_of_levels_that_differ_is_refused(tmp_path: Path) -> None:
    suite = "name: x\nquestion: '?'\nbase: {}\naxes: {a: {b: {ema: 0.9}}}\nresolved: {profiles: []}\n"
    folder = SuiteFolder(tmp_path)
    folder.write_plan(suite, {"cells": [], "keys": [], "notes": {}})
    with pytest.raises(SystemExit, match="its levels set ema, so this is no A/A suite"):
        pool_of(folder)
