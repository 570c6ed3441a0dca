from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from stub_results import SUITE, WEIGHTS, make_results, result, without, write_suite

from ganbench import stats
from ganbench.api.cell import Cell, Suite
from ganbench.api.config import Budget
from ganbench.commands.arguments import Choice
from ganbench.commands.plan import make_plans, plan_lines, plan_of, time_lines
from ganbench.estimate import (
    START_SECONDS,
    Estimate,
    Rates,
    estimate,
    evaluation_seconds,
    images_measured,
    timed,
    training_seconds,
    updates,
)
from ganbench.remaining import Request, plan_suite
from ganbench.store import Store
from ganbench.suite import expand, load


@pytest.fixture
def cell(tmp_path: Path) -> Cell:
    return expand(load(write_suite(tmp_path)))[0]


def with_training(cell: Cell, **changes: object) -> Cell:
    training = replace(cell.config.training, **changes)  # type: ignore[arg-type]
    return replace(cell, config=replace(cell.config, training=training))


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        (Budget(steps=10), 30.0),
        (Budget(images=320), 30.0),  # 320 / (16 x 2) steps
        (Budget(d_updates=20), 30.0),
        (Budget(g_updates=10), 30.0),
    ],
)
def test_every_budget_means_the_same_number_of_updates(cell: Cell, budget: Budget, expected: float) -> None:
    assert updates(with_training(cell, budget=budget, d_updates=2, g_updates=1, batch_size=16)) == expected


def test_a_budget_of_seconds_is_its_own_estimate(cell: Cell) -> None:
    limited = with_training(cell, budget=Budget(seconds=90.0))
    assert math.isnan(updates(limited)) and training_seconds(limited, Rates(training=1.0, evaluation=1.0)) == 90.0


def test_all_evaluations_are_counted(cell: Cell) -> None:
    assert images_measured(cell) == 32 * 3  # one at the start, two in the window, and the last one serves as the final
    larger = replace(cell, evaluation=replace(cell.evaluation, final_images=50))
    assert images_measured(larger) == 32 * 3 + 50


def test_finished_cells_are_what_an_estimate_goes_by(tmp_path: Path) -> None:
    make_results(tmp_path, change=without("linear"))
    suite = load(tmp_path / "demo.yaml")
    planned = plan_suite(suite, Store(tmp_path), Request())
    remaining = [one for one in planned if one.state == "pending"]
    found = estimate(planned, remaining, 1, "cpu")
    assert found is not None and found.basis == "7 finished cells" and found.cells == 3
    assert found.seconds == pytest.approx(3 * (START_SECONDS + 3.0 + 1.0))
    halved = estimate(planned, remaining, 2, "cpu")
    assert halved is not None and halved.seconds == pytest.approx(found.seconds / 2)
    assert estimate(planned, [], 1, "cpu") is None


def test_rescoring_costs_no_training(cell: Cell, tmp_path: Path) -> None:
    make_results(tmp_path)
    (one, *_) = plan_suite(load(tmp_path / "demo.yaml"), Store(tmp_path), Request())
    rates = Rates(training=1000.0, evaluation=1.0)
    again = replace(one, state="rescore")
    found = estimate([again], [again], 1, "cpu")
    assert found is not None and found.seconds < 30
    assert evaluation_seconds(again, rates) == images_measured(one.cell)


def test_the_smallest_effect_is_that_of_the_declared_seeds(tmp_path: Path) -> None:
    (plan,) = make_plans(Choice(suites=[write_suite(tmp_path)]), Store(tmp_path / "none"))
    assert [one.spread for one in plan.smallest] == [0.05, 0.1, 0.2] and not plan.smallest[0].observed
    assert plan.smallest[0].effect == stats.smallest_effect(0.05, 3, 4, comparisons=2)
    make_results(tmp_path / "results")
    (plan,) = make_plans(Choice(suites=[write_suite(tmp_path)]), Store(tmp_path / "results"))
    (seen,) = plan.smallest
    assert seen.observed and 0.01 < seen.spread < 0.03


def test_a_plan_says_what_the_top_up_may_cost_and_show(tmp_path: Path) -> None:
    path = write_suite(tmp_path, SUITE.replace("seeds: 3\nbaseline_seeds: 4", "seeds: 3\nbaseline_seeds: 4\ntop_up: 5"))
    (plan,) = make_plans(Choice(suites=[path]), Store(tmp_path / "none"))
    assert plan.estimate is not None and plan.estimate.top_up_cells == 2 * 2 + 6
    assert plan.estimate.top_up_seconds > 0
    first = plan.smallest[0]
    assert first.effect is not None and first.topped_up is not None and first.topped_up < first.effect
    assert first.topped_up == stats.smallest_effect(0.05, 5, 10, alpha=0.0294, comparisons=2)
    assert first.needed is not None and first.needed > 10
    lines = "\n".join(plan_lines(plan))
    assert "top-up: at most 10 cells" in lines and "after the top-up to 5" in lines
    assert f"{first.needed} seeds a level would show the margin (5 %)" in lines


def test_one_seed_shows_nothing(tmp_path: Path) -> None:
    path = write_suite(tmp_path, SUITE.replace("seeds: 3", "seeds: 1"))
    (plan,) = make_plans(Choice(suites=[path]), Store(tmp_path / "none"))
    assert {one.effect for one in plan.smallest} == {None}


def test_a_long_plan_names_a_profile_that_the_suite_offers(tmp_path: Path) -> None:
    plan = plan_of(load(write_suite(tmp_path)), Store(tmp_path / "none"), Request(cells="baseline-*"))
    long = Estimate(seconds=9 * 3600.0, cells=10, jobs=1, basis="a guess")
    assert "--profile smoke" in time_lines(plan.suite, long)[-1]
    assert "profile" not in "".join(time_lines(replace(plan.suite, profiles=()), long))


def test_stub_results_are_not_stale(tmp_path: Path, cell: Cell) -> None:
    """The other tests stand on it."""
    make_results(tmp_path)
    states = {one.state for one in plan_suite(load(tmp_path / "demo.yaml"), Store(tmp_path), Request())}
    assert states == {"done"} and result(cell).evaluation and WEIGHTS


@pytest.mark.parametrize("procedure", ["adversarial", "unrolled"])  # which looks into its optimisers
def test_steps_are_timed_with_any_procedure(procedure: str, tiny_suite: Callable[..., Suite]) -> None:
    cell = next(iter(expand(tiny_suite("", f"base.procedure={procedure}"))))
    rates = timed(cell, "cpu")
    assert rates.training > 0 and rates.evaluation > 0
