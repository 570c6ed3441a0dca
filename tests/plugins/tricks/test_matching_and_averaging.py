"""Terms beside the loss: feature_matching, historical_averaging."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ganbench import ConfigError, change
from ganbench.testing import run_steps, tiny_config, tiny_parts, tiny_training
from ganbench_zoo.architectures.dcgan import DCGAN
from ganbench_zoo.tricks.feature_matching import FeatureMatching
from ganbench_zoo.tricks.historical_averaging import HistoricalAveraging


def features_and_term(trick, **changes):
    """D's features in each pass of one step, and the terms."""
    training, data = tiny_training(tiny_parts(tricks=[trick], **changes))
    seen = []
    training.networks.discriminator.register_forward_hook(lambda m, i, output: seen.append(output.features.detach()))
    return seen, run_steps(training, data), training


@pytest.mark.parametrize("weight", [1.0, 3.0])
@pytest.mark.parametrize("loss", ["non_saturating", "relativistic_paired"])
def test_the_term_is_the_mean_squared_distance_of_mean_features(loss, weight):
    seen, terms, _ = features_and_term(FeatureMatching(weight=weight), loss=loss)
    # D's update: reals, fakes; G's: fakes, then reals, unless the loss has shown it the reals already
    assert len(seen) == 4
    real, fake = seen[2:]
    expected = weight * (real.mean(0) - fake.mean(0)).square().mean()
    assert float(terms["G/feature_matching"]) == pytest.approx(float(expected), rel=1e-5)
    assert "D/feature_matching" not in terms


def test_g_with_the_features_of_reals_pays_nothing():
    trick, (training, data) = FeatureMatching(), tiny_training()
    real = data.batch(0)
    output = training.networks.discriminator(real.images, real.labels)
    forward = type("Same", (), {"real": real, "fake": real, "real_output": output, "fake_output": output})
    assert float(trick.extra_loss(forward, training.moment("G", 0)).detach()) == 0


@pytest.mark.parametrize("loss", ["non_saturating", "wasserstein", "relativistic_paired", "relativistic_average"])
def test_alone_the_adversarial_loss_does_not_reach_g(loss):
    def generator(last_layer):
        training, data = tiny_training(tiny_parts(loss=loss, tricks=[FeatureMatching(alone=True)]))
        with torch.no_grad():  # the adversarial loss reads the last layer, features do not
            training.networks.discriminator.logit.weight.mul_(last_layer)
        training.optimizers["D"] = torch.optim.SGD(training.networks.discriminator.parameters(), lr=0.0)
        before = [p.detach().clone() for p in training.networks.generator.parameters()]
        run_steps(training, data, 2)
        after = list(training.networks.generator.parameters())
        assert not all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
        return after

    for one, other in zip(generator(1.0), generator(-30.0), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-7)


def test_beside_the_adversarial_loss_both_count():
    _, terms, _ = features_and_term(FeatureMatching())
    assert float(terms["G/adversarial"]) != 0
    for loss in ("non_saturating", "relativistic_average"):
        _, terms, _ = features_and_term(FeatureMatching(alone=True), loss=loss)
        assert float(terms["G/adversarial"]) == 0


class Featureless(DCGAN):
    """A DCGAN that shows no features."""

    provides = frozenset()


@pytest.mark.parametrize(
    ("tricks", "changes", "sentence"),
    [
        ([FeatureMatching()], {"architecture": Featureless()}, "featureless shows none"),
        ([FeatureMatching(alone=True), "top_k"], {}, "no adversarial loss of G for top_k"),
        ([FeatureMatching(alone=True), "swapped_labels"], {"loss": "saturating"}, "for swapped_labels"),
    ],
)
def test_what_cannot_go_together_is_refused_with_a_sentence(tricks, changes, sentence):
    with pytest.raises(ConfigError, match=sentence):
        tiny_training(tiny_parts(tricks=tricks, **changes))


@pytest.mark.parametrize("updates", [{}, {"d_updates": 2, "g_updates": 3}])
def test_historical_averaging_against_a_plain_loop(updates):
    config = change(tiny_config(), training=updates)
    training, data = tiny_training(tiny_parts(config, tricks=[HistoricalAveraging(weight=0.5)]))
    past = {"D": [], "G": []}
    networks = {"D": training.networks.discriminator, "G": training.networks.generator}
    for phase, network in networks.items():

        def note(*_, phase=phase, network=network):
            past[phase].append(torch.cat([p.detach().flatten().double() for p in network.parameters()]))

        training.optimizers[phase].register_step_post_hook(note)
    assert ("D/historical_averaging" in run_steps(training, data)) is bool(updates)  # there is no past at first
    for _ in range(2):
        terms = run_steps(training, data)
        for phase, passed in past.items():
            *before, now, _ = passed  # the last one is what this update has made of `now`
            expected = 0.5 * (now - torch.stack([*before, now]).mean(0)).square().sum()
            assert float(terms[f"{phase}/historical_averaging"]) == pytest.approx(float(expected), rel=1e-3, abs=1e-9)


def test_historical_averaging_pulls_weights_to_their_mean():
    training, data = tiny_training(tiny_parts(tricks=[HistoricalAveraging(weight=1.0)]))
    run_steps(training, data)
    trick, network = training.tricks["historical_averaging"], training.networks.generator
    for _, each in training.networks.items():
        each.zero_grad()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1)
    forward = type("Stand", (), {"networks": training.networks})
    term = trick.extra_loss(forward, training.moment("G", 0))
    term.backward()
    for parameter in network.parameters():
        torch.testing.assert_close(parameter.grad, torch.full_like(parameter, 0.2), rtol=1e-3, atol=1e-5)
    assert all(parameter.grad is None for parameter in training.networks.discriminator.parameters())


def test_an_update_of_several_games_pays_once():
    training, data = tiny_training(tiny_parts(tricks=[HistoricalAveraging()]))
    run_steps(training, data, 2)
    trick, moment = training.tricks["historical_averaging"], training.moment("D", 0)
    trick.memory["D"].pop("domain")
    forward = type("Stand", (), {"networks": training.networks})
    domains = ["cats", "dogs", "cats"]
    terms = [trick.extra_loss(forward, replace(moment, domain=domain)) for domain in domains]
    assert [term is None for term in terms] == [False, True, False]


@pytest.mark.parametrize("trick", [FeatureMatching, HistoricalAveraging])
def test_weights_are_positive(trick):
    with pytest.raises(ValueError):
        trick(weight=0.0)
