"""The networks against those of the package lightweight-gan: same weights in, same images, logits and errors out.

It is no dependency: `pip install lightweight-gan` (or ganbench-lightweight[oracle]) makes these tests run.
"""

from __future__ import annotations

import importlib
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

from ganbench import RunConfig, change
from ganbench.phases import discriminator_terms
from ganbench.seeds import reseed
from ganbench.testing import tiny_config, tiny_info, tiny_parts, tiny_training
from ganbench_lightweight.attention import Attention
from ganbench_lightweight.lightweight_gan import LightweightGAN
from ganbench_lightweight.networks import Gate
from ganbench_zoo.losses.hinge import Hinge
from ganbench_zoo.tricks.gradient_penalty import GradientPenalty

pytestmark = pytest.mark.filterwarnings("ignore")

WIDE = {32: 32, 64: 16, 128: 8}  # side of images -> width; the package has 256, 128 and 64, so 1 / 8 of its channels
FEW = 64  # channels at most, instead of 512
RAW = {"output_activation": "none"}
HEADS = {"heads": 2, "dim_head": 8}  # of attention, for speed; the package has 8 of 64
OURS = {"attention_heads": 2, "attention_size": 8, "most_channels": FEW}


@pytest.fixture(scope="module")
def package():
    """Its module. It asserts that there is a GPU when it is imported, and needs none for the networks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "is_available", lambda: True)
        try:
            module = importlib.import_module("lightweight_gan.lightweight_gan")
        except ImportError as error:
            pytest.skip(f"lightweight-gan is not installed: {error}")
        patch.setattr(module, "Blur", nn.Identity)  # as its trainer sets it, unless it is asked for antialiasing
        patch.setattr(module, "LinearAttention", partial(module.LinearAttention, **HEADS))
        yield module


def config(size, attention=()):
    return change(
        RunConfig(),
        input_range=(0.0, 1.0),
        latents={"size": 24},
        generator={"width": WIDE[size], "attention_at": attention, **RAW},
        discriminator={"width": WIDE[size], "attention_at": attention, "slope": 0.1},
    )


def copy_weights(ours, theirs):
    """From lists of parts that hold the same weights in the same order; all that is learnt is disturbed first."""
    with torch.no_grad():
        for part in theirs:
            for weight in part.parameters():
                weight.add_(torch.randn_like(weight), alpha=0.05)
    ours, theirs = ([value for part in parts for value in part.state_dict().values()] for parts in (ours, theirs))
    assert [value.shape for value in ours] == [value.shape for value in theirs]
    for our, their in zip(ours, theirs, strict=True):
        our.copy_(their)


def close(ours, theirs):
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def present(*parts):
    return [part for part in parts if part is not None]


@pytest.mark.parametrize(("size", "attention"), [(32, (16,)), (64, ()), (64, (32,)), (128, (32,))])
def test_the_same_weights_make_the_same_images(package, size, attention):
    reseed(size)
    net = LightweightGAN(**OURS, excitation=8 if size >= 128 else 0)
    ours = net.generator(config(size, attention), tiny_info(size=size))
    theirs = package.Generator(
        image_size=size, latent_dim=24, fmap_max=FEW, fmap_inverse_coef=9, attn_res_layers=list(attention)
    )
    parts, others = [ours.stem], [theirs.initial_conv]
    for doubling, (up, gate, attended) in zip(ours.doublings, theirs.layers, strict=True):
        parts += [doubling.layers, doubling.attention]
        others += present(up, attended)
        assert gate is None or doubling is ours.doublings[1]  # that of maps of side 16
    parts, others = (
        [*parts, *ours.gates.values(), ours.image],
        [*others, *present(theirs.layers[1][1]), theirs.out_conv],
    )
    copy_weights(parts, others)
    latents = torch.randn(3, 24)
    for mode in (True, False):
        made = []
        for network in (ours, theirs):
            reseed(1)  # both add noise
            made.append(network.train(mode)(latents, {}) if network is ours else network.train(mode)(latents))
        close(*made)
    assert made[0].shape == (3, 3, size, size)


@pytest.mark.parametrize(
    ("size", "attention", "logits"), [(32, (32,), "one"), (64, (), "map"), (64, (32,), "one"), (128, (16, 32), "one")]
)
def test_the_same_weights_give_the_same_logits_errors_and_slopes(package, size, attention, logits):
    reseed(size)
    # The package reconstructs at 128 pixels, however small images are.
    net = LightweightGAN(**OURS, logits=logits, reconstruction=128 if size == 128 else 0)
    ours = net.discriminator(config(size, attention), tiny_info(size=size))
    theirs = package.Discriminator(
        image_size=size,
        fmap_max=FEW,
        fmap_inverse_coef=9,
        disc_output_size=5 if logits == "map" else 1,
        attn_res_layers=list(attention),
    )
    parts, others = [], []
    for halving, (both, attended) in zip(ours.halvings, theirs.residual_layers, strict=True):
        parts += [halving.folded, halving.pooled, halving.attention]
        others += present(*both.branches, attended)
    first, halving, second, _, last = ours.thumbnail
    parts += [ours.logit, first, halving.folded, halving.pooled, second, last]
    first, before, both, after, _, last = theirs.to_shape_disc_out
    parts.insert(-2, ours.thumbnail[1].attention)
    others += [theirs.to_logits, first, *both.branches, before.fn, after.fn, last]
    if ours.decoder is not None:
        parts.append(ours.decoder)
        others.append(theirs.decoder1)
    copy_weights(parts, others)

    images = torch.rand(3, 3, size, size)
    said = ours(images, {})
    their_logits, their_thumbnail, their_error = theirs(images, calc_aux_loss=True)
    close(said.logits[0].flatten(1) if logits == "map" else said.logits[0][:, None], their_logits)
    close(said.logits[1], their_thumbnail.flatten())
    if size == 128:
        close(said.auxiliary["reconstruction"].mean(), their_error)

    points = images.clone().requires_grad_()
    (slope,) = torch.autograd.grad(sum(logits.sum() for logits in ours(points, {}).logits), points)
    (other,) = torch.autograd.grad(sum(logits.sum() for logits in theirs(points)[:2]), points)
    close(slope, other)


def test_the_recipe_of_the_suite_is_the_loss_of_the_package(package):
    """D's loss in a step with penalties: hinge losses of both logits, and 10 times the mean squared slope of their sum
    at reals and fakes, for images in 0..1. The package has the signs of its logits the other way round."""
    net = LightweightGAN(**OURS, reconstruction=0)
    penalties = [GradientPenalty(at=at, target=0.0, weight=20.0, every=4) for at in ("real", "fake")]
    run = change(config(32), training=tiny_config().training)
    training, data = tiny_training(
        tiny_parts(run, tiny_info(size=32), architecture=net, loss=Hinge(discriminator_weight=2.0), tricks=penalties)
    )
    real, moment = data.batch(0), training.moment("D", 0)
    game = training.procedure.game(training, real)
    fake = replace(real, images=game.generate(moment).images.detach())
    terms = discriminator_terms(training, game, fake, moment)

    points = [batch.images.clone().requires_grad_() for batch in (real, fake)]
    said = [training.networks.discriminator(images, {}).logits for images in points]
    hinges = sum(package.hinge_loss(-ours, -theirs) for ours, theirs in zip(*said, strict=True))
    slopes = [torch.autograd.grad(sum(logits).sum(), images)[0] for logits, images in zip(said, points, strict=True)]
    penalty = 10 * torch.cat(slopes).flatten(1).norm(dim=1).square().mean()
    close(terms["D/adversarial"], hinges)
    # Lazily applied: the trick multiplies by `every`, the package does not, so the weight is a quarter of 80.
    close(terms["D/gradient_penalty"] + terms["D/gradient_penalty#2"], penalty)


def test_attention_by_shifts_is_attention_by_unfolding(package):
    reseed(0)
    ours = Attention(6, heads=3, size=5)
    theirs = package.Residual(package.PreNorm(6, package.LinearAttention(6, dim_head=5, heads=3)))
    copy_weights([ours], [theirs])
    x = torch.randn(2, 6, 7, 7)
    close(ours(x), theirs(x))
    close(ours(x.to(memory_format=torch.channels_last)), theirs(x))


def test_gates(package):
    reseed(0)
    ours, theirs = Gate(5, 8), package.GlobalContext(chan_in=5, chan_out=8)
    copy_weights([ours], [theirs])
    x = torch.randn(2, 5, 7, 7)
    close(ours(x), theirs(x))
