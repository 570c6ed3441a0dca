"""Faults that start in mid-training are called by their names within a tenth of it; watching changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import faults
import pytest
from faults import NOTICED, START, Fault, Run

from ganbench.testing.runs import assert_same
from ganbench.train.state import State, state_dict


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        pytest.param(faults.learning_rate(100, "G", "D"), "low_yield", id="learning rate x100"),
        pytest.param(faults.learning_rate(100, "D"), "d_lost", id="learning rate of D x100"),
        pytest.param(faults.output(faults.constant), "low_diversity", id="a constant generator"),
        pytest.param(faults.eight_images, "duplicates", id="a generator of 8 images"),
        pytest.param(faults.output(faults.greyed), "fading", id="a desaturating last layer"),
        pytest.param(faults.training_images, "memorisation", id="a generator of training images"),
        pytest.param(faults.zeroed_gradients("G"), "gradient_dead", id="gradients of G are zero"),
        pytest.param(faults.zeroed_gradients("D"), "gradient_dead", id="gradients of D are zero"),
        pytest.param(faults.output(faults.half_black), "low_yield", id="half of the images are black"),
    ],
)
def test_a_fault_is_called_by_its_name_within_a_tenth_of_training(
    folder: Path, half: State, fault: Fault, name: str
) -> None:
    run = Run.open(folder).put_back(half)
    fault(run)
    run.go(START + NOTICED)
    assert name in run.warnings, f"only {run.warnings}"


def test_without_a_fault_nothing_is_said(folder: Path, half: State) -> None:
    run = Run.open(folder).put_back(half).go(START + 2 * NOTICED)
    assert run.warnings == {} and len(run.probes) == 4
    assert run.health is not None and run.health.summary()["warnings"] == []


def test_a_run_that_is_not_finite_ends_at_the_next_probe(folder: Path) -> None:
    sgd = "{name: sgd, lr: 0.1}"
    run = Run.open(folder, "base.generator.norm=none", f"base.generator.optimizer={sgd}").go(0.1)
    faults.learning_rate(1e6, "G", "D")(run)
    run.go(0.2)
    assert [one.name for one in run.began] == ["non_finite"] and run.began[0].value is None
    assert run.training.progress <= 0.15 + 1e-9 and "is not finite" in run.began[0].message


def test_watched_or_not_the_weights_are_the_same(folder: Path) -> None:
    settings = ("base.ema=0.9", "base.tricks=[{gradient_penalty: {at: real}}, instance_noise, spectral_norm]")
    watched = Run.open(folder, *settings).go(0.2)
    alone = Run.open(folder, *settings, watched=False).go(0.2)
    assert len(watched.probes) == 4
    assert_same(state_dict(watched.training), state_dict(alone.training), "watching changes the run")


def test_a_resumed_monitor_says_the_same(folder: Path, half: State) -> None:
    def ended(*stops: float) -> tuple[list[dict[str, Any]], dict[str, Any], Any]:
        run = Run.open(folder).put_back(half)
        faults.output(faults.constant)(run)
        probes = []
        for stop in stops:
            run.go(stop)
            probes += run.probes
            resumed = Run.open(folder).put_back(run.state())
            faults.output(faults.constant)(resumed)
            run = resumed
        assert run.health is not None
        return [{k: v for k, v in p.items() if k != "seconds"} for p in probes], run.health.summary(), run.state()

    whole, parts = ended(0.65), ended(0.52, 0.55, 0.575, 0.6, 0.635, 0.65)
    assert whole[:2] == parts[:2] and whole[1]["warnings"]
    assert_same(whole[2]["health"], parts[2]["health"], "another monitor")
