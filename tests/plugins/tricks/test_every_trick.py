from __future__ import annotations

from dataclasses import replace

import pytest

from ganbench import PluginSpec, TrainingConfig, registry
from ganbench.testing import check_run, check_trick, tiny_config, tiny_info, tiny_parts, tiny_training

TRICKS, LOSSES, PROCEDURES = registry.names("trick"), registry.names("loss"), registry.names("procedure")


def make(name, **options):
    return registry.make("trick", PluginSpec(name=name, options=options))


@pytest.mark.parametrize("name", TRICKS)
def test_every_trick_with_every_loss_resumes_exactly_or_is_refused(name):
    refused = check_trick(make(name), losses=LOSSES)
    assert all(sentence.strip() for sentence in refused)


@pytest.mark.parametrize("name", TRICKS)
@pytest.mark.parametrize("procedure", PROCEDURES)
def test_every_trick_with_every_procedure(name, procedure):
    assert not check_trick(make(name), losses=["non_saturating"], procedure=procedure)


def test_all_tricks_at_once():
    others = [name for name in TRICKS if name != "weight_clipping"]  # refuses spectral norm
    check_run(lambda: tiny_training(tiny_parts(tricks=others)))


def test_two_instances_of_one_trick():
    both = [make("gradient_penalty"), make("gradient_penalty", at="real", target=0.0)]
    training = check_run(lambda: tiny_training(tiny_parts(tricks=both)))
    assert list(training.tricks) == ["gradient_penalty", "gradient_penalty#2"]


@pytest.mark.parametrize("name", TRICKS)
def test_every_trick_under_bf16(name):
    config = tiny_config()
    config = replace(config, training=replace(config.training, precision="bf16"))
    check_trick(make(name), losses=["non_saturating"], config=config)


@pytest.mark.soak
@pytest.mark.parametrize("size", [16, 32, 64, 128])
@pytest.mark.parametrize("procedure", PROCEDURES)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", TRICKS)
def test_every_combination_at_every_size(name, loss, procedure, size):
    config = tiny_config(ema=0.9, input_range=(0.0, 255.0), training={"g_updates": 2})
    trick = make(name)
    parts = tiny_parts(config, tiny_info(size=size), loss=loss, procedure=procedure, tricks=[trick])
    if trick.conflict(parts) is None:
        check_trick(trick, losses=[loss], procedure=procedure, config=config, info=tiny_info(size=size))


def test_updates_per_step_do_not_disturb_the_tricks():
    config = tiny_config(training=TrainingConfig(budget=tiny_config().training.budget, batch_size=4, d_updates=2))
    check_run(lambda: tiny_training(tiny_parts(config, tricks=["top_k", "gradient_penalty", "instance_noise"])))
