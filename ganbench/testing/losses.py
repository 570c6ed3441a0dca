"""Conformance of losses."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ganbench.api.loss import Loss
from ganbench.api.training import DOutput, Targets
from ganbench.testing.runs import check_options


def check_loss(loss: Loss) -> None:
    """Signs of gradients, weights, maps of logits, and flags that tell the truth."""
    check_options(loss)
    real, fake = torch.linspace(-0.5, -0.1, 4), torch.linspace(0.5, 0.1, 4)  # a D that is wrong about all of them
    d_real, d_fake = gradients(loss, real, fake, told(1.0, 0.0), phase="D")
    assert (d_real < 0).all() and (d_fake > 0).all(), "D's loss must fall when logits of reals rise and of fakes fall"
    _, g_fake = gradients(loss, real, fake, told(0.0, 1.0), phase="G")
    assert (g_fake < 0).all(), "G's loss must fall when the logits of fakes rise"

    weight = torch.tensor([1.0, 1.0, 0.0, 1.0])
    unseen = replace(told(0.0, 1.0), fake_weight=weight)
    g_real, g_fake = gradients(loss, real, fake, unseen, phase="G")
    assert g_fake[2] == 0 and g_fake[0] != 0, "a fake of weight 0 must give no gradient"
    assert bool(g_real.any()) is loss.compares, f"compares is {loss.compares}, but G's loss says otherwise"
    unseen = replace(told(1.0, 0.0), real_weight=weight)
    d_real, _ = gradients(loss, real, fake, unseen, phase="D")
    assert d_real[2] == 0 and d_real[0] != 0, "a real of weight 0 must give no gradient"
    if not loss.compares:
        apart = loss.discriminator(output(real), None, told(1.0, 0.0))
        apart = apart + loss.discriminator(None, output(fake), told(1.0, 0.0))
        torch.testing.assert_close(apart, loss.discriminator(output(real), output(fake), told(1.0, 0.0)))

    more = torch.cat([fake, fake])  # a procedure may show D more fakes than reals
    unequal = replace(told(1.0, 0.0), fake=torch.zeros(8), fake_weight=torch.ones(8))
    once, twice = (
        loss.discriminator(output(real), output(fakes), targets)
        for fakes, targets in ((fake, told(1.0, 0.0)), (more, unequal))
    )
    torch.testing.assert_close(once, twice, msg="D's loss must be a mean over fakes: each twice must change nothing")
    halved = replace(loss, discriminator_weight=loss.discriminator_weight / 2)
    same = halved.discriminator(output(real), output(fake), told(1.0, 0.0))
    assert torch.equal(same, once), "discriminator_weight is applied by the update, not by the loss"

    maps = [real[:, None, None].expand(4, 3, 3), real]
    value = loss.discriminator(DOutput(logits=maps), DOutput(logits=maps), told(0.9, 0.1))
    assert value.ndim == 0 and value.isfinite(), "maps of logits and soft labels must give a finite scalar"
    hard = [loss.discriminator(output(real), output(fake), told(1.0, 0.0))]
    soft = [loss.discriminator(output(real), output(fake), told(0.8, 0.3))]
    hard.append(loss.generator(output(fake), output(real), told(0.0, 1.0)))
    soft.append(loss.generator(output(fake), output(real), told(0.2, 0.7)))
    changed = [not torch.equal(one, other) for one, other in zip(hard, soft, strict=True)]
    assert any(changed) is loss.reads_labels, f"reads_labels is {loss.reads_labels}, but other labels say otherwise"


def told(real: float, fake: float, n: int = 4) -> Targets:
    """Targets with these labels and weights of 1."""
    ones = torch.ones(n)
    return Targets(real=real * ones, fake=fake * ones, real_weight=ones, fake_weight=ones)


def output(logits: Tensor) -> DOutput:
    return DOutput(logits=[logits])


def gradients(loss: Loss, real: Tensor, fake: Tensor, targets: Targets, *, phase: str) -> tuple[Tensor, Tensor]:
    """Of the loss of one player, with respect to the logits of reals and of fakes."""
    real, fake = real.clone().requires_grad_(), fake.clone().requires_grad_()
    if phase == "D":
        value = loss.discriminator(output(real), output(fake), targets)
    else:
        value = loss.generator(output(fake), output(real), targets)
    found = torch.autograd.grad(value, [real, fake], allow_unused=True)
    by_real, by_fake = (torch.zeros(len(real)) if gradient is None else gradient for gradient in found)
    return by_real, by_fake
