from __future__ import annotations

import subprocess
import sys
import types
from pathlib import Path

import pytest
from stub_results import SUITE, make_results, make_stale, without, write_suite

import ganbench
from ganbench.errors import ConfigError, NothingMatched
from ganbench.notebook import choice
from ganbench.notebook_view import NotebookView, html_table
from ganbench.store import SuiteFolder
from ganbench.suite import load


def test_run_and_report_stay_functions_whatever_is_imported() -> None:
    code = """
import ganbench
import ganbench.run, ganbench.report.build
from ganbench.run import run_cell
from ganbench import report, run
for name in ("plan", "run", "report", "table", "effects"):
    found = getattr(ganbench, name)
    assert callable(found) and found.__module__ == "ganbench.notebook", name
assert run is ganbench.run and report is ganbench.report
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_table_has_a_row_per_cell_of_one_suite_or_of_all(demo: SuiteFolder, tmp_path: Path) -> None:
    one = ganbench.table(demo.path)
    assert len(one) == 10 and {"suite", "cell", "level", "seed", "status", "fid"} <= set(one.columns)
    make_results(demo.path.parent, SUITE.replace("name: demo", "name: other"))
    assert len(ganbench.table()) == 20
    with pytest.raises(NothingMatched):
        ganbench.table(tmp_path / "nowhere")


def test_stale_cells_have_no_numbers(demo: SuiteFolder) -> None:
    stale = make_stale(demo, "sigmoid")
    table = ganbench.table(demo.path).set_index("cell")
    assert set(table.loc[stale, "status"]) == {"stale"} and table.loc[stale, "fid"].isna().all()
    assert table["fid"].notna().sum() == 7


def test_effects_have_a_row_per_level_and_metric(demo: SuiteFolder) -> None:
    effects = ganbench.effects(demo.path).set_index(["level", "metric"])
    assert len(effects) == 4
    assert effects.loc[("linear", "fid"), "verdict"] == "hurts"


def test_what_is_shown_is_escaped(demo: SuiteFolder) -> None:
    text = SUITE.replace("linear:", '"<script>alert(1)</script>":').replace("Does the", "<b>Does</b> the")
    plan = ganbench.plan(write_suite(demo.path.parent, text), results=demo.path.parent / "none", cells="baseline-*")
    for shown in (plan._repr_html_(), html_table([["<b>"], ["<i>"]])):
        assert "<table>" in shown and "<b>" not in shown and "<i>" not in shown and "<script>" not in shown


def test_a_plan_shows_itself_and_its_cells(demo: SuiteFolder) -> None:
    plan = ganbench.plan(demo.path.parent / "demo.yaml", results=demo.path.parent)
    assert "10 cells: 10 done" in repr(plan) and len(plan.cells) == 10


def test_a_report_lists_its_files(demo: SuiteFolder) -> None:
    report = ganbench.report(demo.path, formats=["csv"])
    assert [path.name for path in report.files] == ["table.csv", "effects.csv"]
    assert "linear" in report._repr_html_()
    make_results(demo.path.parent, change=without("linear"))
    for path in demo.cell_paths():
        if "linear" in path.name:
            (path / "result.json").unlink()
    with pytest.raises(ConfigError, match="no valid result yet"):
        ganbench.report(demo.path)


def test_options_mean_what_the_command_line_means() -> None:
    made = choice("s.yaml", {"set": {"base.loss": "hinge", "seeds": 2, "axes": {}}, "retry": True, "seeds": 3})
    assert list(made.overrides) == ["base.loss=hinge", "seeds=2", "axes={}"]
    assert list(made.retry) == ["failed"] and made.seeds == 3
    assert list(choice("s.yaml", {"retry": "stale"}).retry) == ["stale"]
    with pytest.raises(TypeError):
        choice("s.yaml", {"profil": "smoke"})


def test_progress_in_a_notebook_replaces_one_escaped_output(demo: SuiteFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []

    class Handle:
        def update(self, page: str) -> None:
            shown.append(page)

    def display(page: str, display_id: bool) -> Handle:
        assert display_id and not shown
        shown.append(page)
        return Handle()

    module = types.ModuleType("IPython.display")
    module.HTML, module.display = str, display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    (one, *_) = ganbench.plan(demo.path.parent / "demo.yaml", results=demo.path.parent / "none").plan.planned
    watching = NotebookView()
    watching.begin(load(demo.path.parent / "demo.yaml"), [one], "here")
    watching.say("<b>hello</b>")
    watching.tick([(one.cell, {"step": 3, "progress": 0.5})])
    watching.finish()
    assert len(shown) > 3 and "&lt;b&gt;hello" in shown[-1] and "<b>" not in "".join(shown)
    assert any(one.cell.id in page for page in shown) and one.cell.id not in shown[-1]
