"""The index of `ganbench status`: it changes nothing of what is said, whatever happens to it or to the cells."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from stub_results import make_stale
from typer.testing import CliRunner

from ganbench import cli, remaining
from ganbench.api.cell import RunResult
from ganbench.commands import index, look
from ganbench.store import SuiteFolder


@pytest.fixture(autouse=True)
def every_suite_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "WORTH", 1)


def status() -> Any:
    result = CliRunner().invoke(cli.app, ["status", "--json"])
    assert result.exit_code == 0, result.output
    (suite,) = json.loads(result.stdout)["suites"]
    return suite


def said_anew(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Cells that are read, not taken from the index."""
    read: list[str] = []
    real = look.cell_status
    monkeypatch.setattr(look, "cell_status", lambda cell, *given: read.append(cell.id) or real(cell, *given))  # type: ignore[func-returns-value]
    return read


def place(demo: SuiteFolder) -> Path:
    return demo.path.parent / ".cache" / "index" / "demo.index"


def test_a_second_look_reads_no_finished_cell_and_says_the_same(
    demo: SuiteFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = status()
    read = said_anew(monkeypatch)
    assert status() == first and not read


def test_only_cells_that_changed_are_read_again(demo: SuiteFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    status()
    (cell, *_) = [demo.cell(path.name) for path in demo.cell_paths()]
    result = cell.load_result()
    assert result is not None
    cell.save_result(replace(result, metrics={"fid": 7.0}))
    read = said_anew(monkeypatch)
    found = {one["cell"]: one["metrics"] for one in status()["cells"]}
    assert read == [cell.id] and found[cell.id] == {"fid": 7.0}
    (demo.path / "cells" / cell.id / "result.json").unlink()
    assert {one["cell"]: one["state"] for one in status()["cells"]}[cell.id] == "pending"


def test_stale_cells_are_seen_when_their_files_or_the_plugins_change(
    demo: SuiteFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    status()
    stale = make_stale(demo, "linear")
    assert sorted(one["cell"] for one in status()["cells"] if one["state"] == "stale") == sorted(stale)
    monkeypatch.setattr("ganbench.registry.source_digest", lambda entry: "another")
    assert {one["state"] for one in status()["cells"]} == {"stale"}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"made_by": 1}', b'{"plugins": 1, "cells": []}'])
def test_a_damaged_index_is_made_anew(demo: SuiteFolder, content: bytes) -> None:
    first = status()
    before = place(demo).read_bytes()
    place(demo).write_bytes(content)
    assert status() == first and place(demo).read_bytes() == before


def test_small_suites_have_none(demo: SuiteFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "WORTH", 500)
    status()
    assert not place(demo).exists()


def test_a_digit_that_flips_in_the_index_is_seen(demo: SuiteFolder) -> None:
    first = status()
    whole = place(demo).read_bytes()
    score = json.dumps(next(cell for cell in first["cells"] if cell["metrics"]["fid"] > 100)["metrics"]["fid"]).encode()
    place(demo).write_bytes(whole.replace(score, b"1" * len(score)))
    assert place(demo).read_bytes() != whole and status() == first


# --- plans -------------------------------------------------------------------------------------------------
def plan(*options: str) -> Any:
    result = CliRunner().invoke(cli.app, ["plan", "results/demo.yaml", "--json", *options])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["suites"]


@pytest.fixture
def read_by_plan(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    read: list[str] = []
    real = remaining.state_of
    monkeypatch.setattr(remaining, "state_of", lambda cell, *given: read.append(cell.id) or real(cell, *given))  # type: ignore[func-returns-value]
    return read


def test_a_plan_says_the_same_with_an_index_and_writes_none(demo: SuiteFolder, read_by_plan: list[str]) -> None:
    first = plan()
    assert len(read_by_plan) == 10 and not place(demo).exists()
    status()
    read_by_plan.clear()
    assert plan() == first and not read_by_plan
    plan("--retry")
    assert len(read_by_plan) == 10, "what failed is another state then"


def test_a_plan_reads_what_has_changed_and_what_is_stale(demo: SuiteFolder, read_by_plan: list[str]) -> None:
    stale = make_stale(demo, "linear")
    status()
    read_by_plan.clear()
    cell = demo.cell(demo.cell_paths()[0].name)
    cell.save_result(RunResult(status="diverged", reason="D is NaN"))
    (found,) = plan()
    assert sorted(read_by_plan) == sorted([*stale, cell.id])
    assert found["counts"] == {"diverged": 1, "done": 6, "stale": 3}
