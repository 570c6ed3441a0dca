"""What a finite loss does not show: averages, sampling, and independence of random streams."""

from __future__ import annotations

import copy

import pytest
import torch

from ganbench.phases import sample, sampling_inputs, watching
from ganbench.testing import run_steps, tiny_config, tiny_parts, tiny_training


def test_ema_averages_parameters_and_copies_buffers():
    training, data = tiny_training(tiny_parts(tiny_config(ema=0.9)))
    networks = training.networks
    expected = [p.detach().clone() for p in networks.generator.parameters()]
    for _ in range(3):
        run_steps(training, data)
        expected = [0.9 * e + 0.1 * p.detach() for e, p in zip(expected, networks.generator.parameters(), strict=True)]
    for average, wanted in zip(networks.generator_ema.parameters(), expected, strict=True):
        torch.testing.assert_close(average, wanted)
    for kept, buffer in zip(networks.generator_ema.buffers(), networks.generator.buffers(), strict=True):
        assert torch.equal(kept, buffer)


@pytest.mark.parametrize("live", [False, True])
def test_dropout_when_sampling_is_noise_and_plain_dropout_is_not(live):
    config = tiny_config(generator={"dropout": 0.5, "dropout_when_sampling": live, "norm": "layer"})
    training, data = tiny_training(tiny_parts(config))
    inputs = sampling_inputs(training, 6, data, "x")
    assert torch.equal(sample(training, inputs, purpose="x"), sample(training, inputs, purpose="x"))
    with watching(training, "x"):
        one, other = (training.networks.generator(inputs.latents, inputs.labels) for _ in range(2))
    assert torch.equal(one, other) is not live


def test_a_part_that_is_frozen_in_eval_mode_stays_so():
    training, data = tiny_training()
    frozen = training.networks.generator.stages[0].norm.eval()
    sample(training, sampling_inputs(training, 4, data, "x"))
    assert training.networks.generator.training and not frozen.training


def draws_of_the_penalty(tricks):
    config = tiny_config(discriminator={"norm": "none"}, generator={"conditioning": "concat"})
    training, data = tiny_training(tiny_parts(config, tricks=tricks))
    penalty, seen = training.tricks["gradient_penalty"], []
    points = penalty.points

    def spy(forward, moment):
        found = points(forward, moment)
        seen.append(found.images.clone())
        return found

    object.__setattr__(penalty, "points", spy)
    run_steps(training, data)
    return seen


def test_other_tricks_change_no_draw_of_a_penalty():
    alone, together = (
        draws_of_the_penalty(["gradient_penalty"]),
        draws_of_the_penalty(
            ["instance_noise", "label_smoothing", "top_k", "gradient_penalty", "auxiliary_classifier"]
        ),
    )
    assert len(alone) == 1 and torch.equal(alone[0], together[0])


def test_the_order_in_which_a_suite_names_tricks_does_not_matter():
    names = ["instance_noise", "gradient_penalty", "label_smoothing", "spectral_norm"]
    ends = []
    for order in (names, names[::-1]):
        training, data = tiny_training(tiny_parts(tricks=order))
        run_steps(training, data, 2)
        ends.append([p.detach().clone() for _, network in training.networks.items() for p in network.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*ends, strict=True))


def test_the_seed_changes_weights_data_and_latents():
    runs = [tiny_training(seed=seed) for seed in (0, 0, 1)]
    weights = [copy.deepcopy(training.networks.generator.image.weight) for training, _ in runs]
    images = [data.batch(0).images for _, data in runs]
    for drawn in (weights, images):
        assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])
