"""A finished summary with everything in it that is hard to print."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from recorded_runs import with_runs

from ganbench import Effect, MetricKey, Suite, Summary

NASTY = "=cmd|' /C calc'!A1 <script>alert(1)</script> `x` [a](http://b) *c*"


@pytest.fixture
def summary() -> Summary:
    levels = [("", "baseline"), ("", "baseline"), ("norm", "off"), ("opt", NASTY), ("lr", "-5\n| x |")]
    rows = pd.DataFrame(
        {
            "suite": "demo",
            "cell": [f"c{i}" for i in range(5)],
            "axis": [axis for axis, _ in levels],
            "level": [level for _, level in levels],
            "levels": [json.dumps({axis: level} if axis else {}) for axis, level in levels],
            "seed": np.arange(5),
            "status": ["done", "done", "done", "diverged", "pending"],
            "reason": ["", "", "", "@loss is NaN", ""],
            "seconds": [1.5, 2.0, 1.0, math.nan, math.inf],
            "images_seen": [640.0, 640.0, 640.0, math.nan, math.nan],
            "fid": [49.0, 1 / 3, 40.0, math.nan, math.nan],
            "fid_last": [4.0, 16.0, 41.0, math.nan, math.nan],
            "fid_best": [1.0, 1.0, 2.0, math.nan, math.nan],
            "share": [0.1, 0.3, -0.25, math.nan, math.nan],
        }
    )

    def effect(axis: str, level: str, metric: str, **more: object) -> Effect:
        few = dict.fromkeys(("score", "change_percent", "ci_low", "ci_high", "p_value", "p_adjusted", "seeds_needed"))
        usual = {"n": 0, "baseline_n": 2, "baseline_score": 50.0, "verdict": "not enough seeds", "failures": 0}
        values = few | usual | {"baseline_failures": 1} | more
        return Effect(axis=axis, level=level, metric=metric, **values)

    change = {"change_percent": -20.0, "ci_low": -25.0, "ci_high": -15.0, "p_value": 0.001}
    effects = [
        effect("norm", "off", "fid", n=5, score=40.0, **change, p_adjusted=0.00001, verdict="helps"),
        effect("opt", NASTY, "fid", failures=1, verdict="unstable", note="1 of 1 failed"),
        effect("lr", "-5\n| x |", "fid", seeds_needed=12),
        effect("norm", "off", "share", n=5, score=0.4, **change, verdict="hurts"),
        effect("opt", NASTY, "share", failures=1, verdict="unstable"),
        effect("lr", "-5\n| x |", "share"),
    ]
    return Summary(
        suite=Suite(name="demo", question="Does <b>it</b> matter?", base={}),
        rows=rows,
        effects=effects,
        keys=[
            MetricKey(name="fid", direction="lower", scale="ratio", margin=0.05, title="FID (Lite0, 2000 images)"),
            MetricKey(name="share", direction="higher", scale="difference", margin=0.02, title="Share | of what"),
        ],
        protocol={"images": 2000, "bad": math.nan},
        notes={"fid_floor": 12.5, "fid_floor_images": 1000, "share_ceiling": 0.99},
        answer="Of 3 levels: 1 helps.",
        warnings=["the baseline <i>failed</i>"],
        partial=True,
        planned=5,
        finished=4,
        footer=["Score of a run: geometric mean."],
        row_levels=levels,
    )


@pytest.fixture
def recorded(summary: Summary, tmp_path: Path) -> Summary:
    """The same with what its runs left behind."""
    return with_runs(summary, tmp_path / "results")
