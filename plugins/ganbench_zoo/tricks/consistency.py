"""Consistency of D under augmentation."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ganbench import Batch, DOutput, Forward, Moment, Parts, Trick
from ganbench_zoo.augment.draw import whole
from ganbench_zoo.augment.geometry import flip, shift


@dataclass(frozen=True, kw_only=True)
class Consistency(Trick):
    """D shall say the same of an image and of it mirrored and shifted, real or fake (bCR, Zhao et al., 2021).

    The squared difference of scores is added to D's loss. Only D learns from it, and D's own view is not augmented.
    """

    real_weight: float = 10.0  # of the term on reals, >= 0; alone, it is CR-GAN (Zhang et al., 2020)
    fake_weight: float = 10.0  # of the term on fakes, >= 0
    flip: bool = True  # whether every other image is mirrored left to right
    shift: float = 0.125  # furthest way in each direction, as share of the image's side, in [0, 0.5]; borders reflect

    def __post_init__(self) -> None:
        if min(self.real_weight, self.fake_weight) < 0 or self.real_weight == self.fake_weight == 0:
            raise ValueError("real_weight and fake_weight must be at least 0, and one of them above")
        if not 0 <= self.shift <= 0.5 or (self.shift == 0 and not self.flip):
            raise ValueError("shift must be at least 0 and at most 0.5, and above 0 without flip")

    def conflict(self, parts: Parts) -> str | None:
        side = parts.info.size
        if self.shift > 0 and round(self.shift * side) < 1:
            return f"consistency: a shift of {self.shift:g} of the side is no pixel of images of {side} x {side}"
        return None

    def extra_loss(self, forward: Forward, moment: Moment) -> Tensor | None:
        if moment.phase == "G":
            return None
        sides: list[tuple[float, Batch, DOutput | None]] = [
            (self.real_weight, forward.real, forward.real_output),
            (self.fake_weight, forward.fake, forward.fake_output),
        ]
        terms = []
        for weight, batch, output in sides:
            if weight > 0 and output is not None:
                changed = replace(batch, images=self.augmented(batch.images, moment))
                change = forward.discriminate(changed).score() - output.score()
                terms.append(weight * change.square().mean())
        return torch.stack(terms).sum() if terms else None

    def augmented(self, images: Tensor, moment: Moment) -> Tensor:
        """Mirrored and shifted, each image in its own way."""
        drawn = moment.uniform("consistency", (len(images), 3), like=images).unbind(1)
        if self.flip:
            images = flip(images, drawn[0] < 0.5)
        if far := round(self.shift * images.shape[2]):
            images = shift(images, whole(drawn[1], -far, far), whole(drawn[2], -far, far), padding="reflect")
        return images
