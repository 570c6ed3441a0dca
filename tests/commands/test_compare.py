"""Two levels side by side, and the gate."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from stub_results import make_results
from typer.testing import CliRunner

from ganbench.api.cell import Cell, RunResult
from ganbench.cli import app
from ganbench.store import SuiteFolder


def invoke(*words: str) -> Any:
    return CliRunner().invoke(app, list(words))


def test_compare_shows_what_differs_and_what_it_did(demo: SuiteFolder) -> None:
    done = invoke("compare", "demo", "baseline", "output=linear")
    assert done.exit_code == 0, done.output
    assert "generator.output_activation  tanh -> none" in done.stdout
    assert "+49.6 %" in done.stdout and "hurts" in done.stdout
    found = json.loads(invoke("compare", "demo", "linear", "sigmoid", "--json").stdout)
    assert found["differences"] == {"generator.output_activation": ["none", "sigmoid"]}
    fid = found["metrics"][0]
    assert (fid["metric"], fid["verdict"], fid["n_a"], fid["n_b"]) == ("fid", "helps", 3, 3)
    assert "not declared by the suite" in fid["note"]
    assert [row["seed"] for row in found["seeds"]] == [0, 1, 2]


def test_compare_knows_no_other_levels(demo: SuiteFolder) -> None:
    done = invoke("compare", "demo", "baseline", "output=linaer")
    assert done.exit_code == 5 and "Did you mean output=linear?" in done.stderr
    assert invoke("compare", "demo", "linear", "output=linear").exit_code == 2


def test_the_gate_holds_or_exits_with_4(demo: SuiteFolder) -> None:
    for bound, code in (("fid=110", 0), ("fid=90", 4), ("fid_last=110", 0), ("kid=0.01", 4)):
        done = invoke("gate", "demo", "--max", bound, "--json")
        assert done.exit_code == code
        assert json.loads(done.stdout)["holds"] == (code == 0)


def test_a_gate_that_makes_no_sense_is_a_mistake(demo: SuiteFolder) -> None:
    for words, message in (
        (["--max", "fid"], "expected metric=value"),
        (["--max", "fidd=1"], "Did you mean fid"),
        (["--min", "fid=1"], "lower is better, so the bound is --max fid=1"),
        ([], "name a bound"),
    ):
        done = invoke("gate", "demo", *words)
        assert done.exit_code == 2 and message in done.stderr


def test_a_failed_or_missing_baseline_does_not_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def collapsed(cell: Cell, made: RunResult) -> RunResult | None:
        return replace(made, status="collapsed", metrics={}) if cell.is_baseline and cell.seed == 1 else made

    def missing(cell: Cell, made: RunResult) -> RunResult | None:
        return None if cell.is_baseline and cell.seed == 1 else made

    for change, code in ((collapsed, 4), (missing, 2)):
        root = tmp_path / change.__name__
        make_results(root, change=change)
        done = invoke("gate", "demo", "--max", "fid=110", "--results", str(root))
        assert done.exit_code == code and "1" in done.output
