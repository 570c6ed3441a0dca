from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ganbench.testing import run_steps, tiny_config, tiny_parts, tiny_training
from ganbench_zoo.tricks.instance_noise import InstanceNoise


def noise(progress, *, input_range=(-1.0, 1.0), **options):
    training, _ = tiny_training(tiny_parts(tiny_config(input_range=input_range)))
    moment = replace(training.moment("D", 0), progress=progress)
    images = torch.zeros(4, 3, 64, 64)
    return InstanceNoise(**options).view(images, moment) - images


@pytest.mark.parametrize(("progress", "until", "share"), [(0.0, 1.0, 1.0), (0.5, 1.0, 0.5), (0.2, 0.4, 0.5)])
def test_noise_decays_linearly(progress, until, share):
    assert float(noise(progress, std=0.2, until=until).std()) == pytest.approx(0.2 * share, rel=0.03)


def test_no_noise_after_its_time():
    assert not noise(0.5, until=0.5).any() and not noise(0.9, until=0.5).any()


def test_noise_stays_where_it_is_not_told_to_end():
    assert float(noise(0.9, std=0.2, until=None).std()) == pytest.approx(0.2, rel=0.03)


def test_noise_scales_with_the_input_range():
    assert float(noise(0.0, std=0.1, input_range=(0.0, 255.0)).std()) == pytest.approx(12.75, rel=0.03)


def test_view_sees_real_and_fake_in_both_phases_and_penalties_each_with_noise_of_its_own():
    training, data = tiny_training(tiny_parts(tricks=["instance_noise", "gradient_penalty"]))
    trick, seen = training.tricks["instance_noise"], []
    view = trick.view

    def spy(images, moment):
        out = view(images, moment)
        seen.append((moment.phase, moment.scope, (out - images).detach()))
        return out

    object.__setattr__(trick, "view", spy)
    run_steps(training, data)
    assert [entry[:2] for entry in seen] == [("D", ""), ("D", ""), ("D", "gradient_penalty"), ("G", "")]
    noises = [entry[2] for entry in seen]
    assert not any(torch.allclose(a, b) for i, a in enumerate(noises) for b in noises[:i])


def test_another_trick_changes_no_noise():
    def first_noise(tricks):
        training, data = tiny_training(tiny_parts(tricks=tricks))
        first, seen = training.networks.discriminator, []
        first.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].clone()))
        run_steps(training, data)
        return seen[0]

    assert torch.equal(first_noise(["instance_noise"]), first_noise(["instance_noise", "gradient_penalty", "top_k"]))


@pytest.mark.parametrize("options", [{"std": 0.0}, {"until": 0.0}, {"until": 1.1}])
def test_options_out_of_range(options):
    with pytest.raises(ValueError):
        InstanceNoise(**options)
