"""The tests behind verdicts against statsmodels (extra `oracles`), to 1e-12."""

from __future__ import annotations

import numpy as np
import pytest

from ganbench.stats import Outcomes, Rule, equivalent, holm, judge, probability_better, welch

pytestmark = pytest.mark.soak
multitest = pytest.importorskip("statsmodels.stats.multitest")
weightstats = pytest.importorskip("statsmodels.stats.weightstats")
nonparametric = pytest.importorskip("statsmodels.stats.nonparametric")


def two_samples(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    level = rng.normal(rng.normal(0, 0.05), rng.uniform(0.01, 0.2), rng.integers(3, 12))
    return level, rng.normal(0, rng.uniform(0.01, 0.2), rng.integers(3, 12))


def test_welch_and_its_interval():
    rng = np.random.default_rng(7)
    for _ in range(500):
        a, b = two_samples(rng)
        theirs = weightstats.CompareMeans(weightstats.DescrStatsW(a), weightstats.DescrStatsW(b))
        _, p, df = theirs.ttest_ind(usevar="unequal")
        low, high = theirs.tconfint_diff(usevar="unequal")
        ours = welch(a.tolist(), b.tolist())
        assert ours.p == pytest.approx(p, rel=1e-11, abs=1e-12)
        assert ours.df == pytest.approx(df, rel=1e-12)
        half = ours.half_width(0.95)
        assert (ours.difference - half, ours.difference + half) == pytest.approx((low, high), rel=1e-11, abs=1e-12)


def test_equivalence():
    rng = np.random.default_rng(8)
    seen = set()
    for _ in range(500):
        a, b = two_samples(rng)
        p = weightstats.ttost_ind(a, b, -0.05, 0.05, usevar="unequal")[0]
        assert equivalent(welch(a.tolist(), b.tolist()), 0.05) == (p < 0.05)
        seen.add(p < 0.05)
    assert seen == {True, False}


def test_holm():
    rng = np.random.default_rng(9)
    for _ in range(200):
        p = rng.uniform(0, 1, rng.integers(1, 20)) ** 3
        assert holm(p.tolist()) == pytest.approx(multitest.multipletests(p, method="holm")[1], rel=1e-12, abs=1e-12)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # where no run of one side is among those of the other
def test_probability_better():
    rng = np.random.default_rng(10)
    for _ in range(100):
        a, b = (np.exp(x) for x in two_samples(rng))
        theirs = nonparametric.rank_compare_2indep(b, a).prob1  # P(baseline > level) + ties / 2
        level, baseline = Outcomes(scores=tuple(a.tolist())), Outcomes(scores=tuple(b.tolist()))
        assert probability_better(level, baseline) == pytest.approx(theirs, rel=1e-12)


def test_a_suite_of_verdicts():
    """Welch on log scores, Holm over the levels: p as the report shows them."""
    rng = np.random.default_rng(11)
    for _ in range(50):
        base = np.exp(rng.normal(4, 0.05, 10))
        levels = [np.exp(rng.normal(4 + rng.normal(0, 0.1), 0.05, 5)) for _ in range(8)]
        raw = [weightstats.ttest_ind(np.log(level), np.log(base), usevar="unequal")[1] for level in levels]
        wanted = multitest.multipletests(raw, method="holm")[1]
        outcomes = {i: Outcomes(scores=tuple(level.tolist())) for i, level in enumerate(levels)}
        found = judge(outcomes, Outcomes(scores=tuple(base.tolist())), Rule(comparisons=8))
        assert [found[i].p_adjusted for i in range(8)] == pytest.approx(wanted, rel=1e-10, abs=1e-12)
