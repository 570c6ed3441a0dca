"""From a cell to a run at step 0: what is built does not depend on what else is built."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from ganbench import ConfigError, PluginSpec, RunConfig
from ganbench.api.cell import Cell
from ganbench.api.config import EvaluationConfig
from ganbench.assemble import assemble, run_seed
from ganbench.testing import tiny_config, tiny_parts, tiny_training

CELL = Cell(
    id="baseline-s0-0123456789ab", suite="s", levels={}, seed=0, config=RunConfig(), evaluation=EvaluationConfig()
)


def weights(network: Any) -> list[torch.Tensor]:
    return [value.detach() for value in network.state_dict().values()]


def same(one: Any, other: Any) -> bool:
    return all(torch.equal(a, b) for a, b in zip(weights(one), weights(other), strict=True))


def test_another_generator_changes_nothing_of_the_discriminator() -> None:
    plain, wider = (tiny_training(tiny_parts(tiny_config(generator={"width": w})))[0].networks for w in (4, 8))
    assert same(plain.discriminator, wider.discriminator)
    other = tiny_training(tiny_parts(tiny_config(discriminator={"width": 8})))[0].networks
    assert same(plain.generator, other.generator)


def test_a_trick_that_draws_changes_no_first_weight_of_the_other_network() -> None:
    plain, normed = (tiny_training(tiny_parts(tricks=t))[0].networks for t in ([], ["spectral_norm"]))
    assert same(plain.generator, normed.generator)


def test_the_average_starts_as_a_copy_that_is_not_trained() -> None:
    training, _ = tiny_training(tiny_parts(tiny_config(ema=0.9)))
    average = training.networks.generator_ema
    assert average is not None and same(average, training.networks.generator)
    assert not any(p.requires_grad for p in average.parameters())
    trained = {id(p) for o in training.optimizers.values() for group in o.param_groups for p in group["params"]}
    assert not trained & {id(p) for p in average.parameters()}
    assert trained == {
        id(p) for n in (training.networks.generator, training.networks.discriminator) for p in n.parameters()
    }


def test_each_player_has_the_optimiser_that_is_configured() -> None:
    config = tiny_config()
    config = replace(
        config,
        generator=replace(config.generator, optimizer=replace(config.generator.optimizer, name="sgd", momentum=0.5)),
        discriminator=replace(config.discriminator, optimizer=replace(config.discriminator.optimizer, lr=3e-3)),
    )
    optimizers = tiny_training(tiny_parts(config))[0].optimizers
    assert isinstance(optimizers["G"], torch.optim.SGD) and optimizers["G"].param_groups[0]["momentum"] == 0.5
    assert isinstance(optimizers["D"], torch.optim.Adam) and optimizers["D"].param_groups[0]["lr"] == 3e-3


def test_a_replicate_shifts_all_seeds_and_nothing_else() -> None:
    again = replace(CELL, config=replace(CELL.config, replicate=1))
    assert run_seed(CELL) == run_seed(replace(CELL, id="x")) != run_seed(again) != run_seed(replace(CELL, seed=1))


def test_parts_that_cannot_go_together_are_refused_with_the_sentence() -> None:
    config = replace(
        CELL.config,
        procedure=PluginSpec(name="split_d_steps"),
        training=replace(CELL.config.training, d_updates=2),
    )
    with pytest.raises(ConfigError, match=r"training\.d_updates is 2 and must stay 1"):
        assemble(replace(CELL, config=config), torch.device("cpu"))
