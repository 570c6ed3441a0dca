"""Losses and the gradient penalty against torch-mimicry, an independent implementation; only where it is installed."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

from ganbench import DOutput, PluginSpec, Targets, registry
from ganbench.testing import run_steps, tiny_config, tiny_info, tiny_parts, tiny_training

pytestmark = pytest.mark.soak
SPEC = importlib.util.find_spec("torch_mimicry")


@pytest.fixture
def mimicry(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Its modules by name, loaded past the package's `__init__`, which imports TensorFlow."""
    if SPEC is None or SPEC.origin is None:
        pytest.skip("torch-mimicry is not installed")
    folder = Path(SPEC.origin).parent
    for package in ("", "modules", "nets", "nets.basemodel", "nets.gan", "nets.wgan_gp"):
        name = f"torch_mimicry.{package}".rstrip(".")
        bare = ModuleType(name)
        bare.__path__ = [str(folder.joinpath(*package.split(".")))]
        monkeypatch.setitem(sys.modules, name, bare)
    sys.modules["torch_mimicry.nets.basemodel"].basemodel = importlib.import_module(  # type: ignore[attr-defined]
        "torch_mimicry.nets.basemodel.basemodel"
    )
    yield lambda name: importlib.import_module(f"torch_mimicry.{name}")
    for name in [name for name in sys.modules if name.startswith("torch_mimicry")]:
        monkeypatch.delitem(sys.modules, name)


def told(player: str, n: int) -> Any:
    ones = torch.ones(n)
    real, fake = (ones, 0 * ones) if player == "D" else (0 * ones, ones)
    return Targets(real=real, fake=fake, real_weight=ones, fake_weight=ones)


@pytest.mark.parametrize(
    ("name", "of_d", "of_g"),
    [
        ("hinge", "hinge_loss_dis", "hinge_loss_gen"),
        ("wasserstein", "wasserstein_loss_dis", "wasserstein_loss_gen"),
        ("non_saturating", "minimax_loss_dis", "ns_loss_gen"),
        ("non_saturating", "minimax_loss_dis", "minimax_loss_gen"),
    ],
)
def test_losses_and_their_gradients_are_the_same(mimicry: Any, name: str, of_d: str, of_g: str) -> None:
    losses, loss = mimicry("modules.losses"), registry.make("loss", PluginSpec(name=name))
    rng = torch.Generator().manual_seed(0)
    logits = [(2 * torch.randn(16, 1, generator=rng)).requires_grad_() for _ in range(2)]
    real, fake = (DOutput(logits=[each]) for each in logits)
    pairs = [
        (
            loss.discriminator(real, fake, told("D", 16)),  # type: ignore[attr-defined]
            getattr(losses, of_d)(output_real=logits[0], output_fake=logits[1]),
        ),
        (loss.generator(fake, real, told("G", 16)), getattr(losses, of_g)(output_fake=logits[1])),  # type: ignore[attr-defined]
    ]
    for ours, theirs in pairs:
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
        slopes = [torch.autograd.grad(value, logits, allow_unused=True, retain_graph=True) for value in (ours, theirs)]
        for one, other in zip(*slopes, strict=True):
            assert (one is None) == (other is None)
            if one is not None:
                torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)


def test_the_gradient_penalty_and_its_gradients_are_the_same(mimicry: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    base = mimicry("nets.wgan_gp.wgan_gp_base")
    parts = tiny_parts(
        tiny_config(discriminator={"norm": "none"}),
        tiny_info(labels=False),
        loss="wasserstein",
        tricks=["gradient_penalty"],
    )
    training, data = tiny_training(parts)
    penalty, discriminator = training.tricks["gradient_penalty"], training.networks.discriminator
    seen: list[Any] = []
    extra_loss = penalty.extra_loss

    def spy(forward: Any, moment: Any) -> Any:
        value = extra_loss(forward, moment)
        if moment.phase == "D":
            again = replace(moment, streams={})  # its streams from the start
            share = again.uniform("gradient_penalty", (len(forward.real), 1, 1, 1))
            slopes = torch.autograd.grad(value, list(discriminator.parameters()), retain_graph=True, allow_unused=True)
            theirs = their_penalty(forward.real.images, forward.fake.images, share)
            seen.append((value.detach(), slopes, *theirs))
        return value

    class Critic(base.WGANGPBaseDiscriminator):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            nn.Module.__init__(self)

        def forward(self, images: Any) -> Any:
            images = images.flatten(1).view(images.shape)  # so that slopes come back in the layout that it expects
            return discriminator(images, {}).score()[:, None]

    def their_penalty(real: torch.Tensor, fake: torch.Tensor, share: torch.Tensor) -> Any:
        with monkeypatch.context() as patch:  # ours moves from real to fake, theirs from fake to real
            patch.setattr(torch, "rand", lambda *shape: 1 - share.view(*shape))
            value = Critic().compute_gradient_penalty_loss(real, fake, gp_scale=10.0)
        return value.detach(), torch.autograd.grad(value, list(discriminator.parameters()), allow_unused=True)

    object.__setattr__(penalty, "extra_loss", spy)
    run_steps(training, data)
    ((ours, slopes, theirs, their_slopes),) = seen
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    for one, other in zip(slopes, their_slopes, strict=True):
        if one is None or other is None:
            assert not (one is not None and one.any()) and not (other is not None and other.any())
        else:
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
