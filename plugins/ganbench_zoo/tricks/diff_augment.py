"""Differentiable augmentation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from ganbench import Moment, Parts, Trick
from ganbench_zoo.augment.colour import brightness, contrast, saturation
from ganbench_zoo.augment.draw import whole
from ganbench_zoo.augment.geometry import cutout, shift


@dataclass(frozen=True, kw_only=True)
class DiffAugment(Trick):
    """D sees all images augmented, real and fake, and G learns through it (DiffAugment, Zhao et al., 2020).

    color: brightness by up to a quarter of the input range, saturation times 0 to 2, contrast times 0.5 to 1.5;
    translation: whole pixels, with mid-grey outside; cutout: one mid-grey square. Drawn for each image anew.
    """

    policy: tuple[Literal["color", "translation", "cutout"], ...] = ("color", "translation", "cutout")  # at least one
    shift: float = 0.125  # translation: furthest way in each direction, as share of the image's side, in (0, 0.5]
    hole: float = 0.5  # cutout: side of the square, as share of the image's side, in (0, 1)

    def __post_init__(self) -> None:
        if not self.policy or len(set(self.policy)) < len(self.policy):
            raise ValueError("policy must name at least one of color, translation and cutout, each once")
        if not 0 < self.shift <= 0.5 or not 0 < self.hole < 1:
            raise ValueError("shift must be above 0 and at most 0.5, and hole between 0 and 1")

    def conflict(self, parts: Parts) -> str | None:
        side = parts.info.size
        for name, share in (("translation", self.shift), ("cutout", self.hole)):
            if name in self.policy and round(share * side) < 1:
                return f"diff_augment: {name} of {share:g} of the side is no pixel of images of {side} x {side}"
        return None

    def view(self, images: Tensor, moment: Moment) -> Tensor:
        low, high = moment.config.input_range
        middle, side = (low + high) / 2, images.shape[2]
        drawn = moment.uniform("diff_augment", (len(images), 7), like=images).unbind(1)
        if "color" in self.policy:
            images = brightness(images, (drawn[0] - 0.5) * moment.config.half_range)
            images = saturation(images, 2 * drawn[1])
            images = contrast(images, drawn[2] + 0.5)
        if "translation" in self.policy:
            far = round(self.shift * side)
            images = shift(images, whole(drawn[3], -far, far), whole(drawn[4], -far, far), fill=middle)
        if "cutout" in self.policy:
            size = round(self.hole * side)
            first, last = -(size // 2), side - (size + 1) // 2  # the square's middle is inside the image
            images = cutout(images, whole(drawn[5], first, last), whole(drawn[6], first, last), size, fill=middle)
        return images
