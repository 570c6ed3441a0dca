"""Adaptive seeds: what the first look leaves open gets the declared top-up, and nothing else does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from test_runner import STUB, Silent

from ganbench import runner
from ganbench.api.cell import Suite
from ganbench.report.pipeline import summary_of
from ganbench.runner import Outcome, plan_suite, run_suite
from ganbench.store import Store, SuiteFolder

AXES = "axes:\n  x:\n    half: {replicate: 1}\n    same: {replicate: 2}\n    vague: {replicate: 3}\n"


@pytest.fixture
def suite(tiny_suite: Any) -> Suite:
    return replace(tiny_suite(AXES), seeds=(0, 1, 2), baseline_seeds=tuple(range(6)), top_up=5)


def run(suite: Suite, root: Path, **changes: Any) -> Outcome:
    return run_suite(suite, Store(root), replace(STUB, **changes), Silent())


def seeds(folder: SuiteFolder) -> dict[str, int]:
    rows = summary_of(folder).rows
    return dict(rows[rows["status"] == "done"].groupby("level").size())


def looks(folder: SuiteFolder) -> dict[str, Any]:
    found = folder.read_looks()
    assert found is not None
    return found


def starts(folder: SuiteFolder) -> int:
    return sum(len((path / "started.txt").read_text().split()) for path in folder.cell_paths())


def test_undecided_levels_and_the_baseline_get_the_top_up_in_the_same_run(suite: Suite, tmp_path: Path) -> None:
    outcome, folder = run(suite, tmp_path), Store(tmp_path).suite("tiny")
    assert outcome.code == 0
    assert seeds(folder) == {"baseline": 10, "half": 3, "same": 3, "vague": 5}
    second = looks(folder)["second"]
    assert second["levels"] == ["x=vague"]
    assert second["verdicts"] == {"x=half": "helps", "x=same": "no difference", "x=vague": "not enough seeds"}
    found = summary_of(folder)
    effects = {effect.level: effect for effect in found.effects}
    assert {name: (e.look, e.n, e.baseline_n) for name, e in effects.items()} == {
        "half": (1, 3, 6),
        "same": (1, 3, 6),
        "vague": (2, 5, 10),
    }
    assert (found.look, found.looks, found.partial, found.open) == (2, 2, False, [])
    assert any("the second was taken for 1 of 3" in line for line in found.footer)
    before = starts(folder)
    assert run(suite, tmp_path).code == 0 and starts(folder) == before == 21


def test_a_run_that_is_killed_between_the_looks_comes_to_the_same_end(
    suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(suite, tmp_path / "whole")
    whole = Store(tmp_path / "whole").suite("tiny")

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(runner, "next_look", killed)
        run(suite, tmp_path / "cut")
    cut = Store(tmp_path / "cut").suite("tiny")
    assert looks(cut)["second"] is None
    found = summary_of(cut)
    assert found.open == [("x", "vague")]
    assert "the declared second look is still to come for 1 levels: run the suite again" in found.warnings
    assert run(suite, tmp_path / "cut").code == 0
    victim = next(path for path in cut.cell_paths() if "vague-s4" in path.name)
    (victim / "result.json").unlink()  # killed within the second look
    half = summary_of(cut)
    assert half.partial and next(e for e in half.effects if e.level == "vague").note == "provisional: 1 seed missing"
    assert {one.state for one in plan_suite(suite, Store(tmp_path / "cut"), STUB)} == {"done", "pending"}
    assert run(suite, tmp_path / "cut").code == 0
    assert (cut.path / "looks.json").read_bytes() == (whole.path / "looks.json").read_bytes()
    assert repr(summary_of(cut).effects) == repr(summary_of(whole).effects)


def test_nothing_is_looked_at_before_all_seeds_of_the_first_look_are_there(suite: Suite, tmp_path: Path) -> None:
    folder = Store(tmp_path).suite("tiny")
    assert run(suite, tmp_path, cells="x-vague*").code == 0
    assert looks(folder)["second"] is None and starts(folder) == 3
    assert run(suite, tmp_path).code == 0
    assert looks(folder)["second"]["levels"] == ["x=vague"]


def test_the_looks_are_declared_before_the_first_run(suite: Suite, tmp_path: Path) -> None:
    folder = Store(tmp_path).suite("tiny")

    class Seen(Silent):
        declared: dict[str, Any] | None = None

        def begin(self, suite: Suite, planned: Any, where: str) -> None:
            assert self.declared or not folder.cell_paths()
            self.declared = self.declared or looks(folder)["declared"]

    view = Seen()
    run_suite(suite, Store(tmp_path), STUB, view)
    declared = {"seeds": 3, "baseline_seeds": 6, "top_up": 5, "margin": 0.05, "primary_metric": "colour"}
    assert view.declared == declared


def test_a_plan_that_is_changed_after_results_is_remembered(suite: Suite, tmp_path: Path) -> None:
    one_look = replace(suite, top_up=None)
    run(one_look, tmp_path)
    folder = Store(tmp_path).suite("tiny")
    assert summary_of(folder).comparisons == 3
    fewer = {"x": {name: sets for name, sets in suite.axes["x"].items() if name != "same"}}
    run(replace(one_look, axes=fewer, seeds=(0, 1, 2, 3)), tmp_path)
    found = summary_of(folder)
    assert found.comparisons == 3  # the deleted one still counts
    assert any("3 declared comparisons (Holm), 1 of them deleted since: x=same" in line for line in found.footer)
    assert any("seeds: 3 -> 4" in line for line in found.warnings)
    renamed = {"x": {f"{name} now": sets for name, sets in suite.axes["x"].items()}}
    run(replace(one_look, axes=renamed), tmp_path)
    assert summary_of(folder).comparisons == 3  # a new name is no new comparison


def test_another_baseline_starts_anew(suite: Suite, tmp_path: Path) -> None:
    run(replace(suite, top_up=None), tmp_path)
    other = replace(suite, base=suite.base | {"ema": 0.8}, axes={"x": {"half": {"replicate": 1}}})
    run(other, tmp_path)
    found = looks(Store(tmp_path).suite("tiny"))
    assert found["changes"] == [] and list(found["levels"].values()) == ["x=half"]


def test_failures_that_are_retried_are_retried_once(suite: Suite, tmp_path: Path) -> None:
    more = replace(suite, axes={"x": {"failed": {"replicate": 1}, "vague": {"replicate": 2}}})
    assert run(more, tmp_path).code == 3
    folder = Store(tmp_path).suite("tiny")
    assert looks(folder)["second"]["levels"] == ["x=vague"]  # three failures in three are decided: it hurts
    before = starts(folder)
    run(more, tmp_path, retry=frozenset({"failed"}))
    assert starts(folder) == before + 3
