from __future__ import annotations

import math

import pytest
import torch

from ganbench import DOutput, Forward, Networks, change
from ganbench.testing import run_steps, tiny_config, tiny_parts, tiny_training
from ganbench_zoo.tricks.gradient_penalty import GradientPenalty


class LinearD(torch.nn.Linear):
    def forward(self, images, labels):
        return DOutput(logits=[super().forward(images.flatten(1)).squeeze(1)])


def linear_run(penalty, *, config=None, procedure="adversarial"):
    """A run whose D is a linear layer that never learns."""
    parts = tiny_parts(config, procedure=procedure, tricks=[penalty])
    training, data = tiny_training(parts)
    training.networks.discriminator = LinearD(3 * 16 * 16, 1)
    training.optimizers["D"] = torch.optim.SGD(training.networks.discriminator.parameters(), lr=0.0)
    return training, data


def norm_of(training) -> float:
    return float(training.networks.discriminator.weight.detach().norm())


@pytest.mark.parametrize("at", ["interpolated", "real", "fake", "dragan"])
@pytest.mark.parametrize(("input_range", "half"), [((-1.0, 1.0), 1.0), ((0.0, 255.0), 127.5)])
@pytest.mark.parametrize(("target", "weight"), [(1.0, 10.0), (0.0, 0.5)])
def test_penalty_of_a_linear_d_is_that_of_its_weight_in_any_range(at, input_range, half, target, weight):
    penalty = GradientPenalty(at=at, target=target, weight=weight)
    training, data = linear_run(penalty, config=tiny_config(input_range=input_range))
    expected = weight * (norm_of(training) * half - target) ** 2
    assert float(run_steps(training, data)["D/gradient_penalty"]) == pytest.approx(expected, rel=1e-4)


def test_where_the_slope_is_measured():
    training, data = tiny_training()
    moment = training.moment("D", 0)
    real, fake = data.batch(0), data.batch(1)
    output = training.networks.discriminator(real.images, real.labels)
    forward = Forward(
        real=real,
        fake=fake,
        real_output=output,
        fake_output=output,
        discriminate=lambda batch, fp32=False: output,
        networks=Networks(generator=training.networks.generator, discriminator=training.networks.discriminator),
    )
    points = {at: GradientPenalty(at=at).points(forward, moment).images for at in ("real", "fake", "interpolated")}
    assert torch.equal(points["real"], real.images) and torch.equal(points["fake"], fake.images)
    shares = (points["interpolated"] - real.images) / (fake.images - real.images)
    for share in shares:
        share = share[share.isfinite()]
        assert float(share.std()) < 1e-3 and 0 <= float(share.median()) <= 1
    assert len({round(float(share[share.isfinite()].median()), 4) for share in shares}) == len(real)
    beside = GradientPenalty(at="dragan").points(forward, moment).images - real.images
    assert beside.min() >= 0 and beside.max() <= 0.5 * real.images.std() and beside.std() > 0


def test_lazy_penalty_acts_in_every_kth_step_with_k_times_the_weight():
    training, data = linear_run(GradientPenalty(target=0.0, weight=2.0, every=2))
    terms = [run_steps(training, data) for _ in range(4)]
    assert ["D/gradient_penalty" in step for step in terms] == [True, False, True, False]
    assert float(terms[0]["D/gradient_penalty"]) == pytest.approx(4 * norm_of(training) ** 2, rel=1e-4)


def test_split_d_steps_penalises_once_in_the_half_with_the_reals():
    training, data = linear_run(GradientPenalty(), procedure="split_d_steps")
    terms = run_steps(training, data)
    assert "D/gradient_penalty_on_real" in terms and "D/gradient_penalty_on_fake" not in terms


def test_d_runs_in_float32_under_bf16():
    config = tiny_config()
    training, data = tiny_training(
        tiny_parts(change(config, training={"precision": "bf16"}), tricks=[GradientPenalty()])
    )
    seen = []
    first = training.networks.discriminator.stages[0].resample
    first.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    run_steps(training, data)
    assert seen == [torch.bfloat16, torch.bfloat16, torch.float32, torch.bfloat16]


def test_a_flat_d_has_a_finite_gradient():
    training, data = linear_run(GradientPenalty())
    torch.nn.init.zeros_(training.networks.discriminator.weight)
    terms = run_steps(training, data)
    assert float(terms["D/gradient_penalty"]) == 10
    assert all(p.grad is None or p.grad.isfinite().all() for p in training.networks.discriminator.parameters())


def test_repeated_penalty_pulls_the_norm_to_its_target():
    training, data = linear_run(GradientPenalty(target=1.0, weight=10.0))
    training.optimizers["D"] = torch.optim.SGD(training.networks.discriminator.parameters(), lr=0.01)
    torch.nn.init.constant_(training.networks.discriminator.weight, 0.2)
    before = abs(norm_of(training) - 1)
    run_steps(training, data, 3)
    assert abs(norm_of(training) - 1) < before / 1.5


@pytest.mark.parametrize("options", [{"target": -1.0}, {"weight": 0.0}, {"every": 0}])
def test_options_out_of_range(options):
    with pytest.raises(ValueError, match="must be"):
        GradientPenalty(**options)
    assert math.isfinite(GradientPenalty().weight)
