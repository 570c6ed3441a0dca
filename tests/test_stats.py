"""The rule of verdicts: against scipy, against hand values, and as properties."""

from __future__ import annotations

import math
import random
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats as scipy_stats

from ganbench.stats import (
    Outcomes,
    Rule,
    Welch,
    against,
    contrast,
    equivalent,
    fails_more,
    failure_bound,
    holm,
    judge,
    judge_looks,
    look_level,
    pooled_sd,
    power,
    probability_better,
    score,
    seeds_needed,
    shrunken,
    smallest_effect,
    welch,
)

RULE = Rule(comparisons=1)
BASELINE = Outcomes(scores=(50.0, 51.0, 49.5, 50.5, 50.2, 49.8, 50.9, 49.1, 50.1, 50.3))


def shifted(factor: float, n: int = 5, **more: int) -> Outcomes:
    return Outcomes(scores=tuple(factor * s for s in BASELINE.scores[:n]), **more)


def verdict(level: Outcomes, baseline: Outcomes = BASELINE, rule: Rule = RULE) -> str:
    return judge({"x": level}, baseline, rule)["x"].verdict


# --- oracles -------------------------------------------------------------------------------------
def test_score_is_the_geometric_mean_of_ratios_and_the_plain_mean_of_differences():
    assert score([1.0, 4.0, 16.0], ratio=True) == pytest.approx(4.0)
    assert score([-1.0, 0.0, 4.0], ratio=False) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="above 0"):
        score([1.0, 0.0], ratio=True)


def test_welch_p_and_interval_equal_scipy_on_random_inputs():
    rng = np.random.default_rng(1)
    for _ in range(1000):
        a = rng.normal(0, rng.uniform(0.01, 3), rng.integers(2, 12))
        b = rng.normal(rng.normal(), rng.uniform(0.01, 3), rng.integers(2, 12))
        ours, theirs = welch(a.tolist(), b.tolist()), scipy_stats.ttest_ind(a, b, equal_var=False)
        interval = theirs.confidence_interval(0.95)
        half = ours.half_width(0.95)
        assert ours.p == pytest.approx(theirs.pvalue, rel=1e-11, abs=1e-12)
        assert ours.df == pytest.approx(theirs.df, rel=1e-12)
        assert ours.difference - half == pytest.approx(interval.low, rel=1e-9, abs=1e-12)
        assert ours.difference + half == pytest.approx(interval.high, rel=1e-9, abs=1e-12)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.01, 0.04], comparisons=4) == pytest.approx([0.04, 0.12])  # two more were declared and deleted
    assert holm([0.9, 0.9]) == [1.0, 1.0]


def test_holm_equals_a_plain_reading_of_the_paper():
    """Step down: the smallest p is compared at alpha/m, the next at alpha/(m - 1), until one is not rejected."""
    rng = np.random.default_rng(4)
    for _ in range(1000):
        p = rng.beta(0.3, 1, rng.integers(1, 10)).tolist()
        more = int(rng.integers(0, 4))
        adjusted = holm(p, len(p) + more)
        for alpha in (0.0294, 0.05, float(rng.uniform())):
            rejected = set()
            for step, i in enumerate(sorted(range(len(p)), key=p.__getitem__)):
                if not p[i] < alpha / (len(p) + more - step):
                    break
                rejected.add(i)
            assert {i for i, a in enumerate(adjusted) if a < alpha} == rejected


def test_fisher_equals_the_hypergeometric_tail():
    tables = [(k, n, j, m) for n in (3, 5, 8) for m in (6, 10, 16) for k in range(1, n + 1) for j in (0, 2)]
    for ours, n, theirs, m in tables:
        tail = scipy_stats.hypergeom.sf(ours - 1, n + m, ours + theirs, n)
        level = Outcomes(scores=(1.0,) * (n - ours), failures=ours)
        assert fails_more(level, Outcomes(scores=(1.0,) * (m - theirs), failures=theirs)) == pytest.approx(
            tail, abs=1e-12
        )


def test_a_contrast_of_two_groups_is_welch_and_of_four_is_by_hand():
    a, b, c, d = (1.0, 2.0, 4.0), (3.0, 3.5), (0.0, 1.0, 1.0, 2.0), (5.0, 5.5, 7.0)
    assert contrast([(1.0, a), (-1.0, b)]) == welch(a, b)
    found = contrast([(0.5, a), (0.5, b), (-0.5, c), (-0.5, d)])
    parts = [0.25 * np.var(x, ddof=1) / len(x) for x in (a, b, c, d)]
    assert found.difference == pytest.approx((np.mean(a) + np.mean(b) - np.mean(c) - np.mean(d)) / 2)
    assert found.se == pytest.approx(sum(parts) ** 0.5)
    assert found.df == pytest.approx(
        sum(parts) ** 2 / sum(p**2 / (len(x) - 1) for p, x in zip(parts, (a, b, c, d), strict=True))
    )
    assert found.p == pytest.approx(2 * scipy_stats.t.sf(abs(found.difference) / found.se, found.df), rel=1e-12)


def test_shrunken_effects_keep_what_is_far_beyond_the_noise():
    def noisy(d: float, se: float) -> Welch:
        return Welch(difference=d, se=se, df=5.0, p=0.5)

    assert shrunken([noisy(0.3, 0.01), noisy(-0.3, 0.01)]) == pytest.approx([0.3, -0.3], rel=0.01)
    assert shrunken([noisy(0.01, 0.1), noisy(-0.02, 0.1)]) == [0.0, 0.0]
    lone, sure = shrunken([noisy(0.2, 0.15), noisy(0.2, 0.01)])
    assert 0 < lone < sure < 0.2
    assert shrunken([]) == []


def test_equivalence_equals_two_one_sided_tests():
    rng = np.random.default_rng(2)
    seen = set()
    for _ in range(200):
        a, b = rng.normal(0, 0.04, 5), rng.normal(rng.normal(0, 0.02), 0.04, 10)
        above = scipy_stats.ttest_ind(a + 0.05, b, equal_var=False, alternative="greater").pvalue
        below = scipy_stats.ttest_ind(a - 0.05, b, equal_var=False, alternative="less").pvalue
        inside = max(above, below) < 0.05
        assert equivalent(welch(a.tolist(), b.tolist()), 0.05) == inside
        seen.add(inside)
    assert seen == {True, False}


def test_fisher_has_the_published_values():
    p = {k: fails_more(Outcomes(scores=(1.0,) * (5 - k), failures=k), BASELINE) for k in (0, 2, 3, 4)}
    assert p[0] == 1.0
    assert [round(p[k], 3) for k in (2, 3, 4)] == [0.095, 0.022, 0.004]
    assert fails_more(shifted(1.0, 4, failures=1), Outcomes(failures=9, scores=(50.0,))) > 0.9  # fails less


def test_failure_bound_of_no_failures():
    assert [round(failure_bound(0, n), 2) for n in (3, 5, 8, 10, 20)] == [0.63, 0.45, 0.31, 0.26, 0.14]


def test_probability_better_is_mann_whitney_with_failures_worst():
    a, b = (1.0, 2.0, 3.0), (2.0, 4.0)
    u = scipy_stats.mannwhitneyu(b, a).statistic / 6
    assert probability_better(Outcomes(scores=a), Outcomes(scores=b)) == pytest.approx(u)
    assert probability_better(Outcomes(scores=a), Outcomes(scores=b), lower_is_better=False) == pytest.approx(1 - u)
    assert probability_better(Outcomes(failures=1), Outcomes(scores=b)) == 0.0
    assert probability_better(Outcomes(failures=1), Outcomes(failures=1)) == 0.5


# --- planning ------------------------------------------------------------------------------------
PUBLISHED = {  # sd -> effect in % -> seeds per arm, in brackets after Holm with 8 comparisons
    0.02: {3: (8, 13), 5: (4, 6), 10: (3, 4), 20: (2, 3), 30: (2, 2)},
    0.03: {3: (17, 27), 5: (7, 11), 10: (3, 5), 20: (2, 3), 30: (2, 3)},
    0.05: {3: (44, 71), 5: (16, 27), 10: (5, 8), 20: (3, 4), 30: (2, 3)},
    0.08: {3: (110, 179), 5: (40, 65), 10: (11, 17), 20: (4, 6), 30: (3, 4)},
    0.10: {3: (171, 278), 5: (61, 100), 10: (16, 25), 20: (5, 8), 30: (3, 5)},
}


@pytest.mark.parametrize(("sd", "row"), PUBLISHED.items())
def test_seeds_needed_are_those_of_the_table(sd, row):
    for percent, (single, adjusted) in row.items():
        delta = -math.log1p(-percent / 100)
        assert abs(seeds_needed(sd, delta) - single) <= 1
        assert abs(seeds_needed(sd, delta, comparisons=8) - adjusted) <= 1


def test_smallest_effects_are_those_of_the_table():
    for sd, row in {0.03: (9, 6, 5), 0.05: (14, 10, 8), 0.10: (27, 19, 14)}.items():
        for n, percent in zip((3, 5, 8), row, strict=True):
            assert 100 * smallest_effect(sd, n, n) == pytest.approx(percent, abs=1)


def test_planning_functions_agree_with_each_other_and_with_a_simulation():
    delta = -math.log1p(-smallest_effect(0.05, 5, 10))
    assert power(delta / 0.05, 5, 10) == pytest.approx(0.8, abs=1e-4)
    assert seeds_needed(0.05, delta * 1.0001, base=2) == 5
    rng = np.random.default_rng(3)
    a, b = rng.normal(delta, 0.05, (4000, 5)), rng.normal(0, 0.05, (4000, 10))
    found = scipy_stats.ttest_ind(a, b, axis=1, equal_var=False).pvalue < 0.05
    assert found.mean() == pytest.approx(0.8, abs=0.03)


def test_planning_has_no_answer_without_spread_or_seeds():
    assert smallest_effect(0.05, 1, 10) is None
    assert seeds_needed(0.05, 0.0) is None
    assert seeds_needed(50.0, 1e-6) is None
    assert seeds_needed(0.0, 0.05) == 2
    assert pooled_sd([(1.0,), ()], ratio=True) is None
    assert look_level(None) == 0.05
    assert look_level(8) == 0.0294


# --- verdicts ------------------------------------------------------------------------------------
def test_the_five_verdicts():
    assert verdict(shifted(0.8)) == "helps"
    assert verdict(shifted(1.2)) == "hurts"
    assert verdict(shifted(1.001, 8)) == "no difference"
    assert verdict(Outcomes(scores=(40.0, 60.0, 50.0, 45.0, 55.0))) == "not enough seeds"
    assert verdict(shifted(1.0, 4, failures=1)) == "unstable"


def test_higher_can_be_better():
    rule = Rule(comparisons=1, lower_is_better=False)
    assert verdict(shifted(1.2), rule=rule) == "helps"
    assert verdict(shifted(0.8), rule=rule) == "hurts"


def test_change_is_a_ratio_or_a_difference():
    ratio = judge({"x": shifted(0.8)}, shifted(1.0), RULE)["x"]
    assert ratio.change_percent == pytest.approx(-20)
    assert ratio.ci_low < -20 < ratio.ci_high < 0
    up = Outcomes(scores=tuple(s + 0.1 for s in BASELINE.scores))
    difference = judge({"x": up}, BASELINE, Rule(ratio=False, comparisons=1))["x"]
    assert difference.change_percent == pytest.approx(10)
    assert difference.score == pytest.approx(difference.baseline_score + 0.1)


@pytest.mark.parametrize(("n", "n_base"), [(2, 10), (10, 2), (0, 10), (1, 1), (0, 0)])
def test_fewer_than_three_finished_seeds_get_nothing(n, n_base):
    found = judge({"x": shifted(0.1, n)}, Outcomes(scores=BASELINE.scores[:n_base]), RULE)["x"]
    assert found.verdict == "not enough seeds"
    shown = (found.change_percent, found.ci_low, found.ci_high, found.p_value, found.p_adjusted, found.seeds_needed)
    assert shown == (None,) * 6


def test_failures_count_although_too_few_seeds_finished():
    found = judge({"x": Outcomes(scores=(10.0,), failures=4)}, BASELINE, RULE)["x"]
    assert found.verdict == "hurts"
    assert found.p_value is None
    assert "fails more often" in "; ".join(found.notes)
    assert verdict(Outcomes(scores=(10.0, 11.0), failures=1)) == "unstable"


def test_failures_are_adjusted_over_levels():
    failing = Outcomes(scores=(50.0, 51.0), failures=3)  # p = .022 alone
    assert verdict(failing) == "hurts"
    assert verdict(failing, rule=Rule(comparisons=8)) == "unstable"


def test_an_excess_of_failures_blocks_helps():
    assert verdict(shifted(0.5, 4, failures=1)) == "unstable"
    assert verdict(shifted(0.5, 5), Outcomes(scores=BASELINE.scores[:8], failures=2)) == "helps"


def test_declared_comparisons_count_although_they_are_deleted():
    level = Outcomes(scores=(44.0, 49.0, 46.0, 48.5, 45.5))
    found = [judge({"x": level}, BASELINE, Rule(comparisons=m))["x"] for m in (1, 30)]
    assert [f.verdict for f in found] == ["helps", "not enough seeds"]
    assert found[1].p_adjusted == pytest.approx(30 * found[1].p_value)


def test_a_second_look_has_a_stricter_level():
    level = Outcomes(scores=(48.6, 50.3, 49.2, 49.4, 49.2))
    assert 0.0294 < judge({"x": level}, BASELINE, RULE)["x"].p_value < 0.05
    assert verdict(level) == "helps"
    assert verdict(level, rule=Rule(comparisons=1, alpha=look_level(8))) != "helps"


def test_a_level_with_failures_does_not_clear_the_way_for_others():
    level = Outcomes(scores=(44.0, 49.0, 46.0, 48.5, 45.5))
    for failures, multiplier in ((0, 1), (1, 2)):
        found = judge({"x": level, "y": shifted(2.0, 5, failures=failures)}, BASELINE, Rule(comparisons=2))
        assert found["x"].p_adjusted == pytest.approx(multiplier * found["x"].p_value)
        assert found["y"].verdict == "hurts"


def test_a_provisional_level_does_not_clear_the_way_for_others():
    level = Outcomes(scores=(44.0, 49.0, 46.0, 48.5, 45.5))
    found = judge({"x": level, "y": shifted(2.0, 4, missing=1)}, BASELINE, Rule(comparisons=2))
    assert found["x"].p_adjusted == pytest.approx(2 * found["x"].p_value)
    assert found["y"].verdict == "not enough seeds"


def test_unadjusted_rules_have_no_adjusted_p():
    found = judge({"x": shifted(0.8), "y": shifted(1.2)}, BASELINE, Rule())
    assert [f.p_adjusted for f in found.values()] == [None, None]
    assert [f.verdict for f in found.values()] == ["helps", "hurts"]


def test_a_baseline_at_the_floor_blocks_praise_and_not_blame():
    rule = Rule(comparisons=1, floor=30.0)
    found = {f: judge({"x": shifted(f, 8)}, BASELINE, rule)["x"] for f in (0.8, 1.001, 1.2)}
    assert [f.verdict for f in found.values()] == ["not enough seeds", "not enough seeds", "hurts"]
    assert found[0.8].notes == ("baseline within 2x of the floor",)
    assert found[0.8].seeds_needed is None  # more seeds would not help
    assert verdict(shifted(0.8), rule=Rule(comparisons=1, floor=24.0)) == "helps"


def test_a_seed_without_effect_earns_no_verdict():
    for level, baseline in [
        (Outcomes(scores=(40.0,) * 5), Outcomes(scores=(50.0,) * 10)),
        (Outcomes(scores=(40.0,) * 5), BASELINE),
        (shifted(0.8), Outcomes(scores=(50.0,) * 10)),
    ]:
        found = judge({"x": level}, baseline, RULE)["x"]
        assert (found.verdict, found.p_value, found.ci_low) == ("not enough seeds", None, None)
        assert found.notes == ("seed has no effect",)


def test_missing_seeds_make_it_provisional():
    found = judge({"x": shifted(0.5, missing=2)}, BASELINE, RULE)["x"]
    assert found.verdict == "not enough seeds"
    assert found.notes == ("provisional: 2 seeds missing",)


def test_seeds_needed_are_more_than_there_were():
    found = judge({"x": Outcomes(scores=(40.0, 60.0, 50.0, 45.0, 55.0))}, BASELINE, RULE)["x"]
    assert found.seeds_needed > 5
    assert judge({"x": shifted(0.8)}, BASELINE, RULE)["x"].seeds_needed is None


# --- two looks -----------------------------------------------------------------------------------
TWO = Rule(comparisons=2, alpha=look_level(8))


def test_what_the_first_look_decided_stays_decided():
    far = Outcomes(scores=tuple(2 * s for s in BASELINE.scores))
    first = {
        "x": against(shifted(0.8), BASELINE, True),
        "y": against(Outcomes(scores=(40.0, 62.0, 51.0)), BASELINE, True),
    }
    alone = judge_looks(first, {}, TWO)
    assert [alone[k].verdict for k in "xy"] == ["helps", "not enough seeds"]
    assert [alone[k].open for k in "xy"] == [False, True]
    again = judge_looks(first, {"y": against(far, BASELINE, True)}, TWO)
    assert again["x"] == alone["x"]
    assert (again["y"].verdict, again["y"].look, again["y"].open) == ("hurts", 2, False)


def test_seeds_that_came_for_the_sake_of_others_take_nothing_back_but_failures_do():
    first = {"x": against(shifted(0.8), BASELINE, True)}
    noise = (*shifted(0.8).scores, 40.0, 90.0, 60.0)
    second = {"x": against(Outcomes(scores=noise), BASELINE, True)}
    assert judge_looks(first, {}, TWO)["x"].verdict == "helps"
    assert judge_looks(first, second, TWO) == judge_looks(first, {}, TWO)
    exploratory = judge_looks(first, second, Rule(alpha=look_level(8)))["x"]
    assert (exploratory.n, exploratory.look) == (8, 2)
    failed = {"x": against(Outcomes(scores=noise[:5], failures=1), BASELINE, True)}
    assert judge_looks(first, failed, TWO)["x"].verdict == "unstable"


def test_nobody_gets_a_top_up_that_could_settle_nothing():
    for level, baseline, rule in (
        (Outcomes(), BASELINE, TWO),  # never started
        (Outcomes(scores=(50.0,) * 3), BASELINE, TWO),  # the seed is not wired
        (shifted(0.8), BASELINE, Rule(comparisons=1, floor=30.0)),  # better, with no room to see it
    ):
        found = judge({"x": level}, baseline, rule)["x"]
        assert (found.verdict, found.open) == ("not enough seeds", False)
    assert judge({"x": shifted(1.0, 4, failures=1)}, BASELINE, TWO)["x"].open


def test_identical_scores_seed_by_seed_are_no_evidence_of_no_difference():
    unwired = against(BASELINE, BASELINE, True, unwired="the level has no effect")
    found = judge_looks({"x": unwired}, {}, RULE)["x"]
    assert (found.verdict, found.notes, found.open) == ("not enough seeds", ("the level has no effect",), False)


# --- properties ----------------------------------------------------------------------------------
FAVOUR = {"hurts": 0, "unstable": 0, "not enough seeds": 1, "no difference": 2, "helps": 3}  # claims against it: 0
close = st.floats(40, 60).map(lambda x: round(x, 1))
scores = st.one_of(st.lists(close, max_size=8), st.lists(st.floats(1, 1000), max_size=8))
outcomes = st.builds(Outcomes, scores=scores.map(tuple), failures=st.integers(0, 4))


@settings(max_examples=300, deadline=None)
@given(
    level=outcomes.filter(lambda o: o.scores), baseline=outcomes, others=st.lists(outcomes, max_size=3), data=st.data()
)
def test_a_failure_never_improves_a_verdict(level, baseline, others, data):
    lost = data.draw(st.integers(0, len(level.scores) - 1))
    fewer = Outcomes(scores=level.scores[:lost] + level.scores[lost + 1 :], failures=level.failures + 1)
    rest = dict(enumerate(others))
    before = judge({"x": level, **rest}, baseline, Rule(comparisons=6))
    after = judge({"x": fewer, **rest}, baseline, Rule(comparisons=6))
    assert FAVOUR[after["x"].verdict] <= FAVOUR[before["x"].verdict]
    for other in rest:  # nor does it earn praise for somebody else
        assert after[other].verdict != "helps" or before[other].verdict == "helps"


def test_a_lost_outlier_does_not_improve_a_verdict():
    """The case that a comparison of survivors alone gets wrong: the baseline fails as often as the level."""
    baseline = Outcomes(scores=BASELINE.scores[:6], failures=4)
    assert verdict(Outcomes(scores=(40.0, 40.5, 41.0, 40.2, 900.0)), baseline) == "not enough seeds"
    assert verdict(Outcomes(scores=(40.0, 40.5, 41.0, 40.2), failures=1), baseline) == "unstable"


@settings(max_examples=100, deadline=None)
@given(levels=st.lists(outcomes, min_size=1, max_size=4), baseline=outcomes, seed=st.integers(0, 10))
def test_the_order_of_rows_and_levels_does_not_change_a_bit(levels, baseline, seed):
    def shuffled(o: Outcomes) -> Outcomes:
        return Outcomes(scores=tuple(random.Random(seed).sample(o.scores, len(o.scores))), failures=o.failures)

    first = judge(dict(enumerate(levels)), baseline, Rule(comparisons=4))
    again = judge(
        {i: shuffled(o) for i, o in reversed(list(enumerate(levels)))}, shuffled(baseline), Rule(comparisons=4)
    )
    assert {i: repr(f) for i, f in first.items()} == {i: repr(again[i]) for i in first}


def test_importing_it_needs_no_torch_scipy_or_pandas():
    code = "import sys, ganbench.stats; print(sorted({'torch', 'scipy', 'pandas', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
