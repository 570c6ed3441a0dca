"""Cells that were run under several versions, or on several devices, in one table: it says so, and where it matters."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from stub_results import make_results, without
from typer.testing import CliRunner

from ganbench import runner
from ganbench.api.cell import Provenance
from ganbench.cli import app
from ganbench.remaining import Planned
from ganbench.report.environments import continuing, environment
from ganbench.report.pipeline import summary_of
from ganbench.store import SuiteFolder

ORIGIN = Provenance(ganbench="0.1", versions={"torch": "2.4.1"}, plugins={}, dataset="", extractor="", device="cpu")


def change(folder: SuiteFolder, level: str, **changes: Any) -> int:
    """Give the cells of a level ("" for the baseline) another origin; returns how many."""
    count = 0
    for path in folder.cell_paths():
        cell = folder.cell(path.name)
        origin = cell.read_provenance()
        if origin is not None and level == next(iter(cell.read_config()[0].levels.values()), ""):
            cell.write_provenance(replace(origin, **changes))
            count += 1
    return count


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SuiteFolder:
    """Ten cells under torch 2.4.1."""
    monkeypatch.chdir(tmp_path)
    made = make_results(tmp_path / "results")
    for level in ("", "linear", "sigmoid"):
        change(made, level, versions={"torch": "2.4.1"})
    return made


def effects(folder: SuiteFolder) -> dict[str, str]:
    return {effect.level: effect.note for effect in summary_of(folder).effects if effect.metric == "fid"}


def test_one_environment_needs_no_word(folder: SuiteFolder) -> None:
    summary = summary_of(folder)
    assert summary.warnings == [] and not any("torch" in note for note in effects(folder).values())


def test_versions_and_their_cells_are_counted_and_the_level_they_coincide_with_is_marked(folder: SuiteFolder) -> None:
    assert change(folder, "linear", versions={"torch": "2.6.0"}) == 3
    (line,) = summary_of(folder).warnings
    assert line == "the cells of this table ran under several versions of torch: 2.4.1 (7 cells), 2.6.0 (3 cells)"
    notes = effects(folder)
    assert "torch 2.6.0, of the baseline 2.4.1" in notes["linear"] and "torch" not in notes["sigmoid"]


def test_a_mixture_that_all_levels_share_is_no_ones_fault(folder: SuiteFolder) -> None:
    for path in folder.cell_paths():
        cell = folder.cell(path.name)
        origin = cell.read_provenance()
        if origin is not None and cell.read_config()[0].seed == 0:
            cell.write_provenance(replace(origin, versions={"torch": "2.6.0"}))
    (line,) = summary_of(folder).warnings
    assert "2.4.1 (7 cells), 2.6.0 (3 cells)" in line
    assert not any("torch" in note for note in effects(folder).values())


def test_devices_and_our_own_versions_count_too(folder: SuiteFolder) -> None:
    change(folder, "linear", device="cuda: X9", ganbench="0.2")
    lines = summary_of(folder).warnings
    assert lines == [
        "the cells of this table ran under several versions of ganbench: 0 (7 cells), 0.2 (3 cells)",
        "the cells of this table ran on several devices: cpu (7 cells), cuda: X9 (3 cells)",
    ]
    assert "device cuda: X9, of the baseline cpu" in effects(folder)["linear"]


def test_of_many_values_the_most_frequent_are_named(folder: SuiteFolder) -> None:
    for index, path in enumerate(folder.cell_paths()):
        cell = folder.cell(path.name)
        origin = cell.read_provenance()
        assert origin is not None
        cell.write_provenance(replace(origin, device=f"cuda: {max(index - 1, 0)}"))
    (line,) = summary_of(folder).warnings
    assert "on several devices: cuda: 0 (2 cells), cuda: 1 (1 cell), " in line and line.endswith(", and 4 more")


def test_a_cell_that_was_continued_has_both(folder: SuiteFolder) -> None:
    change(folder, "linear", continued=({"torch": "2.1.0", "ganbench": "0", "device": "cpu"},))
    (line,) = summary_of(folder).warnings
    assert line.endswith("2.4.1 (7 cells), 2.1.0, then 2.4.1 (3 cells)")


def test_the_report_the_screen_and_compare_say_so(folder: SuiteFolder) -> None:
    change(folder, "linear", versions={"torch": "2.6.0"})
    said = "ran under several versions of torch: 2.4.1 (7 cells), 2.6.0 (3 cells)"
    done = CliRunner().invoke(app, ["report", "demo"])
    assert done.exit_code == 0 and said in done.stdout
    for name in ("table.md", "index.html", "summary.json"):
        assert said in (folder.report / name).read_text(), name
    assert "torch 2.6.0, of the baseline 2.4.1" in (folder.report / "effects.csv").read_text()
    words = ["compare", "demo", "baseline", "linear"]
    compared = CliRunner().invoke(app, words)
    assert "warning: the cells of this table ran under several versions of torch: 2.4.1 (4 cells)" in compared.stdout
    assert len(json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)["warnings"]) == 1
    assert "warning" not in CliRunner().invoke(app, ["compare", "demo", "baseline", "sigmoid"]).stdout


# --- a run -------------------------------------------------------------------------------------------
def test_who_goes_on_under_another_version_is_told() -> None:
    newer = replace(ORIGIN, versions={"torch": "2.6.0"})
    here = {"torch": "2.6.0", "ganbench": "0.1"}
    line = continuing([ORIGIN, ORIGIN, newer], here)
    assert line == "torch was 2.4.1 (2 cells) and is 2.6.0 now: its tables will say so"
    assert continuing([newer], here) == "" and continuing([], here) == ""
    assert "ganbench was 0.1 (1 cell) and is 0.2 now" in continuing([ORIGIN], {"torch": "2.4.1", "ganbench": "0.2"})
    assert environment(replace(ORIGIN, versions={})) == {"ganbench": "0.1", "device": "cpu"}


def test_a_run_looks_only_where_something_remains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_results(tmp_path / "results", change=without("linear"))
    monkeypatch.setattr("ganbench.runner.metadata.version", lambda name: "9.9")
    for level in ("", "sigmoid"):
        change(folder, level, versions={"torch": "2.4.1"})
    cells = [folder.cell(path.name) for path in folder.cell_paths()]
    planned = [Planned(cell=cell.read_config()[0], folder=cell, state="done") for cell in cells]
    assert runner.other_versions(planned) == ""
    left = replace(planned[0], state="pending", folder=folder.cell("none"))
    assert "torch was 2.4.1 (7 cells) and is 9.9 now" in runner.other_versions([*planned, left])


# --- determinism -------------------------------------------------------------------------------------
def test_a_table_says_what_came_of_the_cells_that_ran_their_first_steps_twice(folder: SuiteFolder) -> None:
    same: dict[str, Any] = {"steps": 6, "weights": "ab", "equal": True}
    change(folder, "linear", self_check=same)
    summary = summary_of(folder)
    assert summary.footer[-1] == "Determinism: the first 6 steps of 3 cells were run twice; the same weights in 3."
    assert summary.warnings == []
    change(folder, "sigmoid", self_check=same | {"equal": False, "steps": 2})
    summary = summary_of(folder)
    assert summary.footer[-1].endswith("the first 2 to 6 steps of 6 cells were run twice; the same weights in 3.")
    (line,) = summary.warnings
    assert line.startswith("not deterministic: the first steps of 3 of 6 cells gave other weights when run again: ")
    change(folder, "", self_check={"steps": 6, "weights": "ab"})  # was stopped before it could compare
    assert "6 cells" in summary_of(folder).footer[-1]
    change(folder, "", self_check={"steps": [1e999], "equal": {}})  # by whoever can write there
    assert "6 cells" in summary_of(folder).footer[-1]
