"""What holds of every built-in pair of networks that is fed latents and images."""

from __future__ import annotations

import pytest
import torch

from ganbench import change
from ganbench.seeds import derive, reseed
from ganbench.testing import check_architecture, check_run, tiny_config, tiny_info, tiny_parts, tiny_training
from ganbench_zoo.architectures.dcgan import DCGAN
from ganbench_zoo.architectures.r3gan import R3GAN
from ganbench_zoo.architectures.resnet import ResNet
from ganbench_zoo.architectures.sagan import SAGAN
from ganbench_zoo.tricks.gradient_penalty import GradientPenalty
from ganbench_zoo.tricks.spectral_norm import SpectralNorm

ALL = {"dcgan": DCGAN(), "resnet": ResNet(), "sagan": SAGAN(), "r3gan": R3GAN(group_size=4)}
LABELS = {"kind": torch.tensor([0, 1, 2]), "marks": torch.tensor([[0.0, 1.0], [1.0, 1.0], [0.0, 0.0]])}
# of both sides of any architecture, besides those that only some of them obey
FIELDS = {"width", "activation", "slope", "dropout", "attention_at", "conditioning"}

every = pytest.mark.parametrize("net", ALL.values(), ids=ALL)


def networks(net, config=None, info=None):
    config, info = config or tiny_config(), info or tiny_info()
    reseed(derive(0, "networks"))
    pair = net.generator(config, info), net.discriminator(config, info)
    with torch.no_grad():
        for network in pair:
            for weight in network.parameters():  # as training would: some layers start at zero
                weight.add_(torch.randn(weight.shape), alpha=0.02)
    return pair


@every
def test_conformance(net):
    check_architecture(net)


@every
@pytest.mark.parametrize(("size", "channels"), [(16, 1), (32, 3), (64, 3), (128, 3)])
def test_shapes_at_each_size(net, size, channels):
    info = tiny_info(size=size, channels=channels, labels=False)
    generator, discriminator = networks(net, info=info)
    images = generator(torch.randn(2, 100), {})
    assert images.shape == (2, channels, size, size) and images.abs().max() <= 1
    output = discriminator(images, {})
    assert [tuple(logits.shape) for logits in output.logits] == [(2,)]
    assert output.features.ndim == 2 and output.score().isfinite().all()


@every
def test_a_size_that_is_not_known_is_refused(net):
    for size in (8, 24, 256):
        assert "16, 32, 64, 128" in (net.conflict(tiny_parts(info=tiny_info(size=size), architecture=net)) or "")


@every
def test_obeys_what_any_architecture_has_a_place_for(net):
    own = {"attention_at"} if isinstance(net, SAGAN) else set()  # options of its own
    for side, more in (("generator", {"output_activation", "layer_noise"}), ("discriminator", {"minibatch", "heads"})):
        assert {f"{side}.{name}" for name in (FIELDS | more) - own} <= net.obeys


@every
@pytest.mark.parametrize("conditioning", ["concat", "embedding", "conditional_norm"])
def test_generator_reads_each_label(net, conditioning):
    config = tiny_config(net, generator={"conditioning": conditioning})
    if refused := net.conflict(tiny_parts(config, architecture=net)):
        assert isinstance(net, R3GAN) and "r3gan has none" in refused
        return
    generator, _ = networks(net, config)
    generator.eval()
    latents = torch.randn(3, 100)
    before = generator(latents, LABELS)
    for name, value in LABELS.items():
        assert not torch.equal(before, generator(latents, LABELS | {name: value.roll(1, 0)})), name


@every
@pytest.mark.parametrize("conditioning", ["concat", "embedding", "projection"])
def test_discriminator_reads_each_label(net, conditioning):
    config = tiny_config(net, discriminator={"conditioning": conditioning})
    assert net.conflict(tiny_parts(config, architecture=net)) is None
    _, discriminator = networks(net, config)
    discriminator.eval()
    images = torch.randn(3, 3, 16, 16)
    before = discriminator(images, LABELS).score()
    for name, value in LABELS.items():
        assert not torch.equal(before, discriminator(images, LABELS | {name: value.roll(1, 0)}).score()), name


@every
@pytest.mark.parametrize(
    ("side", "conditioning", "sentence"),
    [
        ("generator", "projection", "generator: conditioning projection is for the discriminator only"),
        ("discriminator", "conditional_norm", "conditioning conditional_norm is for the generator only"),
    ],
)
def test_conditioning_that_a_side_does_not_know_is_refused(net, side, conditioning, sentence):
    config = tiny_config(net, **{side: {"conditioning": conditioning}})
    assert sentence in (net.conflict(tiny_parts(config, architecture=net)) or "")


@every
def test_score_is_twice_differentiable(net):
    _, discriminator = networks(net, change(tiny_config(), discriminator={"minibatch": "discrimination"}))
    points = torch.randn(3, 3, 16, 16, requires_grad=True)
    (slope,) = torch.autograd.grad(discriminator(points, {}).score().sum(), points, create_graph=True)
    slope.square().sum().backward()
    reached = [p.grad for p in discriminator.parameters() if p.grad is not None]
    assert len(reached) > 3 and all(slope.isfinite().all() for slope in reached)


@every
def test_training_with_a_penalty_resumes_exactly_and_is_not_disturbed_by_watching(net):
    penalties = [GradientPenalty(at="real", target=0.0, weight=1.0), GradientPenalty()]
    config = tiny_config(net, discriminator={"heads": {"kind": 3}, "conditioning": "projection"}, ema=0.9)
    check_run(lambda: tiny_training(tiny_parts(config, architecture=net, tricks=penalties)))


@every
def test_memory_format_changes_no_answer(net):
    generator, discriminator = (network.eval() for network in networks(net))
    images = generator(torch.randn(3, 100), {})
    score = discriminator(images, {}).score()
    for network in (generator, discriminator):
        network.to(memory_format=torch.channels_last)
    other = discriminator(images.to(memory_format=torch.channels_last), {}).score()
    torch.testing.assert_close(score, other, atol=1e-4, rtol=1e-4)


@every
@pytest.mark.parametrize("side", ["generator", "discriminator"])
def test_every_layer_learns_in_a_step_or_two(net, side):
    # Layers behind one that starts at zero get no gradient in the very first step.
    training = check_run(lambda: tiny_training(tiny_parts(architecture=net)), steps=3)
    fresh, _ = tiny_training(tiny_parts(architecture=net))
    pairs = zip(
        getattr(training.networks, side).named_parameters(), getattr(fresh.networks, side).parameters(), strict=True
    )
    # Attention starts at a gain of zero, too.
    still = [name for (name, after), before in pairs if torch.equal(after, before)]
    assert not still


@every
@pytest.mark.parametrize("side", ["generator", "discriminator"])
def test_spectral_norm_as_a_trick_is_refused_where_it_would_do_nothing_or_harm(net, side):
    parts = tiny_parts(architecture=net, tricks=[SpectralNorm(networks=(side,))])
    refused = net.conflict(parts)
    assert (refused is not None and "spectral_norm" in refused) is isinstance(net, SAGAN | R3GAN)
