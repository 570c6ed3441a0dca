from __future__ import annotations

from math import exp, log

import pytest
import torch

from ganbench import DOutput, PluginSpec, Targets, registry
from ganbench.testing import check_loss

LOSSES = ["non_saturating", "saturating", "least_squares", "hinge", "wasserstein"]


def make(name):
    return registry.make("loss", PluginSpec(name=name))


def values(loss, real: float, fake: float) -> tuple[float, float]:
    """D's and G's loss for one logit each, with hard labels."""
    ones, zeros = torch.ones(1), torch.zeros(1)
    reals, fakes = DOutput(logits=[torch.tensor([real])]), DOutput(logits=[torch.tensor([fake])])
    d = loss.discriminator(reals, fakes, Targets(real=ones, fake=zeros, real_weight=ones, fake_weight=ones))
    g = loss.generator(fakes, reals, Targets(real=zeros, fake=ones, real_weight=ones, fake_weight=ones))
    return float(d), float(g)


def softplus(x: float) -> float:
    return log(1 + exp(x))


@pytest.mark.parametrize("name", registry.names("loss"))
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
