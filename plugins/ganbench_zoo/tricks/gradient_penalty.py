"""Penalties on the slope of D."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ganbench import Batch, Forward, Moment, Trick


@dataclass(frozen=True, kw_only=True)
class GradientPenalty(Trick):
    """D's gradient norm is pulled to a target: WGAN-GP (Gulrajani et al., 2017), DRAGAN, R1 and R2.

    | published as                              | at                   | target | weight    | and       |
    |-------------------------------------------|----------------------|--------|-----------|-----------|
    | WGAN-GP (Gulrajani et al., 2017)          | interpolated         | 1      | 10        |           |
    | WGAN-LP (Petzka et al., 2018)             | interpolated         | 1      | 10        | one_sided |
    | DRAGAN (Kodali et al., 2017)              | dragan               | 1      | 10        |           |
    | zero-centred (Thanh-Tung et al., 2019)    | interpolated         | 0      | 100       |           |
    | R1 (Mescheder et al., 2018)               | real                 | 0      | gamma / 2 |           |
    | R2 (Mescheder et al., 2018)               | fake                 | 0      | gamma / 2 |           |
    | lazy R1 of StyleGAN2 (Karras et al., 2020) | real                | 0      | gamma / 2 | every 16  |
    | R3GAN (Huang et al., 2024)                | two: real, and fake  | 0      | gamma / 2 |           |

    Slopes are measured as if images were in -1..1, whatever the input range, and through what changes D's view. Norms
    that mix samples (batch) make the gradient of one sample depend on the others; the published critics have none.
    """

    # where the slope is measured; dragan: reals with uniform noise of up to half their standard deviation
    at: Literal["interpolated", "real", "fake", "dragan"] = "interpolated"
    target: float = 1.0  # wanted norm, >= 0
    weight: float = 10.0  # > 0
    one_sided: bool = False  # true: norms below the target are left alone
    every: int = 1  # in every so manieth step only, with that multiple of the weight (lazy: Karras et al., 2020); >= 1

    def __post_init__(self) -> None:
        if self.target < 0 or self.weight <= 0 or self.every < 1:
            raise ValueError("target must be at least 0, weight above 0, and every at least 1")
        if self.one_sided and self.target == 0:
            raise ValueError("one_sided would change nothing: no norm is below a target of 0")

    def extra_loss(self, forward: Forward, moment: Moment) -> Tensor | None:
        # Where D's step is split, the penalty belongs to the half with the reals.
        if moment.phase == "G" or forward.real_output is None or moment.step % self.every:
            return None
        points = self.points(forward, moment)
        # A copy, since D's weights hang on the fakes where G looks ahead, and the slope is that of D as it is. G's
        # gradient goes through the points, then; they have no history otherwise.
        points = Batch(images=points.images.clone().requires_grad_(), labels=points.labels)
        scores = forward.discriminate(points, fp32=True).score()
        (slopes,) = torch.autograd.grad(scores.sum(), points.images, create_graph=True)
        squares = (slopes * moment.config.half_range).flatten(1).square().sum(1)
        return self.weight * self.every * self.penalty(squares).mean()

    def penalty(self, squares: Tensor) -> Tensor:
        """Of the squared norms [N]."""
        if self.target == 0:  # no root, so no division by a norm near 0
            return squares
        # The root's derivative is infinite at 0, where a norm has no direction to grow in.
        distance = squares.where(squares > 0, 1.0).sqrt().where(squares > 0, 0.0) - self.target
        return (distance.relu() if self.one_sided else distance).square()

    def points(self, forward: Forward, moment: Moment) -> Batch:
        """Where the slope is measured."""
        n = min(len(forward.real), len(forward.fake))  # a procedure may make more fakes than it has reals
        match self.at:
            case "real":
                return forward.real
            case "fake":
                return forward.fake
            case "interpolated":
                real, fake = forward.real.rows(0, n), forward.fake.rows(0, n)
                share = moment.uniform("gradient_penalty", (n, 1, 1, 1), like=real.images)
                return Batch(images=real.images.lerp(fake.images, share), labels=real.labels)
            case "dragan":
                images = forward.real.images
                noise = moment.uniform("gradient_penalty", tuple(images.shape), like=images)
                share = moment.uniform("gradient_penalty", (len(images), 1, 1, 1), like=images)
                return Batch(images=images + share * 0.5 * images.std() * noise, labels=forward.real.labels)
