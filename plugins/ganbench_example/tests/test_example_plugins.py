"""Conformance, which `ganbench.testing` checks, and what is special about each plugin."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ganbench import ConfigError, DOutput, Forward, PluginSpec, Targets, registry
from ganbench.suite import check, expand, load
from ganbench.testing import (
    check_architecture,
    check_loss,
    check_run,
    check_trick,
    run_steps,
    tiny_config,
    tiny_info,
    tiny_parts,
    tiny_training,
)
from ganbench_example.f_gan import FGAN
from ganbench_example.mlp import MLP
from ganbench_example.pulling_away import PullingAway

SUITES = Path(__file__).parents[1] / "suites"
DIVERGENCES = ("kl", "reverse_kl", "pearson", "squared_hellinger")


# --- trick -----------------------------------------------------------------------------------------
def test_the_trick_conforms():
    both = ["non_saturating", "relativistic_paired"]
    assert check_trick(PullingAway(weight=0.5), losses=both, architecture=MLP()) == []


def pulled(features):
    """The trick's term for these features of fakes."""
    training, data = tiny_training()
    batch, output = data.batch(0), DOutput(logits=[torch.zeros(len(features))], features=features)
    forward = Forward(
        real=batch, fake=batch, real_output=None, fake_output=output, discriminate=None, networks=training.networks
    )
    return {phase: PullingAway(weight=2.0).extra_loss(forward, training.moment(phase, 0)) for phase in ("D", "G")}


def test_pulling_away_is_the_mean_squared_cosine_of_pairs():
    features = torch.tensor([[3.0, 0.0], [0.0, 5.0], [1.0, 1.0]])  # at 90, 45 and 45 degrees
    assert float(pulled(features)["G"]) == pytest.approx(2.0 * (0 + 0.5 + 0.5) / 3)
    assert pulled(features)["D"] is None


def test_fakes_that_are_all_the_same_cost_the_whole_weight():
    assert float(pulled(torch.ones(4, 3))["G"]) == pytest.approx(2.0)


def test_pulling_away_needs_features_and_more_than_one_fake():
    parts = tiny_parts(tiny_config(training={"batch_size": 1}), tricks=[PullingAway()])
    assert "batch_size is 1" in (PullingAway().conflict(parts) or "")
    assert PullingAway().conflict(tiny_parts()) is None
    with pytest.raises(ConfigError, match="weight must be above 0"):
        registry.make("trick", PluginSpec(name="pulling_away", options={"weight": 0.0}))


# --- loss ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("saturating", [False, True])
@pytest.mark.parametrize("divergence", DIVERGENCES)
def test_the_loss_conforms(divergence, saturating):
    check_loss(FGAN(divergence=divergence, saturating=saturating))


@pytest.mark.parametrize("divergence", DIVERGENCES)
def test_the_best_discriminator_gives_the_divergence(divergence):
    """Of two distributions on four points, by its definition (Nowozin et al., 2016, table 1)."""
    p, q = torch.tensor([0.1, 0.2, 0.3, 0.4]), torch.tensor([0.4, 0.1, 0.3, 0.2])
    r = p / q
    expected, best = {  # the divergence, and the logit whose T is f'(p / q)
        "kl": ((p * r.log()).sum(), 1 + r.log()),
        "reverse_kl": (-(q * r.log()).sum(), r.log()),
        "pearson": (((p - q) ** 2 / q).sum(), 2 * (r - 1)),
        "squared_hellinger": (((p.sqrt() - q.sqrt()) ** 2).sum(), r.log() / 2),
    }[divergence]
    logits = best.clone().requires_grad_()
    said, ones = DOutput(logits=[logits]), torch.ones(4)
    targets = Targets(real=ones, fake=0 * ones, real_weight=p, fake_weight=q)
    bound = -FGAN(divergence=divergence).discriminator(said, said, targets)
    torch.testing.assert_close(bound, expected)
    (slope,) = torch.autograd.grad(bound, logits)
    torch.testing.assert_close(slope, torch.zeros(4), atol=1e-6, rtol=0)


def test_tricks_that_change_labels_are_refused():
    with pytest.raises(ConfigError, match="label_smoothing"):
        tiny_training(tiny_parts(loss=FGAN(), tricks=["label_smoothing"]))


# --- architecture ----------------------------------------------------------------------------------
def test_the_architecture_conforms():
    check_architecture(MLP())
    check_architecture(MLP(depth=1), channels=1)


def test_all_of_it_trains_together():
    config = tiny_config(MLP(), generator={"conditioning": "concat"}, ema=0.9)
    tricks = [PullingAway(), "auxiliary_classifier", "diff_augment"]
    check_run(lambda: tiny_training(tiny_parts(config, architecture=MLP(), loss=FGAN(), tricks=tricks)))


def test_depth_is_the_number_of_hidden_layers():
    for depth in (1, 3):
        generator = MLP(depth=depth).generator(tiny_config(MLP()), tiny_info())
        assert sum(isinstance(layer, torch.nn.Linear) for layer in generator.layers) == depth
    with pytest.raises(ConfigError, match="depth must be at least 1"):
        registry.make("architecture", PluginSpec(name="mlp", options={"depth": 0}))


def test_conditional_norms_are_refused():
    config = tiny_config(MLP(), generator={"conditioning": "conditional_norm"})
    assert "mlp has none" in (MLP().conflict(tiny_parts(config, architecture=MLP())) or "")


def test_the_terms_have_the_names_that_suites_know_them_by():
    training, data = tiny_training(tiny_parts(architecture=MLP(), loss=FGAN(), tricks=["pulling_away"]))
    assert set(run_steps(training, data)) == {"D/adversarial", "G/adversarial", "G/pulling_away"}


# --- suite -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("profile", [None, "smoke", "cpu"])
def test_the_suite_has_no_conflicts(profile):
    cells = check(expand(load(SUITES / "example.yaml", profile=profile)))
    assert cells and not [cell.conflict for cell in cells if cell.conflict]
