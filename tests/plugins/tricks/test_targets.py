"""What the losses are told: label_smoothing, top_k."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ganbench import ConfigError, DOutput, Forward, PluginSpec, Targets, change, registry
from ganbench.testing import run_steps, tiny_config, tiny_parts, tiny_training
from ganbench_zoo.tricks.label_smoothing import LabelSmoothing
from ganbench_zoo.tricks.top_k import TopK


def relabel(trick, *, phase="D", n=200, real=1.0, fake=0.0):
    training, _ = tiny_training()
    ones = torch.ones(n)
    targets = Targets(real=real * ones, fake=fake * ones[: n // 2], real_weight=ones, fake_weight=ones[: n // 2])
    return trick.adjust_targets(targets, None, training.moment(phase, 0))


def test_smoothing_is_one_sided_and_for_d_only_by_default():
    told = relabel(LabelSmoothing())
    assert (told.real == 0.9).all() and not told.fake.any()
    assert (relabel(LabelSmoothing(), phase="G").real == 1).all()


def test_smoothing_can_reach_g():
    assert (relabel(LabelSmoothing(phases=("G",)), phase="G", real=0.0, fake=1.0).fake == 0.9).all()


def test_ranges_are_drawn_anew_for_each_sample():
    told = relabel(LabelSmoothing(real=(0.7, 1.2), fake=(0.0, 0.3)))
    for labels, low, high in ((told.real, 0.7, 1.2), (told.fake, 0.0, 0.3)):
        assert low <= labels.min() < low + 0.1 and high - 0.1 < labels.max() <= high
        assert labels.unique().numel() > 0.9 * len(labels)


def test_flipped_labels_are_softened_as_what_they_are():
    told = relabel(LabelSmoothing(real=0.8, fake=0.1), real=0.0, fake=1.0)
    torch.testing.assert_close(told.real[0], torch.tensor(0.1))
    torch.testing.assert_close(told.fake[0], torch.tensor(0.8))


def test_ranges_are_options_of_a_suite():
    options = {"real": [0.7, 1.2], "fake": 0}
    trick = registry.make("trick", PluginSpec(name="label_smoothing", options=options))
    assert trick == LabelSmoothing(real=(0.7, 1.2), fake=0.0)
    with pytest.raises(ConfigError, match="range from low to high"):
        registry.make("trick", PluginSpec(name="label_smoothing", options={"real": [1.2, 0.7]}))


@pytest.mark.parametrize("loss", ["non_saturating", "saturating", "least_squares"])
def test_smoothing_changes_ds_loss_where_labels_are_read(loss):
    plain, soft = (tiny_training(tiny_parts(loss=loss, tricks=tricks)) for tricks in ([], ["label_smoothing"]))
    terms, softened = run_steps(*plain), run_steps(*soft)
    assert terms["D/adversarial"] != softened["D/adversarial"]


@pytest.mark.parametrize("loss", ["hinge", "wasserstein"])
def test_smoothing_refuses_losses_that_read_no_labels(loss):
    with pytest.raises(ConfigError, match=f"the loss {loss} does not read"):
        tiny_training(tiny_parts(loss=loss, tricks=["label_smoothing"]))


def kept(progress, *, phase="G", share=0.5, until=1.0):
    """Which of 8 fakes keep their weight."""
    training, data = tiny_training()
    moment = replace(training.moment(phase, 0), progress=progress)
    batch, scores = data.batch(0), torch.tensor([0.3, -1.0, 2.0, 0.1, 5.0, -3.0, 0.2, 1.0])
    answer = DOutput(logits=[scores])
    forward = Forward(
        real=batch,
        fake=batch,
        real_output=answer,
        fake_output=answer,
        discriminate=lambda batch, fp32=False: answer,
        networks=training.networks,
    )
    ones = torch.ones(8)
    targets = Targets(real=ones, fake=ones, real_weight=ones, fake_weight=2 * ones)
    return TopK(share=share, until=until).adjust_targets(targets, forward, moment).fake_weight.tolist()


def test_top_k_keeps_the_best_rated_fakes_and_their_weights():
    assert kept(1.0) == [2, 0, 2, 0, 2, 0, 0, 2]


@pytest.mark.parametrize(("progress", "count"), [(0.0, 8), (0.25, 6), (0.5, 4), (0.75, 3), (0.99, 2)])
def test_top_k_share_falls_by_the_same_factor_in_equal_times(progress, count):
    """From 1 to a quarter: a half is left at half time, where a straight fall would leave 5 of 8."""
    assert sum(weight > 0 for weight in kept(progress, share=0.25)) == count


def test_top_k_share_stays_once_it_has_fallen():
    assert sum(weight > 0 for weight in kept(0.75, until=0.5)) == 4


def test_top_k_keeps_at_least_one_and_leaves_d_alone():
    assert sum(weight > 0 for weight in kept(0.99, share=0.001)) == 1
    assert sum(weight > 0 for weight in kept(0.99, phase="D")) == 8


def test_fakes_that_are_not_chosen_get_no_gradient():
    bare = {"norm": "none"}  # batch norm would pass gradients from one sample to another
    config = change(tiny_config(), generator=bare, discriminator=bare)
    training, data = tiny_training(tiny_parts(config, tricks=[TopK(share=0.5, until=0.1)]))
    run_steps(training, data)
    reached = []

    def spy(module, inputs, images):
        if images.requires_grad:
            images.register_hook(lambda gradient: reached.append(gradient.flatten(1).norm(dim=1)))

    training.networks.generator.register_forward_hook(spy)
    run_steps(training, data)
    assert [int((norms > 0).sum()) for norms in reached] == [2]


@pytest.mark.parametrize("options", [{"share": 0.0}, {"share": 1.0}, {"until": 0.0}, {"until": 1.5}])
def test_options_out_of_range(options):
    with pytest.raises(ValueError):
        TopK(**options)
