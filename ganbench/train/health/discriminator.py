"""What a probe learns from D: how many images it judges right, seen as in training."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import nn

from ganbench.api.data import Batch
from ganbench.api.loss import Loss
from ganbench.api.training import DOutput, Game, Targets, Training
from ganbench.phases import viewer
from ganbench.seeds import derive


@dataclass(frozen=True, kw_only=True)
class Chance:
    """The best D that cannot tell, which gives every image the same logit."""

    loss: float  # what it costs; 0 for losses without a bottom (Wasserstein), of which neither size nor sign says much
    logit: float  # reals should lie above it, fakes below


def chance(loss: Loss) -> Chance:
    """By trying logits from -2 to 2: 2 ln 2 at 0 for cross entropy, 2 for hinge, 1/4 at 1/2 for least squares."""
    tried = torch.linspace(-2, 2, 81)
    one = torch.ones(1)
    targets = Targets(real=one, fake=0 * one, real_weight=one, fake_weight=one)
    outputs = [DOutput(logits=[logit.view(1)]) for logit in tried]
    costs = torch.stack([loss.discriminator(output, output, targets) for output in outputs]).detach().float()
    best = tried[costs <= costs.min() + 1e-5]  # several for hinge, and for losses that compare
    return Chance(loss=max(float(costs.min()), 0.0) * loss.discriminator_weight, logit=float(best.median()))


def accuracy(training: Training, discriminator: nn.Module, real: Batch, fake: Batch, logit: float) -> float:
    """Share of images that D judges right, reals and fakes counting alike; of pairs, if the loss compares.

    D sees them through the tricks' views. To be called while watching.
    """
    moment = replace(training.moment("D", 0), seed=derive(training.seed, "health"), progress=training.progress)
    game = Game(real=real, generate=lambda _: fake, discriminator=discriminator)
    discriminate = viewer(training, game, moment)
    on_real, on_fake = discriminate(real).score(), discriminate(fake).score()
    if training.loss.compares:
        return float((on_real[:, None] > on_fake[None, :]).float().mean())
    return float(((on_real > logit).float().mean() + (on_fake < logit).float().mean()) / 2)
