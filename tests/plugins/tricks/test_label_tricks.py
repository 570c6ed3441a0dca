"""Labels that are flipped or swapped: label_flips, swapped_labels; and smoothing that would smooth nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ganbench import ConfigError, Targets, change
from ganbench.testing import assert_same, run_steps, tiny_config, tiny_parts, tiny_training
from ganbench_zoo.losses.non_saturating import NonSaturating
from ganbench_zoo.losses.saturating import Saturating
from ganbench_zoo.tricks.label_flips import LabelFlips
from ganbench_zoo.tricks.label_smoothing import LabelSmoothing
from ganbench_zoo.tricks.swapped_labels import SwappedLabels
from ganbench_zoo.tricks.top_k import TopK

N = 4000


def flipped(trick, *, phase="D", progress=0.0):
    """The share of reals called fake, and of fakes called real."""
    training, _ = tiny_training()
    ones, zeros = torch.ones(N), torch.zeros(N)
    targets = Targets(real=ones, fake=zeros, real_weight=ones, fake_weight=ones)
    told = trick.adjust_targets(targets, None, replace(training.moment(phase, 0), progress=progress))
    assert {*told.real.tolist(), *told.fake.tolist()} <= {0.0, 1.0}
    return float((told.real == 0).float().mean()), float((told.fake == 1).float().mean())


def test_labels_of_d_are_flipped_with_their_probability_on_both_sides():
    assert flipped(LabelFlips(probability=0.2)) == pytest.approx((0.2, 0.2), abs=0.03)


def test_labels_of_g_are_not_flipped():
    assert flipped(LabelFlips(probability=0.4), phase="G") == (0, 0)


@pytest.mark.parametrize(("progress", "share"), [(0.0, 0.4), (0.25, 0.2), (0.5, 0.0), (0.9, 0.0)])
def test_flips_end_when_they_are_told_to(progress, share):
    assert flipped(LabelFlips(probability=0.4, until=0.5), progress=progress) == pytest.approx((share, share), abs=0.03)
    assert flipped(LabelFlips(probability=0.4), progress=progress) == pytest.approx((0.4, 0.4), abs=0.03)


def test_a_flipped_label_is_softened_as_what_it_has_become():
    training, data = tiny_training(tiny_parts(tricks=[LabelFlips(probability=0.4), LabelSmoothing(real=0.8, fake=0.1)]))
    seen, inner = [], training.loss.discriminator

    def spy(real, fake, targets):
        seen.append(torch.cat([targets.real, targets.fake]))
        return inner(real, fake, targets)

    object.__setattr__(training.loss, "discriminator", spy)
    run_steps(training, data, 4)
    labels = torch.stack(seen).double()
    assert set(labels.mul(1000).round().int().flatten().tolist()) == {100, 800}
    real, fake = labels[:, :4], labels[:, 4:]
    assert real.unique().numel() == 2 and fake.unique().numel() == 2


@pytest.mark.parametrize("loss", ["hinge", "wasserstein"])
def test_flips_refuse_losses_that_read_no_labels(loss):
    with pytest.raises(ConfigError, match=f"the loss {loss} does not read"):
        tiny_training(tiny_parts(loss=loss, tricks=["label_flips"]))


def test_maximising_ds_loss_is_the_minimax_loss_and_minimising_it_with_swapped_labels_the_non_saturating_one():
    logits = torch.linspace(-4, 4, 9, dtype=torch.float64)
    ones, zeros = torch.ones_like(logits), torch.zeros_like(logits)
    minimax, other = Saturating(), NonSaturating()
    torch.testing.assert_close(minimax.for_generator(logits, ones), -minimax.on_fake(logits, zeros))
    torch.testing.assert_close(minimax.for_generator(logits, ones), torch.log(1 - logits.sigmoid()))
    torch.testing.assert_close(minimax.on_fake(logits, ones), other.for_generator(logits, ones))
    torch.testing.assert_close(minimax.on_fake(logits, ones), -torch.log(logits.sigmoid()))


def trained(loss, tricks, **changes):
    training, data = tiny_training(tiny_parts(tiny_config(**changes), loss=loss, tricks=tricks))
    terms = run_steps(training, data, 3)
    return {name: network.state_dict() for name, network in training.networks.items()}, terms


@pytest.mark.parametrize("others", [[], [LabelSmoothing(phases=("D", "G"))]], ids=["plain", "smooth"])
@pytest.mark.parametrize("updates", [1, 2])
def test_the_minimax_game_with_swapped_labels_is_the_non_saturating_game(others, updates):
    changes = {"training": {"g_updates": updates}}
    swapped, terms = trained("saturating", [SwappedLabels(), *others], **changes)
    wanted, other_terms = trained("non_saturating", others, **changes)
    assert_same(swapped, wanted, "swapped labels give another game")
    assert float(terms["G/swapped_labels"]) == float(other_terms["G/adversarial"])
    assert float(terms["G/adversarial"]) == 0
    minimax, _ = trained("saturating", others, **changes)
    with pytest.raises(AssertionError):
        assert_same(minimax, wanted, "not the same game")


@pytest.mark.parametrize(
    ("loss", "tricks", "sentence"),
    [
        ("non_saturating", [], "fakes are labelled real for G already"),
        ("least_squares", [], "fakes are labelled real for G already"),
        ("hinge", [], "hinge has no labels to swap"),
        ("saturating", [TopK()], "before top_k adjusts"),
    ],
)
def test_swapped_labels_refuse_what_would_change_nothing(loss, tricks, sentence):
    with pytest.raises(ConfigError, match=sentence):
        tiny_training(tiny_parts(loss=loss, tricks=[SwappedLabels(), *tricks]))


@pytest.mark.parametrize("loss", ["non_saturating", "saturating"])
def test_reals_0_and_fakes_1_for_both_players_is_the_same_game_with_negated_logits(loss):
    """Why there is no trick for it."""

    def negated(told):
        training, data = tiny_training(tiny_parts(change(tiny_config(), discriminator={"bias": False}), loss=loss))
        if told:
            object.__setattr__(training.parts, "tricks", {"both": Both()})
            with torch.no_grad():
                training.networks.discriminator.logit.weight.neg_()
        run_steps(training, data, 3)
        return list(training.networks.generator.parameters())

    for one, other in zip(negated(True), negated(False), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-6)


class Both(LabelFlips):
    """All labels of both players the other way round."""

    def adjust_targets(self, targets, forward, moment):
        return replace(targets, real=1 - targets.real, fake=1 - targets.fake)


@pytest.mark.parametrize(
    ("trick", "options"),
    [
        (LabelFlips, {"probability": 0.0}),
        (LabelFlips, {"probability": 0.5}),
        (LabelFlips, {"until": 0.0}),
        (LabelFlips, {"until": 1.1}),
        (LabelSmoothing, {"real": 1.0, "fake": 0.0}),
        (LabelSmoothing, {"real": (1.0, 1.0), "fake": 0.0}),
        (LabelSmoothing, {"real": 1.0, "fake": 0.1, "phases": ("G",)}),
    ],
)
def test_options_out_of_range(trick, options):
    with pytest.raises(ValueError):
        trick(**options)
