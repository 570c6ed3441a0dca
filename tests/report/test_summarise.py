from __future__ import annotations

from dataclasses import replace

import pytest
from result_rows import ACCURACY, FID, KID, Rows

from ganbench.api.cell import Suite
from ganbench.errors import ConfigError
from ganbench.report.summarise import summarise


def verdicts(summary, metric="fid"):
    return {(e.axis, e.level): e.verdict for e in summary.effects if e.metric == metric}


def test_every_level_is_compared_with_the_baseline(rows, suite):
    rows.add({"norm": "off"}, 40).add({"opt": "sgd"}, 60).add({"ema": "on"}, 50, 2)
    summary = summarise(suite, rows.frame, [FID])
    assert verdicts(summary) == {
        ("norm", "off"): "helps",
        ("opt", "sgd"): "hurts",
        ("ema", "on"): "not enough seeds",
    }
    first = next(e for e in summary.effects if e.axis == "norm")
    assert (first.n, first.baseline_n) == (5, 10)
    assert first.change_percent == pytest.approx(-20, abs=1)
    assert "1 helps (norm=off -20" in summary.answer
    assert "1 hurts (opt=sgd +19" in summary.answer
    assert not summary.partial
    assert (summary.planned, summary.finished) == (22, 22)


def test_row_order_and_duplicate_rows_change_nothing(rows, suite):
    frame = rows.add({"norm": "off"}, 40).add({"opt": "sgd"}, 60, 4).add({"opt": "sgd"}, 0, 1, "diverged").frame
    first = summarise(suite, frame, [FID])
    doubled = frame.loc[[*frame.index, 3, 12]].sample(frac=1, random_state=4)
    again = summarise(suite, doubled, [FID])
    assert repr(first.effects) == repr(again.effects)
    assert first.rows.equals(again.rows)
    assert (first.answer, first.footer, first.warnings) == (again.answer, again.footer, again.warnings)


def test_declared_levels_without_rows_count_as_comparisons(rows, suite):
    frame = rows.add({"norm": "off"}, 49).frame
    declared = [("norm", "off"), *(("gone", str(i)) for i in range(9))]
    alone, together = summarise(suite, frame, [FID]), summarise(suite, frame, [FID], declared=declared)
    assert together.effects[0].p_value == alone.effects[0].p_value
    assert together.effects[0].p_adjusted == pytest.approx(min(1.0, 10 * alone.effects[0].p_value))
    assert together.effects[1].note == "no results"
    assert "9 without results" in together.answer and "and 3 more)" in together.answer


def test_failures_are_outcomes_and_skipped_cells_are_not(rows, suite):
    rows.add({"opt": "sgd"}, 30, 4).add({"opt": "sgd"}, 0, 1, "collapsed")
    rows.add({"lr": "x100"}, 0, 5, "diverged").add({"norm": "none"}, 0, 5, "skipped", reason="it needs one")
    summary = summarise(suite, rows.frame, [FID])
    assert verdicts(summary) == {
        ("lr", "x100"): "hurts",
        ("norm", "none"): "not enough seeds",
        ("opt", "sgd"): "unstable",
    }
    effects = {e.axis: e for e in summary.effects}
    assert (effects["lr"].n, effects["lr"].failures) == (0, 5)
    assert effects["norm"].failures == 0
    assert effects["norm"].note == "skipped: it needs one"
    assert "1 of 5 failed (baseline 0 of 10)" in effects["opt"].note
    assert "Seeds: 20 planned, 20 started, 6 failed." in summary.footer


@pytest.mark.parametrize("status", ["pending", "stale"])
def test_missing_seeds_make_verdicts_provisional(rows, suite, status):
    frame = rows.add({"norm": "off"}, 30, 4).add({"norm": "off"}, 0, 1, status).frame
    summary = summarise(suite, frame, [FID])
    assert verdicts(summary) == {("norm", "off"): "not enough seeds"}
    assert summary.effects[0].note == "provisional: 1 seed missing"
    assert summary.partial
    assert summary.answer.startswith("So far, ")
    assert any("1 of 15 cells" in line for line in summary.warnings)


def test_a_stale_score_is_never_used(rows, suite):
    frame = rows.add({"norm": "off"}, 30, 5).frame
    frame.loc[frame.index[-1], "status"] = "stale"
    assert summarise(suite, frame, [FID]).effects[0].n == 4


def test_other_metrics_are_exploratory(rows, suite):
    rows = Rows().add({}, 50, 10, conditional_accuracy=0.8).add({"norm": "off"}, 50, 5, conditional_accuracy=0.9)
    summary = summarise(suite, rows.frame, [FID, ACCURACY])
    accuracy = summary.effects[1]
    assert (accuracy.metric, accuracy.verdict, accuracy.p_adjusted) == ("conditional_accuracy", "helps", None)
    assert accuracy.note == "exploratory: p is not adjusted"
    assert accuracy.change_percent == pytest.approx(10, abs=0.1)
    assert "helps" not in summary.answer


@pytest.mark.parametrize(("kid", "note"), [(0.07, "metrics disagree"), (0.05005, ""), (0.03, "")])
def test_a_significant_opposite_kid_is_noted_and_changes_no_verdict(suite, kid, note):
    rows = Rows().add({}, 50, 10, kid=0.05).add({"norm": "off"}, 40, 5, kid=kid)
    effect = summarise(suite, rows.frame, [FID, KID]).effects[0]
    assert (effect.verdict, effect.note) == ("helps", note)


def test_the_floor_of_the_notes_is_used(rows, suite):
    frame = rows.add({"norm": "off"}, 40).frame
    effect = summarise(suite, frame, [FID], notes={"fid_floor": 30.0}).effects[0]
    assert (effect.verdict, effect.note) == ("not enough seeds", "baseline within 2x of the floor")


def test_margin_is_the_suites_for_the_primary_metric_and_the_metrics_own_otherwise(suite):
    rows = Rows().add({}, 50, 10, kid=0.05).add({"norm": "off"}, 50.1, 5, kid=0.05)
    wide = summarise(replace(suite, margin=0.2), rows.frame, [FID, KID])
    narrow = summarise(replace(suite, margin=0.001), rows.frame, [FID, replace(KID, margin=1e-9)])
    assert [e.verdict for e in wide.effects] == ["no difference", "no difference"]
    assert [e.verdict for e in narrow.effects] == ["not enough seeds", "not enough seeds"]
    assert "no difference above 20 %" in wide.answer


def test_combinations_of_a_grid_are_named_in_the_suites_order():
    axes = {"norm": {"batch": {}, "none": {"generator.norm": "none"}}, "ema": {"off": {}, "on": {"ema": 0.99}}}
    suite = Suite(name="g", question="?", base={}, design="grid", axes=axes)
    rows = Rows().add({"ema": "off", "norm": "batch"}, 50, 10).add({"ema": "on", "norm": "none"}, 40)
    rows.add({"norm": "batch", "ema": "on"}, 60)
    summary = summarise(suite, rows.frame, [FID])
    whole = {(e.axis, e.level): e.verdict for e in summary.effects if e.kind == "combination"}
    assert whole == {("", "norm=batch, ema=on"): "hurts", ("", "norm=none, ema=on"): "helps"}
    assert summary.row_levels[0] == ("", "baseline")
    assert summary.row_levels[-1] == ("", "norm=none, ema=on")


def test_a_suite_with_a_baseline_alone_is_summarised(rows, suite):
    summary = summarise(suite, rows.frame, [FID])
    assert summary.effects == []
    assert summary.answer == "Nothing was compared: the suite has a baseline only."


def test_an_empty_table_is_summarised(rows, suite):
    summary = summarise(suite, rows.frame.iloc[:0], [FID], declared=[("norm", "off")])
    assert summary.effects[0].verdict == "not enough seeds"


def test_a_primary_metric_that_is_not_measured_is_refused(rows, suite):
    with pytest.raises(ConfigError, match=r"primary_metric: 'fidd' is not measured. Did you mean fid\?"):
        summarise(replace(suite, primary_metric="fidd"), rows.frame, [FID])


def test_the_footer_says_how_the_numbers_were_made(rows, suite):
    rows.add({"norm": "off"}, 40)
    protocol = {"extractor": "efficientnet_lite0", "images": 2000, "window": 7}
    lines = "\n".join(summarise(replace(suite, top_up=8), rows.frame, [FID], protocol=protocol).footer)
    assert "extractor efficientnet_lite0, images 2000" in lines
    assert "geometric mean of fid over the last 7 evaluations" in lines
    assert "Seeds: 15 planned, 15 started, 0 failed." in lines
    assert "With 5 seeds against 10, effects under" in lines
    assert "1 declared comparison (Holm), level 0.0294 at each of two looks; margin 5 %" in lines
    assert "0 of 5 still allows a true failure rate of 45 %" in lines


def test_leave_one_out_says_what_is_needed_and_what_can_go(rows, suite):
    rows.add({"norm": "without"}, 60).add({"ema": "without"}, 50.1, 8)
    summary = summarise(replace(suite, design="leave_one_out", margin=0.1), rows.frame, [FID])
    assert "Of 2 parts" in summary.answer
    assert "1 is needed: without it, the score is worse (norm=without +19" in summary.answer
    assert "1 can go: without it, there is no difference above 10 % (ema=without)" in summary.answer


def test_a_level_whose_scores_equal_the_baselines_seed_by_seed_earns_nothing(suite):
    rows = Rows().add({}, 50, 10).add({"norm": "on"}, 50, 5)
    effect = summarise(suite, rows.frame, [FID]).effects[0]
    assert effect.verdict == "not enough seeds"
    assert "seed by seed: the level has no effect on anything" in effect.note


def test_the_best_checkpoint_can_never_decide(rows, suite):
    for name in ("fid_best", "fid_last"):
        with pytest.raises(ConfigError, match="is not measured"):
            summarise(replace(suite, primary_metric=name), rows.frame, [FID])


def test_every_footer_says_how_the_numbers_were_made(rows, suite):
    for i, fid in enumerate((40, 45, 49)):
        rows.add({"norm": str(i)}, fid)
    summary = summarise(
        replace(suite, top_up=8),
        rows.frame,
        [FID],
        protocol={"images": 2000},
        deleted=["opt=sgd"],
        changes=["margin: 1"],
    )
    text = "\n".join(summary.footer)
    for part in (
        *(
            "Protocol ",
            "images 2000",
            "Score of a run: geometric mean of fid",
            "Seeds: 25 planned, 25 started, 0 failed",
        ),
        *(
            "effects under",
            "4 declared comparisons (Holm), 1 of them deleted since: opt=sgd",
            "0.0294 at each of two looks",
        ),
        *("this is the first", "The largest of 3 changes is likely overestimated", "0 of 5 still allows", "margin 5 %"),
    ):
        assert part in text
    assert any("the plan was changed after runs had begun (margin: 1)" in line for line in summary.warnings)
    assert (summary.look, summary.looks, summary.comparisons) == (1, 2, 4)


def test_effects_carry_what_a_table_may_show(rows, suite):
    rows.add({"norm": "off"}, 40, 4).add({"norm": "off"}, 0, 1, "diverged")
    effect = summarise(suite, rows.frame, [FID]).effects[0]
    assert effect.p_better == pytest.approx(0.8)  # four of five beat all, and the one that failed none
    assert effect.p_failures == pytest.approx(1 / 3)
    assert effect.failure_bound == pytest.approx(0.657, abs=1e-3)
    assert effect.shrunken_percent is not None and effect.change_percent < effect.shrunken_percent < 0
