from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from stub_results import SUITE, make_results

from ganbench.api.cell import RunResult
from ganbench.api.config import Json
from ganbench.api.metric import MetricKey
from ganbench.files import append_line
from ganbench.report.pipeline import recorded, summary_of
from ganbench.report.untrained import learnt
from ganbench.store import SuiteFolder

FID = MetricKey(name="fid", direction="lower", scale="ratio", margin=0.05)
ACCURACY = MetricKey(name="accuracy", direction="higher", scale="difference", margin=0.03)


def began(folder: SuiteFolder, scores: Mapping[str, float], step: int = 0) -> None:
    """Leaves the first snapshot of every cell: FID by level, before the first step."""
    for planned in recorded(folder).cells:
        level = next(iter(planned["levels"].values()), "baseline")
        record: dict[str, Json] = {"step": step, "images": 32, "metrics": {"fid": scores[level]}}
        append_line(folder.cell(planned["id"]).path / "snapshots.jsonl", record, sealed=True)


def said(folder: SuiteFolder) -> list[str]:
    return [line for line in summary_of(folder).warnings if "untrained" in line]


def test_levels_that_learnt_nothing_are_named(demo: SuiteFolder) -> None:
    began(demo, {"baseline": 300, "linear": 150, "sigmoid": 300})  # runs end near 100, 150 and 101
    (line,) = said(demo)
    assert "1 of 3 levels (output=linear) is not better" in line and "margin of 5 %" in line and "learnt" not in line


def test_a_baseline_that_learnt_nothing_is_said_to_show_nothing(demo: SuiteFolder) -> None:
    began(demo, {"baseline": 101, "linear": 400, "sigmoid": 103})
    (line,) = said(demo)
    assert "2 of 3 levels (baseline, output=sigmoid) are not better" in line
    assert "between the baseline and another of these, a verdict says nothing" in line


def test_levels_that_learnt_are_not_mentioned(demo: SuiteFolder) -> None:
    began(demo, {"baseline": 300, "linear": 300, "sigmoid": 300})
    assert said(demo) == []


@pytest.mark.parametrize("step", [3, None])
def test_without_an_evaluation_at_initialisation_nothing_is_said(tmp_path: Path, step: int | None) -> None:
    folder = make_results(tmp_path, SUITE)
    if step is not None:
        began(folder, {"baseline": 100, "linear": 100, "sigmoid": 100}, step)
    assert said(folder) == []


def test_where_every_run_failed_nothing_is_said(tmp_path: Path) -> None:
    folder = make_results(tmp_path, SUITE, lambda cell, made: RunResult(status="failed", reason="no luck"))
    assert said(folder) == []


def test_the_margin_is_a_share_for_ratios_and_absolute_for_differences() -> None:
    assert learnt([(100, 94), (200, 188)], FID, 0.05) and not learnt([(100, 96), (200, 192)], FID, 0.05)
    assert not learnt([(100, 120)], FID, 0.05)
    assert learnt([(0.1, 0.14)], ACCURACY, 0.03) and not learnt([(0.1, 0.12)], ACCURACY, 0.03)
    assert not learnt([(0.1, 0.05)], ACCURACY, 0.03)
