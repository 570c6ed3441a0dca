from __future__ import annotations

from math import exp, log

import built_in
import pytest
import torch

from ganbench import ConfigError, DOutput, PluginSpec, Targets, registry
from ganbench.testing import check_loss, run_steps, tiny_config, tiny_parts, tiny_training

LOSSES = ["non_saturating", "saturating", "least_squares", "hinge", "wasserstein"]
RELATIVISTIC = ["relativistic_paired", "relativistic_average"]


def make(name, **options):
    return registry.make("loss", PluginSpec(name=name, options=options))


def values(loss, real: float, fake: float) -> tuple[float, float]:
    """D's and G's loss for one logit each, with hard labels."""
    ones, zeros = torch.ones(1), torch.zeros(1)
    reals, fakes = DOutput(logits=[torch.tensor([real])]), DOutput(logits=[torch.tensor([fake])])
    d = loss.discriminator(reals, fakes, Targets(real=ones, fake=zeros, real_weight=ones, fake_weight=ones))
    g = loss.generator(fakes, reals, Targets(real=zeros, fake=ones, real_weight=ones, fake_weight=ones))
    return float(d), float(g)


def softplus(x: float) -> float:
    return log(1 + exp(x))


@pytest.mark.parametrize("name", built_in.names("loss"))
def test_conformance(name):
    check_loss(make(name))


@pytest.mark.parametrize(
    ("name", "d", "g"),
    [  # for the logits 0.5 of a real and -0.25 of a fake
        ("non_saturating", softplus(-0.5) + softplus(-0.25), softplus(0.25)),
        ("saturating", softplus(-0.5) + softplus(-0.25), -softplus(-0.25)),
        ("least_squares", 0.5**2 / 2 + 0.25**2 / 2, 1.25**2 / 2),
        ("hinge", 0.5 + 0.75, 0.25),
        ("wasserstein", -0.5 - 0.25, 0.25),
        ("relativistic_paired", softplus(-0.75), softplus(0.75)),
        ("relativistic_average", 2 * softplus(-0.75), 2 * softplus(0.75)),
    ],
)
def test_values_by_hand(name, d, g):
    assert values(make(name), 0.5, -0.25) == pytest.approx((d, g))


def test_hinge_leaves_samples_beyond_the_margin_alone():
    assert values(make("hinge"), 1.5, -3.0)[0] == 0


def test_saturating_gradient_vanishes_where_d_is_sure_and_the_other_does_not():
    def slope(name):
        logit = torch.tensor([-10.0], requires_grad=True)
        ones = torch.ones(1)
        targets = Targets(real=0 * ones, fake=ones, real_weight=ones, fake_weight=ones)
        make(name).generator(DOutput(logits=[logit]), None, targets).backward()
        return float(logit.grad)

    assert slope("saturating") == pytest.approx(-exp(-10), rel=1e-3)
    assert slope("non_saturating") == pytest.approx(-1, rel=1e-3)


@pytest.mark.parametrize("name", ["non_saturating", "saturating"])
def test_the_best_logit_for_a_soft_label_is_its_log_odds(name):
    logit, ones = torch.tensor([log(0.9 / 0.1)], requires_grad=True), torch.ones(1)
    targets = Targets(real=0.9 * ones, fake=0 * ones, real_weight=ones, fake_weight=ones)
    make(name).discriminator(DOutput(logits=[logit]), None, targets).backward()
    assert float(logit.grad) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_weights_choose_samples(name):
    logits, ones, zeros = torch.tensor([0.3, 9.0, -0.7]), torch.ones(3), torch.zeros(3)
    chosen = Targets(real=zeros, fake=ones, real_weight=ones, fake_weight=torch.tensor([1.0, 0.0, 1.0]))
    kept = Targets(real=zeros[:2], fake=ones[:2], real_weight=ones[:2], fake_weight=ones[:2])
    one = make(name).generator(DOutput(logits=[logits]), None, chosen)
    other = make(name).generator(DOutput(logits=[logits[[0, 2]]]), None, kept)
    torch.testing.assert_close(one, other)


def told(player, n, m, real_weight=None, fake_weight=None):
    """Hard labels for D or G, and weights of 1 unless they are given."""
    return Targets(
        real=torch.full((n,), float(player == "D")),
        fake=torch.full((m,), float(player == "G")),
        real_weight=torch.ones(n) if real_weight is None else torch.tensor(real_weight),
        fake_weight=torch.ones(m) if fake_weight is None else torch.tensor(fake_weight),
    )


def say(*logits):
    return DOutput(logits=[torch.tensor(logits)])


def test_pairs_by_hand_where_the_sides_differ_in_size():
    """Two reals, three fakes: the third fake is held against the first real."""
    loss = make("relativistic_paired")
    d = loss.discriminator(say(0.5, -1.0), say(0.25, 2.0, -3.0), told("D", 2, 3))
    g = loss.generator(say(0.25, 2.0, -3.0), say(0.5, -1.0), told("G", 2, 3))
    assert float(d) == pytest.approx((softplus(-0.25) + softplus(3.0) + softplus(-3.5)) / 3)
    assert float(g) == pytest.approx((softplus(0.25) + softplus(-3.0) + softplus(3.5)) / 3)
    swapped = loss.discriminator(say(0.25, 2.0, -3.0), say(0.5, -1.0), told("D", 3, 2))
    assert float(swapped) == pytest.approx(float(g))


def test_averages_by_hand_where_the_sides_differ_in_size():
    loss = make("relativistic_average")
    d = loss.discriminator(say(0.5, -1.0), say(0.25, 2.0, -3.0), told("D", 2, 3))
    mean_real, mean_fake = -0.25, -0.25
    on_real = (softplus(mean_fake - 0.5) + softplus(mean_fake + 1.0)) / 2
    on_fake = (softplus(0.25 - mean_real) + softplus(2.0 - mean_real) + softplus(-3.0 - mean_real)) / 3
    assert float(d) == pytest.approx(on_real + on_fake)
    g = loss.generator(say(0.25, 2.0, -3.0), say(0.5, -1.0), told("G", 2, 3))
    up = (softplus(mean_real - 0.25) + softplus(mean_real - 2.0) + softplus(mean_real + 3.0)) / 3
    down = (softplus(0.5 - mean_fake) + softplus(-1.0 - mean_fake)) / 2
    assert float(g) == pytest.approx(up + down)


@pytest.mark.parametrize("name", RELATIVISTIC)
def test_a_sample_of_weight_0_is_not_there(name):
    loss = make(name)
    one = loss.generator(say(0.3, 9.0, -0.7), say(0.1, 0.2, 0.4), told("G", 3, 3, [1.0, 0.0, 1.0], [1.0, 0.0, 1.0]))
    other = loss.generator(say(0.3, -0.7), say(0.1, 0.4), told("G", 2, 2))
    torch.testing.assert_close(one, other)


@pytest.mark.parametrize("name", RELATIVISTIC)
def test_what_is_relative_does_not_mind_a_shift_of_all_logits(name):
    real, fake = torch.tensor([0.5, -1.0]), torch.tensor([0.25, 2.0])
    values = [
        make(name).discriminator(DOutput(logits=[real + c]), DOutput(logits=[fake + c]), told("D", 2, 2))
        for c in (0.0, 7.0)
    ]
    torch.testing.assert_close(*values)


@pytest.mark.parametrize("name", RELATIVISTIC)
def test_maps_of_a_single_place_are_vectors_and_several_maps_are_averaged(name):
    real, fake, targets = torch.tensor([0.5, -1.0]), torch.tensor([0.25, 2.0]), told("D", 2, 2)

    def loss(*shapes):
        both = ([(2 * i + 1) * x.view(2, *shape) for i, shape in enumerate(shapes)] for x in (real, fake))
        return make(name).discriminator(*(DOutput(logits=maps) for maps in both), targets)

    torch.testing.assert_close(loss((1, 1)), loss(()))
    triple = make(name).discriminator(DOutput(logits=[3 * real]), DOutput(logits=[3 * fake]), targets)
    torch.testing.assert_close(loss((), (1, 1)), (loss(()) + triple) / 2)


@pytest.mark.parametrize("name", built_in.names("loss"))
def test_a_weight_of_d_scales_its_adversarial_loss_and_no_other_term(name):
    """Report R4 halves D's loss beside its class losses."""

    def first(weight):
        config = tiny_config(discriminator={"norm": "none"}, generator={"conditioning": "concat"})
        loss = make(name, discriminator_weight=weight)
        training, data = tiny_training(tiny_parts(config, loss=loss, tricks=["auxiliary_classifier"]))
        return run_steps(training, data)

    whole, half = first(1.0), first(0.5)
    torch.testing.assert_close(half["D/adversarial"], whole["D/adversarial"] / 2)
    torch.testing.assert_close(half["D/auxiliary_classifier"], whole["D/auxiliary_classifier"])


@pytest.mark.parametrize("weight", [0, -1, float("inf")])
def test_a_weight_of_d_that_is_not_above_0_is_refused(weight):
    with pytest.raises(ConfigError, match=r"hinge\.discriminator_weight"):
        make("hinge", discriminator_weight=weight)


@pytest.mark.parametrize("name", RELATIVISTIC)
def test_labels_that_nobody_reads_are_refused(name):
    with pytest.raises(ConfigError, match=f"label_smoothing .* the loss {name} does not read"):
        tiny_training(tiny_parts(loss=name, tricks=["label_smoothing"]))
