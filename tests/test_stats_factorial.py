"""Grids: main effects on average over the other axes, interactions, and what depends on what."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pandas as pd
import pytest

from ganbench import registry
from ganbench.api.cell import Suite
from ganbench.api.config import PluginSpec
from ganbench.api.metric import MetricKey
from ganbench.report.summarise import summarise
from ganbench.stats import Outcomes, factors, interactions, main_effect

FID = MetricKey(name="fid", direction="lower", scale="ratio", margin=0.05)
AXES = {"norm": {"none": {"generator.norm": "none"}}, "ema": {"off": {}, "on": {"ema": 0.9}, "slow": {"ema": 0.99}}}


def cells(rng: np.random.Generator, seeds: int, cross: float = 0.0, drop: tuple[str, str] | None = None) -> dict:
    """norm none: -20 %; ema on: +10 %, slow: none; `cross` more where norm is none and ema is on."""
    found = {}
    for name in itertools.product(("base", "none"), ("off", "on", "slow")):
        mean = 4 + np.log(0.8) * (name[0] == "none") + np.log(1.1) * (name[1] == "on")
        mean += cross * (name == ("none", "on"))
        count = 2 * seeds if name == ("base", "off") else seeds
        if name != drop:
            found[name] = Outcomes(scores=tuple(np.exp(rng.normal(mean, 0.02, count)).tolist()))
    return found


def test_main_effects_are_those_of_a_linear_model_with_all_interactions():
    rng = np.random.default_rng(0)
    table = {name: Outcomes(scores=one.scores[:4]) for name, one in cells(rng, 4).items()}
    assert factors(table, ("base", "off")) == [(0, "none"), (1, "on"), (1, "slow")]
    rows, values = [], []
    for (norm, ema), one in table.items():
        a = 1.0 if norm == "none" else 0.0
        centred = [(ema == "on") - 1 / 3, (ema == "slow") - 1 / 3]
        for score in one.scores:
            rows.append([1.0, a, *centred, *((a - 0.5) * c for c in centred)])
            values.append(np.log(score))
    fitted = np.linalg.lstsq(np.array(rows), np.array(values), rcond=None)[0]
    ours = [
        main_effect(table, ("base", "off"), factor, True).test.difference for factor in factors(table, ("base", "off"))
    ]
    assert ours == pytest.approx(fitted[1:4], abs=1e-12)
    crossed = [pair.test.difference for pair in interactions(table, ("base", "off"), True)]
    assert crossed == pytest.approx(fitted[4:6], abs=1e-12)


def test_excluded_combinations_leave_their_partners_out():
    table = cells(np.random.default_rng(1), 3, drop=("none", "slow"))
    effect = main_effect(table, ("base", "off"), (0, "none"), True)
    assert effect.cells == 2 and len(effect.level.scores) == 6 and len(effect.baseline.scores) == 9
    assert interactions(table, ("base", "off"), True)[1].test is None


def frame(table: dict) -> pd.DataFrame:
    rows = []
    for (norm, ema), one in table.items():
        levels = {} if (norm, ema) == ("base", "off") else {"norm": norm, "ema": ema}
        for seed, score in enumerate(one.scores):
            row = {"suite": "g", "cell": f"{norm}-{ema}-{seed}", "axis": "", "level": "" if levels else "baseline"}
            rows.append(row | {"levels": json.dumps(levels), "seed": seed, "status": "done", "fid": score})
    return pd.DataFrame(rows)


def told(cross: float):
    suite = Suite(name="g", question="?", base={}, design="grid", axes=AXES)
    return summarise(suite, frame(cells(np.random.default_rng(2), 3, cross)), [FID])


def test_a_grid_is_answered_by_its_axes():
    found = told(0.0)
    main = {(e.axis, e.level): e for e in found.effects if e.kind == "main effect"}
    assert {name: e.verdict for name, e in main.items()} == {
        ("norm", "none"): "helps",
        ("ema", "on"): "hurts",
        ("ema", "slow"): "no difference",
    }
    assert main["norm", "none"].change_percent == pytest.approx(-20, abs=3)
    assert (main["norm", "none"].n, main["norm", "none"].baseline_n) == (9, 12)
    assert all(e.note == f"on average over the other settings, against {e.baseline_score:.4g}" for e in main.values())
    assert found.comparisons == 3 + 5
    assert "on average over the other axes: 1 helps (norm=none" in found.answer
    assert not any(pair.found for pair in found.interactions) and len(found.interactions) == 2


def test_scores_of_a_main_effect_are_those_that_its_change_is_about():
    found = told(0.0)  # the baseline has twice the seeds of the others
    for effect in found.effects:
        assert 100 * (effect.score / effect.baseline_score - 1) == pytest.approx(effect.change_percent)


def test_the_baseline_of_a_grid_is_one_combination(tmp_path):
    found = told(0.0)
    one = found.baseline("fid")
    own = cells(np.random.default_rng(2), 3)["base", "off"].scores
    assert one is not None and one.kind == "combination" and one.baseline_n == len(own) == 6
    assert one.baseline_score == pytest.approx(np.exp(np.mean(np.log(own))))
    shown = f"{one.baseline_score:.4g}"
    mixed = {f"{e.baseline_score:.4g}" for e in found.effects if e.kind == "main effect"}
    assert shown not in mixed  # so that the rows below tell the two apart
    (markdown,) = registry.make("report", PluginSpec(name="md")).write(found, tmp_path)
    (latex,) = registry.make("report", PluginSpec(name="tex")).write(found, tmp_path)
    rows = [*markdown.read_text("utf-8").splitlines(), *latex.read_text("utf-8").splitlines()]
    rows = [row for row in rows if row.lstrip("| ").startswith("baseline ")]
    assert len(rows) == 2 and all(shown in row and "6/6" in row for row in rows)


def test_an_interaction_is_said_to_be_one():
    found = told(0.3)
    main = {(e.axis, e.level): e for e in found.effects if e.kind == "main effect"}
    assert [pair.found for pair in found.interactions] == [True, False]
    assert "depends on ema: -20" in main["norm", "none"].note and "with off, +" in main["norm", "none"].note
    assert "depends on norm: +" in main["ema", "on"].note
    assert "depends" not in main["ema", "slow"].note
    assert "1 interaction found" in found.answer


def test_a_failure_anywhere_in_a_row_of_the_grid_blocks_its_praise():
    table = cells(np.random.default_rng(3), 3)
    lost = frame(table)
    lost.loc[lost["cell"] == "none-slow-1", ["status", "fid"]] = ["diverged", np.nan]
    suite = Suite(name="g", question="?", base={}, design="grid", axes=AXES)
    effect = next(e for e in summarise(suite, lost, [FID]).effects if (e.axis, e.level) == ("norm", "none"))
    assert effect.verdict == "unstable" and effect.note.startswith("1 of 9 failed (baseline 0 of 12)")
