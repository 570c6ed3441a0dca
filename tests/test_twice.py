"""A cell runs its first steps twice and says whether its weights were the same; what is trained does not change."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from test_run_cell import Begin, StopAfter, begin, finish, left
from tiny_plugins import Faulty

from ganbench import Moment
from ganbench.errors import Interrupted
from ganbench.run import CellRun, run_cell
from ganbench.store import CellFolder

__all__ = ["begin"]  # the fixture


def said(folder: CellFolder) -> dict[str, Any]:
    origin = folder.read_provenance()
    assert origin is not None
    return origin.self_check


def test_the_weights_are_the_same_and_nothing_else_changes(begin: Begin, capsys: pytest.CaptureFixture[str]) -> None:
    checked = finish(begin("checked"))
    assert said(checked) == {"steps": 2, "weights": said(checked)["weights"], "equal": True}
    assert "the first 2 steps were run twice: the weights are the same" in capsys.readouterr().out
    alone = finish(begin("alone", self_check=False))
    assert said(alone) == {} and left(alone) == left(checked)


def test_a_run_that_does_not_repeat_itself_is_told(
    begin: Begin, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def noise(self: Faulty, networks: Any, moment: Moment) -> None:
        with torch.no_grad():
            next(iter(networks.generator.parameters())).add_(int.from_bytes(os.urandom(4)) / 2**36)

    monkeypatch.setattr(Faulty, "after_update", noise)
    folder = finish(begin("random", "base.tricks=[faulty]"))
    assert said(folder)["equal"] is False
    assert "the weights are not the same" in capsys.readouterr().out
    result = folder.load_result()
    assert result is not None and result.status == "done"  # an observation, no failure


def test_interrupted_anywhere_it_says_the_same(begin: Begin) -> None:
    straight = said(finish(begin("straight")))
    folder = begin("stopped", checkpoint_seconds=0.0)
    for looks in (0, 3, 0, 2, 5):
        with contextlib.suppress(Interrupted):
            run_cell(folder, StopAfter(looks))
    assert said(finish(folder)) == straight


def test_lost_checkpoints_cost_no_second_check(begin: Begin) -> None:
    folder = begin("damaged", checkpoint_seconds=0.0)
    with contextlib.suppress(Interrupted):
        run_cell(folder, StopAfter(12))
    before = said(folder)
    for name in ("checkpoint.pt", "checkpoint.previous.pt"):
        (folder.path / name).write_bytes(b"?")
    assert before["equal"] and folder.checkpoint_step() > 2
    assert said(finish(folder)) == before


@pytest.mark.parametrize("how", ["raise", "exit"])
def test_what_breaks_at_once_breaks_the_run_as_it_would_anyway(begin: Begin, how: str) -> None:
    folder = begin("broken", f"base.tricks=[{{faulty: {{how: {how}, at: 0}}}}]")
    with pytest.raises(ValueError if how == "raise" else SystemExit):
        run_cell(folder)
    assert said(folder) == {}


def test_a_budget_of_seconds_is_not_checked(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CellRun, "finish", lambda run: run.origin)
    folder = begin("seconds", "base.training.budget={seconds: 1}")
    assert run_cell(folder).self_check == {}  # type: ignore[attr-defined]


def test_what_it_was_trained_under_before_is_not_forgotten(begin: Begin) -> None:
    folder = begin("elsewhere", checkpoint_seconds=0.0)
    with contextlib.suppress(Interrupted):
        run_cell(folder, StopAfter(12))
    origin = folder.read_provenance()
    assert origin is not None and origin.continued == ()
    folder.write_provenance(replace(origin, versions=origin.versions | {"torch": "1.0.0"}))
    finish(folder)
    now = folder.read_provenance()
    assert now is not None and now.versions["torch"] == torch.__version__.partition("+")[0]
    assert now.continued == ({"torch": "1.0.0", "ganbench": origin.ganbench, "device": "cpu"},)
    assert Path(folder.path / "result.json").exists()
