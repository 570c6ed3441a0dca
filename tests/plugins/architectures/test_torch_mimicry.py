"""The residual networks against those of torch-mimicry: same weights in, same images, logits, losses and gradients out.

It is no dependency, since it brings TensorFlow along for its metrics: `pip install --no-deps torch-mimicry` is enough.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ganbench import DatasetInfo, LabelInfo, RunConfig, Targets, change
from ganbench.testing import tiny_info
from ganbench_zoo.architectures.resnet import ResNet
from ganbench_zoo.architectures.sagan import SAGAN
from ganbench_zoo.losses.hinge import Hinge
from ganbench_zoo.losses.wasserstein import Wasserstein

pytestmark = [pytest.mark.soak, pytest.mark.filterwarnings("ignore")]  # it uses what torch has deprecated

PAPER = {"activation": "relu", "bias": True}
CONFIG = change(
    RunConfig(),
    latents={"size": 128},
    generator=PAPER | {"stem": "linear", "upsampling": "nearest", "width": 16},
    discriminator=PAPER | {"norm": "none", "downsampling": "average_pool", "width": 8},
)
CIFAR = {"widest": 1, "last_side": 8, "plain_blocks": 2}
CLASSES = {"kind": LabelInfo(kind="class", size=3)}


@pytest.fixture
def mimicry(monkeypatch):
    """Its modules by name, without its own first lines, which import TensorFlow."""
    spec = importlib.util.find_spec("torch_mimicry")
    if spec is None:
        pytest.skip("torch-mimicry is not installed")
    package = types.ModuleType("torch_mimicry")
    package.__path__ = spec.submodule_search_locations
    monkeypatch.setitem(sys.modules, "torch_mimicry", package)
    # It interpolates where the paper (and its authors' code) repeats.
    monkeypatch.setattr(
        F, "interpolate", lambda x, scale_factor, **_: x.repeat_interleave(2, 2).repeat_interleave(2, 3)
    )
    return lambda name: importlib.import_module(f"torch_mimicry.{name}")


def pair(module, kind, *arguments, **widths):
    """Its generator and discriminator at 32 pixels. In-place activations would reach into its shortcuts, which the
    authors' code keeps free of them. A few passes let the power iterations settle."""
    generator = getattr(module, f"{kind}Generator32")(*arguments, **widths["Generator"])
    discriminator = getattr(module, f"{kind}Discriminator32")(*arguments, **widths["Discriminator"])
    told = (torch.tensor([0, 1, 2]),) if arguments else ()
    for network, given in ((generator, torch.randn(3, 128)), (discriminator, torch.randn(3, 3, 32, 32))):
        for layer in network.modules():
            if isinstance(layer, nn.ReLU):
                layer.inplace = False
        for _ in range(20):
            network(given, *told)
    return generator, discriminator


def copy_layer(ours: nn.Module, theirs: nn.Module) -> None:
    """Weights, and the singular vectors where there is spectral norm."""
    with torch.no_grad():
        if hasattr(theirs, "weight_orig"):
            ours.parametrizations.weight.original.copy_(theirs.weight_orig.view_as(ours.weight))
            ours.parametrizations.weight[0]._u.copy_(theirs.weight_u)
            ours.parametrizations.weight[0]._v.copy_(theirs.weight_v)
        elif theirs.weight is not None:
            ours.weight.copy_(theirs.weight)
        if getattr(theirs, "bias", None) is not None:
            ours.bias.copy_(theirs.bias)
        if hasattr(theirs, "running_var"):
            ours.running_mean.copy_(theirs.running_mean)
            ours.running_var.copy_(theirs.running_var)


def copy_norm(ours: nn.Module, theirs: nn.Module) -> None:
    """Plain norms, or the gains and biases of its embedding: then our vector of labels is made one-hot."""
    if not hasattr(theirs, "embed"):
        copy_layer(ours, theirs)
        return
    copy_layer(ours.norm, theirs.bn)
    nn.init.normal_(theirs.embed.weight)
    gain, bias = theirs.embed.weight.detach().chunk(2, 1)
    for layer, wanted in ((ours.gain, gain - 1), (ours.bias, bias)):
        nn.utils.parametrize.remove_parametrizations(layer, "weight")  # it has no spectral norm there
        with torch.no_grad():
            layer.weight.zero_()
            layer.weight[:, : len(wanted)] = wanted.T
            layer.bias.zero_()


def copy_attention(ours: nn.Module, theirs: nn.Module) -> None:
    for name, its in {"query": "theta", "key": "phi", "value": "g", "output": "o"}.items():
        copy_layer(getattr(ours, name), getattr(theirs, its))
    nn.init.constant_(ours.gain, 0.7)
    nn.init.constant_(theirs.gamma, 0.7)


def copy_generator(ours: nn.Module, theirs: nn.Module) -> None:
    copy_layer(ours.stem.linear, theirs.l1)
    for block, its in zip(ours.blocks, [theirs.block2, theirs.block3, theirs.block4], strict=True):
        copy_norm(block.before.norm, its.b1)
        copy_norm(block.between.norm, its.b2)
        for layer, source in ((block.between.resample, its.c1), (block.last, its.c2), (block.shortcut[0], its.c_sc)):
            copy_layer(layer, source)
    copy_norm(ours.last.norm, theirs.b5)
    copy_layer(ours.image, theirs.c5)


def copy_discriminator(ours: nn.Module, theirs: nn.Module) -> None:
    for block, its in zip(ours.blocks, [theirs.block1, theirs.block2, theirs.block3, theirs.block4], strict=True):
        copy_layer(block.between.resample, its.c1)
        copy_layer(block.last, its.c2)
        if block.halve:
            copy_layer(block.shortcut, its.c_sc)
    copy_layer(ours.logit, theirs.l5)


def assert_same_play(ours, theirs, losses, labels=None):
    """Images, logits, both losses, and the slopes of both at the latents and at the images."""
    (generator, discriminator), (their_generator, their_discriminator) = ours, theirs
    their_discriminator.eval(), discriminator.eval()  # else power iterations run, in another order
    latents = torch.randn(6, 128, requires_grad=True)
    real = torch.rand(6, 3, 32, 32) * 2 - 1
    ours_told = {} if labels is None else {"kind": labels}
    theirs_told = () if labels is None else (labels,)

    fake = generator(latents, ours_told)
    their_fake = their_generator(latents, *theirs_told)
    torch.testing.assert_close(fake, their_fake, atol=1e-5, rtol=1e-5)
    points = fake.detach().requires_grad_()
    with torch.no_grad():  # to where the hinge bends
        middle = discriminator(points, ours_told).score().mean()
        for layer in (discriminator.logit, their_discriminator.l5):
            layer.bias -= middle
    outputs = [discriminator(images, ours_told) for images in (real, points)]
    their_outputs = [their_discriminator(images, *theirs_told) for images in (real, points)]
    for output, their_output in zip(outputs, their_outputs, strict=True):
        torch.testing.assert_close(output.score(), their_output.squeeze(1), atol=1e-5, rtol=1e-5)

    loss, their_d_loss, their_g_loss = losses
    ones, zeros = torch.ones(6), torch.zeros(6)
    told = Targets(real=ones, fake=zeros, real_weight=ones, fake_weight=ones)
    d_losses = (
        loss.discriminator(*outputs, told),
        their_d_loss(output_real=their_outputs[0], output_fake=their_outputs[1]),
    )
    g_losses = loss.generator(outputs[1], None, told), their_g_loss(their_outputs[1])
    assert_same_slopes(g_losses, (points, points))
    assert_same_slopes(d_losses, (points, points))
    assert_same_slopes(d_losses, (discriminator.blocks[1].shortcut.bias, their_discriminator.block2.c_sc.bias))
    assert_same_slopes((fake.square().mean(), their_fake.square().mean()), (latents, latents))


def assert_same_slopes(values, points):
    """Equal scalars, and equal slopes relative to the largest."""
    torch.testing.assert_close(*values, atol=1e-5, rtol=1e-5)
    slopes = [torch.autograd.grad(value, at, retain_graph=True)[0] for value, at in zip(values, points, strict=True)]
    scale = slopes[0].abs().max()
    assert scale > 0
    torch.testing.assert_close(slopes[0] / scale, slopes[1] / scale, atol=1e-5, rtol=0)


def test_sngan_at_32_pixels(mimicry):
    torch.manual_seed(0)
    theirs = pair(mimicry("nets.sngan.sngan_32"), "SNGAN", Generator={"ngf": 16}, Discriminator={"ndf": 8})
    config, info = change(CONFIG, discriminator={"spectral_norm": True}), tiny_info(size=32, labels=False)
    net = ResNet(**CIFAR)
    ours = net.generator(config, info), net.discriminator(config, info)
    copy_generator(ours[0], theirs[0])
    copy_discriminator(ours[1], theirs[1])
    losses = mimicry("modules.losses")
    assert_same_play(ours, theirs, (Hinge(), losses.hinge_loss_dis, losses.hinge_loss_gen))


def test_wgan_gp_at_32_pixels(mimicry):
    torch.manual_seed(0)
    theirs = pair(mimicry("nets.wgan_gp.wgan_gp_32"), "WGANGP", Generator={"ngf": 16}, Discriminator={"ndf": 8})
    info = tiny_info(size=32, labels=False)
    net = ResNet(**CIFAR, pooling="mean")
    ours = net.generator(CONFIG, info), net.discriminator(CONFIG, info)
    copy_generator(ours[0], theirs[0])
    copy_discriminator(ours[1], theirs[1])
    losses = mimicry("modules.losses")
    assert_same_play(ours, theirs, (Wasserstein(), losses.wasserstein_loss_dis, losses.wasserstein_loss_gen))

    real, fake = torch.rand(4, 3, 32, 32), torch.rand(4, 3, 32, 32)
    torch.manual_seed(1)
    expected = theirs[1].compute_gradient_penalty_loss(real, fake)
    torch.manual_seed(1)
    shares = torch.rand(4, 1).view(4, 1, 1, 1)
    points = (shares * real + (1 - shares) * fake).requires_grad_()
    (slopes,) = torch.autograd.grad(ours[1](points, {}).score().sum(), points, create_graph=True)
    penalty = 10 * (slopes.flatten(1).norm(dim=1) - 1).square().mean()
    assert_same_slopes((penalty, expected), (ours[1].blocks[1].last.weight, theirs[1].block2.c2.weight))


def test_sagan_at_32_pixels(mimicry):
    torch.manual_seed(0)
    module = mimicry("nets.sagan.sagan_32")
    theirs = pair(module, "SAGAN", 3, Generator={"ngf": 16}, Discriminator={"ndf": 8})
    info = DatasetInfo(shape=(3, 32, 32), counts={}, labels=CLASSES)
    config = change(
        CONFIG, generator={"conditioning": "conditional_norm"}, discriminator={"conditioning": "projection"}
    )
    net = SAGAN(**CIFAR, generator_attention=(16,), discriminator_attention=(8,))
    ours = net.generator(config, info), net.discriminator(config, info)
    copy_generator(ours[0], theirs[0])
    copy_attention(ours[0].blocks[1].attention, theirs[0].attn_block)
    ours[0].labels.forward = lambda labels: F.pad(F.one_hot(labels["kind"], 3).float(), (0, 61))
    copy_discriminator(ours[1], theirs[1])
    copy_layer(ours[1].projection.parts[0], theirs[1].l_y)
    copy_attention(ours[1].blocks[1].attention, theirs[1].attn_block)
    for network in (*ours, *theirs):
        network.eval()
    losses = mimicry("modules.losses")
    labels = torch.tensor([0, 1, 2, 2, 1, 0])
    assert_same_play(ours, theirs, (Hinge(), losses.hinge_loss_dis, losses.hinge_loss_gen), labels)


@pytest.mark.parametrize("size", [32, 64, 128])
def test_parameter_counts_of_sngan(mimicry, size):
    module = mimicry(f"nets.sngan.sngan_{size}")
    theirs = [getattr(module, f"SNGAN{name}{size}")() for name in ("Generator", "Discriminator")]
    options = CIFAR if size == 32 else {"last_side": 2, "plain_blocks": 0} if size == 64 else {}
    widths = {"generator": {"width": 256}, "discriminator": {"width": 128}} if size == 32 else {}
    config = change(CONFIG, **(widths or {"generator": {"width": 64}, "discriminator": {"width": 64}}))
    info = tiny_info(size=size, labels=False)
    ours = ResNet(**options).generator(config, info), ResNet(**options).discriminator(config, info)
    for mine, other in zip(ours, theirs, strict=True):
        assert sum(p.numel() for p in mine.parameters()) == sum(p.numel() for p in other.parameters())
