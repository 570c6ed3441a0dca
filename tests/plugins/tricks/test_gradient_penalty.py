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


@pytest.mark.parametrize(("target", "expected"), [(0.5, 1.0), (2.0, 0.0), (2.0, 1.0)], ids=["above", "below", "two"])
def test_one_sided_penalty_leaves_flatter_slopes_alone(target, expected):
    one_sided = (target, expected) != (2.0, 1.0)
    training, data = linear_run(GradientPenalty(target=target, weight=1.0, one_sided=one_sided))
    torch.nn.init.constant_(training.networks.discriminator.weight, 768**-0.5)  # a norm of 1
    expected = expected * (1 - target) ** 2
    assert float(run_steps(training, data)["D/gradient_penalty"]) == pytest.approx(expected, rel=1e-4)


class QuadraticD(torch.nn.Module):
    """Half of curve * |x|^2: the slope at x is curve * x."""

    def __init__(self):
        super().__init__()
        self.curve = torch.nn.Parameter(torch.tensor(0.1))

    def forward(self, images, labels):
        return DOutput(logits=[self.curve * images.flatten(1).square().sum(1) / 2])


@pytest.mark.parametrize("at", ["real", "fake"])
def test_r1_and_r2_of_a_curved_d_and_their_gradients(at):
    """gamma / 2 * mean |curve * x|^2, whose derivative by the curve is gamma * curve * mean |x|^2."""
    gamma = 3.0
    training, data = tiny_training()
    discriminator, seen = QuadraticD(), {"real": data.batch(0), "fake": data.batch(1)}
    answer = discriminator(seen["real"].images, {})
    forward = Forward(
        real=seen["real"],
        fake=seen["fake"],
        real_output=answer,
        fake_output=answer,
        discriminate=lambda batch, fp32=False: discriminator(batch.images, batch.labels),
        networks=training.networks,
    )
    penalty = GradientPenalty(at=at, target=0.0, weight=gamma / 2)
    term = penalty.extra_loss(forward, training.moment("D", 0))
    squares = seen[at].images.flatten(1).square().sum(1).mean()
    torch.testing.assert_close(term.detach(), gamma / 2 * 0.1**2 * squares)
    term.backward()
    torch.testing.assert_close(discriminator.curve.grad, gamma * 0.1 * squares)


def test_r3gans_two_penalties_add_up():
    pair = [GradientPenalty(at=at, target=0.0, weight=0.5) for at in ("real", "fake")]
    training, data = tiny_training(tiny_parts(tricks=pair))
    training.networks.discriminator = LinearD(3 * 16 * 16, 1)
    training.optimizers["D"] = torch.optim.SGD(training.networks.discriminator.parameters(), lr=0.0)
    terms = run_steps(training, data)
    for name in ("D/gradient_penalty", "D/gradient_penalty#2"):
        assert float(terms[name]) == pytest.approx(0.5 * norm_of(training) ** 2, rel=1e-4)


def test_slope_of_zero_has_a_finite_gradient_whatever_the_target():
    for options in ({"target": 0.0}, {"target": 1.0}, {"target": 1.0, "one_sided": True}):
        squares = torch.tensor([0.0, 4.0], requires_grad=True)
        GradientPenalty(**options).penalty(squares).sum().backward()
        assert squares.grad.isfinite().all()


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
    with pytest.raises(ValueError, match="one_sided would change nothing"):
        GradientPenalty(target=0.0, one_sided=True)
    assert math.isfinite(GradientPenalty().weight)
