from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from stub_results import SUITE, make_results, without

from ganbench.api.cell import Cell, RunResult
from ganbench.commands.report import listed
from ganbench.errors import ConfigError, NothingMatched, StoreError
from ganbench.files import seal
from ganbench.report.pipeline import default_formats, formats_of, recorded, stale, summary_of, unfinished
from ganbench.store import SuiteFolder


def planned(folder: SuiteFolder, word: str) -> dict[str, object]:
    return next(cell for cell in recorded(folder).cells if word in cell["id"])


def test_levels_are_declared_in_the_order_of_the_suite(tmp_path: Path) -> None:
    axes = "axes:\n  z: {two: {generator.width: 8}, one: {generator.width: 16}}\n  a: {b: {loss: hinge}}\nseeds:"
    text = SUITE.split("axes:")[0] + axes + SUITE.split("seeds:", 1)[1]
    folder = make_results(tmp_path, text, change=lambda cell, made: None)
    assert recorded(folder).declared == [("z", "two"), ("z", "one"), ("a", "b")]
    grid = make_results(tmp_path, text.replace("name: demo", "name: grid\ndesign: grid"), lambda cell, made: None)
    assert ("", "z=two, a=b") in recorded(grid).declared


def test_cells_measured_otherwise_are_refused(tmp_path: Path) -> None:
    def other(cell: Cell, made: RunResult) -> RunResult:
        return replace(made, protocol=made.protocol | {"images": 99}) if cell.seed == 2 and cell.levels else made

    folder = make_results(tmp_path, change=other)
    with pytest.raises(ConfigError, match=r"images is .*32.* and .*99|images is .*99.* and .*32"):
        summary_of(folder)


def test_a_result_of_another_evaluation_is_stale(demo: SuiteFolder) -> None:
    said = planned(demo, "linear")
    cell = demo.cell(str(said["id"]))
    result = cell.load_result()
    assert result is not None and stale(cell, said, result) == ""
    cell.save_result(replace(result, evaluation="another"))
    assert "the evaluation has changed" in stale(cell, said, replace(result, evaluation="another"))
    assert "the evaluation has changed" in stale(cell, said | {"evaluation": "new"}, result)
    summary = summary_of(demo)
    assert unfinished(summary) == 1 and summary.partial


def test_a_plugin_that_is_not_installed_here_cannot_make_results_stale(demo: SuiteFolder) -> None:
    said = planned(demo, "baseline")
    cell = demo.cell(str(said["id"]))
    config = json.loads((cell.path / "config.json").read_text())
    del config["seal"]
    config["cell"]["config"]["loss"]["name"] = "theirs"
    (cell.path / "config.json").write_text(json.dumps(config))
    result = cell.load_result()
    assert result is not None and stale(cell, said, result) == ""


def test_skipped_cells_are_not_missing(tmp_path: Path) -> None:
    text = SUITE.replace(
        "sigmoid: {generator.output_activation: sigmoid}", "odd: {loss: hinge, tricks+: [label_smoothing]}"
    )
    summary = summary_of(make_results(tmp_path, text))
    assert not summary.partial and unfinished(summary) == 0
    (odd,) = [effect for effect in summary.effects if (effect.level, effect.metric) == ("odd", "fid")]
    assert odd.note.startswith("skipped: ")


def test_missing_cells_make_a_summary_partial(tmp_path: Path) -> None:
    summary = summary_of(make_results(tmp_path, change=without("sigmoid")))
    assert summary.partial and unfinished(summary) == 3


def test_another_folder_and_a_newer_one_are_told(tmp_path: Path, demo: SuiteFolder) -> None:
    with pytest.raises(NothingMatched):
        recorded(SuiteFolder(tmp_path))
    plan = json.loads((demo.path / "plan.json").read_text())
    plan["schema"] = 99
    plan["seal"] = seal(plan)
    (demo.path / "plan.json").write_text(json.dumps(plan))
    with pytest.raises(StoreError, match="newer ganbench"):
        recorded(demo)


def test_formats_are_all_defaults_or_those_named() -> None:
    assert {"md", "csv", "json"} <= set(default_formats()) and formats_of(None) == default_formats()
    assert formats_of(" csv, json,") == ["csv", "json"]


def test_a_cell_of_another_version_is_stale_and_breaks_nothing(demo: SuiteFolder) -> None:
    said = planned(demo, "linear")
    cell = demo.cell(str(said["id"]))
    config = json.loads((cell.path / "config.json").read_text())
    del config["seal"]
    config["options"]["from_the_future"] = 1
    (cell.path / "config.json").write_text(json.dumps(config))
    result = cell.load_result()
    assert result is not None and "another version of ganbench" in stale(cell, said, result)
    assert summary_of(demo).partial


def test_files_in_folders_are_counted_so_that_the_table_stays_on_screen() -> None:
    report = Path("report")
    files = [report / "curves" / "a.svg", report / "curves" / "b.svg", report / "index.html", report / "table.md"]
    assert listed(files) == [f"report{os.sep}curves{os.sep} (2 files)", str(files[2]), str(files[3])]
    assert listed([]) == []
