"""The suite of report R1's last part: it plans, and its cells run, to the pictures and numbers of a report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from ganbench.run import run_cell
from ganbench.store import CellFolder
from ganbench.suite import check, expand, load

SUITE = Path(__file__).parents[3] / "suites" / "reports" / "r1_unit.yaml"
FEW = ["base.training.budget={steps: 1}", "base.evaluation.window=1", "base.evaluation.curve=0", "options.device=cpu"]


@pytest.mark.parametrize("profile", ["smoke", "cpu"])
def test_every_cell_of_the_suite_can_run(profile):
    cells = check(expand(load(SUITE, profile=profile)))
    assert len({tuple(cell.levels.items()) for cell in cells}) >= 2
    assert {cell.config.architecture.name for cell in cells} == {"cyclegan", "unit"}
    assert [cell.conflict for cell in cells if cell.conflict] == []


def test_procedures_without_domains_are_refused():
    suite = load(SUITE, profile="smoke", overrides=["base.procedure=adversarial", "base.architecture=dcgan"])
    refused = check(expand(suite))[0].conflict
    assert "faces_glasses has domains (without, with), which the procedure adversarial does not use" in refused


def test_the_whole_suite_expands_without_its_data():
    assert len(expand(load(SUITE))) > 20


def run(model, overrides, path):
    """One cell of the suite, and its folder."""
    suite = load(SUITE, profile="smoke", overrides=[*FEW, *overrides])
    cell = next(cell for cell in expand(suite) if cell.config.architecture.name == model)
    folder = CellFolder(path / "cell")
    folder.write_config(cell, replace(suite.options, device="cpu"), path / "cache")
    return run_cell(folder), folder


def test_a_cell_leaves_galleries_and_what_they_show_is_measured(tmp_path):
    few = ["metrics=[cycle_error, translation_accuracy]", "primary_metric=cycle_error", "base.evaluation.resize=null"]
    result, folder = run("unit", few, tmp_path)
    assert result.status == "done", result.reason
    measured = ("cycle_error", "cycle_error/from_with", "translation_accuracy", "translation_accuracy/into_with")
    assert all(key in result.metrics for key in measured)
    assert result.notes["translation_accuracy/hair_ceiling"] > 0.5
    (snapshot,) = folder.snapshots()
    assert snapshot["views"] == ["input", "reconstruction", "translation", "cycle"]
    with Image.open(folder.samples / f"{snapshot['step']:08d}.webp") as picture:
        assert picture.size == (8 * 16 + 7 * 2, 8 * 16 + 7 * 2)  # two directions with four images each, 8 rows


@pytest.mark.soak
@pytest.mark.parametrize("model", ["cyclegan", "unit"])
def test_a_cell_is_measured_by_fid_in_both_directions(model, tmp_path):
    result, _ = run(model, [], tmp_path)
    fids = [result.metrics[f"translation_fid/{domain}"] for domain in ("without", "with")]
    assert result.metrics["translation_fid"] == pytest.approx((fids[0] * fids[1]) ** 0.5)
    assert 0 < result.notes["translation_fid_floor"] < result.metrics["translation_fid"]
