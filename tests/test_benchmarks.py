"""Benchmarks compare like with like, and turns are taken and counted as they should be."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import growth, peers, plain_cell, training_step
from benchmarks.sides import Side, Turn, alternate, quartiles, ratio
from ganbench.assemble import assemble
from ganbench.suite import expand, load


def side(name: str, *seconds: float) -> Side:
    made = Side(name=name, make="")
    made.turns = [Turn(cpu=value, wall=value, faults=0.0, peak_mib=index) for index, value in enumerate(seconds)]
    return made


def test_a_ratio_is_the_median_over_pairs_of_turns_and_not_of_medians() -> None:
    """A slow moment of the machine, the second turn of both, changes nothing."""
    slower, faster = side("peer", 2.0, 20.0, 2.0, 3.0, 2.0), side("ours", 1.0, 10.0, 1.0, 1.0, 1.0)
    assert ratio(slower, faster) == (2.0, 2.0, 2.0)
    assert quartiles([1.0, 2.0, 3.0, 4.0, 5.0]) == (3.0, 2.0, 4.0)
    assert slower.peak_mib == 4


def count_to(number: int) -> tuple[Any, dict[str, Any]]:
    """What a side repeats: it prints, which must not disturb."""
    return lambda: print(sum(range(number))), {"number": number}


def test_sides_work_in_processes_of_their_own_and_by_turns() -> None:
    here = {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])}
    told = {"number": 200_000}
    with Side(name="a", make="test_benchmarks:count_to", arguments=told, environment=here) as first:
        assert first.said == {"number": 200_000}
        alternate([first], rounds=3, seconds=0.02)
    assert len(first.turns) == 3 and all(turn.cpu > 0 for turn in first.turns)


@pytest.fixture
def as_before() -> Iterator[None]:
    """Our side sets kernels and threads as a cell's process does."""
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(deterministic)


@pytest.mark.usefixtures("as_before")
@pytest.mark.parametrize("name", ["tutorial16", "mimicry_dcgan", "mimicry_sngan", "mimicry_wgan_gp"])
def test_both_sides_have_the_same_number_of_parameters(name: str) -> None:
    case = training_step.CASES[name]
    if case.package and not peers.available(case.package):
        pytest.skip(f"{case.package} is not installed")
    _, theirs = getattr(peers, case.make)(**case.arguments)
    _, ours = training_step.ours(name, "fp32")
    assert ours == theirs


@pytest.mark.usefixtures("as_before")
def test_our_side_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "BATCH", 4)
    step, _ = training_step.ours("tutorial16", "bf16")
    step()
    assert peers.tutorial(2)[0]().keys() == {"D(x)", "D(G(z)) 1", "D", "D(G(z)) 2", "G"}


def test_growth_is_the_slope_between_logarithms() -> None:
    assert growth.line("x", [1, 2, 4], [3.0, 12.0, 48.0]).endswith("| 2.00 |")


def test_the_plain_scripts_train_the_networks_of_the_quick_start() -> None:
    suite = load(Path(__file__).parent.parent / "suites" / "quickstart.yaml")
    cells = {next(iter(cell.levels.values()), "baseline"): cell for cell in expand(suite)}
    assert set(cells) == set(plain_cell.LEVELS)
    for level, cell in cells.items():
        training, options = assemble(cell, torch.device("cpu")), plain_cell.LEVELS[level]
        plain = {
            "generator": plain_cell.Generator(options.get("tanh", True)),
            "discriminator": plain_cell.Discriminator(options.get("norm_in_d", True)),
        }
        for name, network in plain.items():
            theirs = sorted(tuple(value.shape) for value in network.parameters())
            same = sorted(tuple(value.shape) for value in getattr(training.networks, name).parameters())
            assert theirs == same, f"{level}: {name}"
        config = cell.config
        assert config.training.d_updates == options.get("d_updates", 1)
        assert config.discriminator.optimizer.name == ("sgd" if options.get("sgd") else "adam")
        assert (config.training.batch_size, config.ema, config.latents.size) == (16, plain_cell.EMA, plain_cell.LATENTS)
        assert (cell.evaluation.images, cell.evaluation.final_images) == (300, 600)
        assert cell.evaluation.curve + cell.evaluation.window == len(plain_cell.EVALUATED_AT)
