from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ganbench import ConfigError, OptimizerConfig, PluginSpec, change, registry
from ganbench.phases import discriminator_terms
from ganbench.seeds import reseed
from ganbench.suite import check, expand, load
from ganbench.testing import (
    check_architecture,
    check_options,
    check_run,
    check_trick,
    run_steps,
    tiny_config,
    tiny_info,
    tiny_parts,
    tiny_training,
)
from ganbench_lightweight.lightweight_gan import LightweightGAN
from ganbench_lightweight.networks import quarter

SUITES = Path(__file__).parents[1] / "suites"
INFO = tiny_info(size=32, labels=False)
SMALL = {"thumbnail_width": 4, "attention_heads": 1, "attention_size": 4}
SPARE = SMALL | {"attention_heads": 0}  # without attention
RUN = {"latents": {"size": 8}, "input_range": (0.0, 1.0)}


def make(name="lightweight_gan", kind="architecture", **options):
    return registry.make(kind, PluginSpec(name=name, options=options))


def config(net, **changes):
    return tiny_config(net, **RUN, **changes)


@pytest.mark.parametrize("options", [{}, {"reconstruct_part": True, "logits": "map", "excitation": 4}])
def test_conformance(options):
    net = LightweightGAN(**SMALL, **options)
    check_architecture(net, size=32, config=tiny_config(net, latents={"size": 8}))


def test_grey_images():
    net = LightweightGAN(**SPARE)
    check_architecture(net, size=32, channels=1, config=tiny_config(net, latents={"size": 8}))


@pytest.mark.parametrize("size", [64, 128, 256])
def test_shapes_at_larger_sizes(size):
    net, info = LightweightGAN(**SPARE, logits="map"), tiny_info(size=size)
    generator, discriminator = net.generator(config(net), info), net.discriminator(config(net), info)
    images = generator(torch.randn(1, 8), {}).detach()
    assert images.shape == (1, 3, size, size)
    assert [tuple(logits.shape) for logits in discriminator(images, {}).logits] == [(1, 5, 5), (1,)]


@pytest.mark.parametrize(
    ("size", "excitation", "pairs"),
    [
        (32, 8, {32: 4}),
        (32, 4, {32: 8}),
        (64, 4, {64: 16}),
        (128, 8, {128: 16}),
        (256, 8, {256: 32, 128: 16}),
        (256, 0, {}),
    ],
)
def test_small_maps_gate_large_ones(size, excitation, pairs):
    net = LightweightGAN(**SPARE, excitation=excitation)
    assert net.gating(size) == pairs
    assert set(net.generator(config(net), tiny_info(size=size)).gates) == {str(large) for large in pairs}


def test_a_closed_gate_lets_nothing_pass():
    net = LightweightGAN(**SPARE)
    generator = net.generator(config(net, generator={"output_activation": "none"}), INFO).eval()
    torch.nn.init.constant_(generator.gates["32"].layers[2].bias, -1e4)
    images = generator(torch.randn(2, 8), {})
    torch.testing.assert_close(images, generator.image.bias.view(1, 3, 1, 1).expand(2, 3, 32, 32))


# --- reconstruction --------------------------------------------------------------------------------
def trained(net, tricks=(), **changes):
    parts = tiny_parts(config(net, **changes), INFO, architecture=net, loss="hinge", tricks=tricks)
    return tiny_training(parts)


def test_reconstruction_counts_on_reals_in_d_only():
    training, data = trained(LightweightGAN(**SPARE, reconstruct_part=True))
    terms = run_steps(training, data)
    assert set(terms) == {"D/adversarial", "D/reconstruction", "D/reconstruction_of_part", "G/adversarial"}
    without, data = trained(LightweightGAN(**SPARE, reconstruction=0))
    assert set(run_steps(without, data)) == {"D/adversarial", "G/adversarial"}


def test_only_images_without_a_history_are_decoded():
    training, data = trained(LightweightGAN(**SPARE))
    discriminator, real = training.networks.discriminator, data.batch(0).images
    assert discriminator(real, {}).auxiliary
    assert not discriminator(real.clone().requires_grad_(), {}).auxiliary
    assert not discriminator.eval()(real, {}).auxiliary
    with torch.no_grad():
        assert not discriminator.train()(real, {}).auxiliary


def test_the_error_is_that_of_images_in_0_to_1_whatever_the_input_range():
    net, images, errors = LightweightGAN(**SPARE), torch.rand(3, 3, 32, 32), []
    for low, high in ((0.0, 1.0), (-1.0, 1.0)):
        reseed(0)
        discriminator = net.discriminator(change(config(net), input_range=(low, high)), INFO)
        for weight in discriminator.decoder.parameters():
            torch.nn.init.zeros_(weight)  # makes black images of anything
        errors.append(discriminator(low + (high - low) * images, {}).auxiliary["reconstruction"])
    torch.testing.assert_close(errors[0], images.square().flatten(1).mean(1))
    torch.testing.assert_close(errors[0], errors[1])


def test_gradients_of_the_reconstruction_reach_what_d_sees_with():
    training, data = trained(LightweightGAN(**SPARE))
    discriminator = training.networks.discriminator
    error = discriminator(data.batch(0).images, {}).auxiliary["reconstruction"].mean()
    error.backward()
    assert discriminator.halvings[0].folded[1].weight.grad.abs().sum() > 0
    assert discriminator.logit[0].weight.grad is None


def test_quarters_of_maps_are_quarters_of_images():
    images = torch.arange(16.0).view(1, 1, 4, 4)
    assert quarter(images, 0, 1).flatten().tolist() == [2, 3, 6, 7]
    assert quarter(images, 1, 0).flatten().tolist() == [8, 9, 12, 13]


def test_d_learns_to_reconstruct():
    training, data = trained(
        LightweightGAN(**SPARE), discriminator={"width": 16, "optimizer": OptimizerConfig(lr=2e-3)}
    )
    errors = [float(run_steps(training, data)["D/reconstruction"]) for _ in range(25)]
    assert sum(errors[-5:]) < 0.9 * sum(errors[:5])


# --- training --------------------------------------------------------------------------------------
RECIPE = ("diff_augment", {"at": "real", "target": 0.0, "every": 2}, {"at": "fake", "target": 0.0, "every": 2})


def test_training_as_in_the_suite_resumes_exactly_and_is_not_disturbed_by_watching():
    net = LightweightGAN(**SMALL, reconstruct_part=True)

    def run():
        tricks = [one if isinstance(one, str) else make("gradient_penalty", "trick", **one) for one in RECIPE]
        return trained(net, tricks, ema=0.9)

    check_run(run, steps=2)


def test_a_trick_that_needs_features_gets_them():
    net = LightweightGAN(**SPARE)
    check_trick(make("feature_matching", "trick"), losses=["hinge"], architecture=net, config=config(net), info=INFO)


def test_d_loss_of_mixed_batches_counts_reconstruction_of_reals_only():
    net = LightweightGAN(**SPARE)
    training, data = trained(net)
    real = data.batch(0)
    game, moment = training.procedure.game(training, real), training.moment("D", 0)
    fake = game.generate(moment)
    fake = type(fake)(images=fake.images.detach(), labels=fake.labels)
    apart = discriminator_terms(training, game, fake, moment)
    mixed = discriminator_terms(training, game, fake, moment, separate_batches=False)
    torch.testing.assert_close(apart["D/reconstruction"], mixed["D/reconstruction"])


# --- refusals --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"most_channels": 8}, "most_channels must be at least 16"),
        ({"thumbnail_width": 5}, "even"),
        ({"attention_heads": -1}, "attention_heads"),
        ({"excitation": 6}, "excitation must be a power of two"),
        ({"reconstruction": 8}, "reconstruction must be a power of two, at least 16"),
        ({"reconstruction": 0, "reconstruct_part": True}, "needs a reconstruction"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, words):
    with pytest.raises(ConfigError, match=words):
        make(**options)


@pytest.mark.parametrize(
    ("options", "changes", "size", "words"),
    [
        ({}, {}, 16, "32, 64, 128, 256; the dataset has side 16"),
        ({}, {"generator": {"attention_at": (32,)}}, 32, "generator: attention_at 32: attention is at sides 4, 8, 16"),
        ({}, {"discriminator": {"attention_at": (8,)}}, 32, "discriminator: attention_at 8"),
        ({"attention_heads": 0}, {"generator": {"attention_at": (8,)}}, 32, "attention_heads above 0"),
        ({}, {"discriminator": {"activation": "relu", "slope": 0.1}}, 32, "slope is that of leaky_relu"),
        ({"excitation": 16}, {}, 32, "excitation 16"),
        ({}, {"discriminator": {"width": 1}}, 64, "cannot halve 4 channels 3 times"),
    ],
)
def test_configurations_that_cannot_be_built_are_refused(options, changes, size, words):
    net = LightweightGAN(**options)
    parts = tiny_parts(change(tiny_config(), **changes), tiny_info(size=size), architecture=net)
    assert words in (net.conflict(parts) or "")


def test_the_defaults_go_together_at_each_size():
    net = LightweightGAN()
    for size in (32, 64, 128, 256):
        assert net.conflict(tiny_parts(config(net), tiny_info(size=size), architecture=net)) is None


def test_options_survive_a_suite():
    check_options(LightweightGAN())


@pytest.mark.parametrize("path", sorted(SUITES.glob("*.yaml")), ids=lambda path: path.stem)
@pytest.mark.parametrize("profile", [None, "smoke", "cpu"])
def test_suites_have_no_conflicts(path, profile):
    cells = check(expand(load(path, profile=profile)))
    assert cells and not [cell.conflict for cell in cells if cell.conflict]
