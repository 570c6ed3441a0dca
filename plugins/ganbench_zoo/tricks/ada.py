"""Adaptive augmentation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ganbench import Forward, Moment, Networks, Parts, Trick
from ganbench_zoo.augment.colour import colour_matrix, recolour
from ganbench_zoo.augment.draw import whole
from ganbench_zoo.augment.geometry import turn, warp
from ganbench_zoo.losses.wasserstein import Wasserstein

Change = Literal[
    "flip", "turn", "translation", "scale", "rotation", "brightness", "contrast", "luma_flip", "hue", "saturation"
]
ALL: tuple[Change, ...] = (
    *("flip", "turn", "translation", "scale", "rotation"),
    *("brightness", "contrast", "luma_flip", "hue", "saturation"),
)
COLOURS: tuple[Change, ...] = ("brightness", "contrast", "luma_flip", "hue", "saturation")
# The score at which D is undecided, by loss; 0 for all others.
UNDECIDED = {"least_squares": 0.5}


@dataclass(frozen=True, kw_only=True)
class ADA(Trick):
    """Augmentation as strong as D's overfitting asks for (adaptive discriminator augmentation, Karras et al., 2020).

    Every change is made to each image that D sees with probability p, which rises while the mean sign of D's scores of
    reals is above the target, and falls below it. The history shows p as `D/ada`: a constant, which moves no weight.

    Of the paper's pipeline this has flips, turns by right angles, translation, isotropic scale, rotation and all
    colours, of the same strengths; not stretching, filters of frequency bands, noise and cutout. All changes of place
    are one bilinear warp with reflected borders, where the paper filters against aliasing.
    """

    target: float = 0.6  # mean sign of D's scores of reals that is aimed at, in (-1, 1)
    # What p takes from 0 to 1: a share of training, in (0, 1], or above 1 so many real images. The paper has 500000
    # images, 0.02 of its training; in short runs that is a few steps.
    ramp: float = 0.1
    every: int = 4  # updates of D between two looks at the mean sign, >= 1
    limit: float = 0.8  # of p, in (0, 1]; above 0.8, augmentations leak into the fakes
    changes: tuple[Change, ...] = ALL  # at least one

    def __post_init__(self) -> None:
        if not -1 < self.target < 1 or not 0 < self.limit <= 1:
            raise ValueError("target must be between -1 and 1, and limit above 0 and at most 1")
        if self.ramp <= 0 or self.every < 1:
            raise ValueError("ramp must be above 0, and every at least 1")
        if not self.changes or len(set(self.changes)) < len(self.changes):
            raise ValueError("changes must name at least one, each once")

    def conflict(self, parts: Parts) -> str | None:
        if parts.loss.compares or isinstance(parts.loss, Wasserstein):
            loss = parts.config.loss.name
            return f"ada needs a sign of D's scores that says real or fake; with {loss} only their differences count"
        if parts.info.channels == 1 and set(self.changes) <= {"hue", "saturation"}:
            return f"ada: grey images have no {' and no '.join(self.changes)}"
        return None

    def view(self, images: Tensor, moment: Moment) -> Tensor:
        p = self.memory.get(moment.domain, {}).get("p")
        return images if p is None else self.augmented(images, p, moment)

    def extra_loss(self, forward: Forward, moment: Moment) -> Tensor | None:
        if moment.phase == "G" or forward.real_output is None:
            return None
        score = forward.real_output.score().detach()
        now = self.memory.setdefault(moment.domain, {"p": torch.zeros_like(score[0]), **start(score, 0.0)})
        now["signs"] = now["signs"] + (score - UNDECIDED.get(moment.config.loss.name, 0.0)).sign().sum()
        now["images"] += len(score)
        now["updates"] += 1
        p: Tensor = now["p"]
        return p

    def after_update(self, networks: Networks, moment: Moment) -> None:
        """Here, so that within an update reals, fakes and the points of penalties are seen with the same p."""
        for domain, now in self.memory.items():
            if moment.phase == "D" and now["updates"] >= self.every:
                used = moment.progress - now["progress"] if self.ramp <= 1 else now["images"]
                direction = (now["signs"] / now["images"] - self.target).sign()
                p = (now["p"] + direction * used / self.ramp).clamp(0, self.limit)
                self.memory[domain] = {"p": p, **start(p, moment.progress)}

    def augmented(self, images: Tensor, p: Tensor, moment: Moment) -> Tensor:
        """Each change to each image with probability p."""
        n, half = len(images), moment.config.half_range
        chance = moment.uniform("ada", (n, len(ALL)), like=images)
        chosen = {name: chance[:, i] < p for i, name in enumerate(ALL) if name in self.changes}
        uniform = moment.uniform("ada", (n, 7), like=images).unbind(1)
        normal = moment.normal("ada", (n, 4), like=images).unbind(1)

        def pick(name: Change, value: Tensor, neutral: float) -> Tensor:
            """The value where the change is made, else what changes nothing."""
            return value.where(chosen[name], neutral) if name in chosen else torch.full_like(value, neutral)

        if chosen.keys() - set(COLOURS):
            far = round(images.shape[2] / 8)
            matrix = turn(
                pick("turn", math.pi / 2 * whole(uniform[1], 0, 3), 0.0)
                + pick("rotation", math.pi * (2 * uniform[2] - 1), 0.0),
                scale=pick("scale", torch.exp2(0.2 * normal[0]), 1.0),
                mirror=pick("flip", (uniform[0] < 0.5).float(), 0.0),
                right=pick("translation", whole(uniform[3], -far, far).float(), 0.0),
                down=pick("translation", whole(uniform[4], -far, far).float(), 0.0),
            )
            images = warp(images, matrix, padding="reflect")
        if chosen.keys() & set(COLOURS):
            low, high = moment.config.input_range
            colours = colour_matrix(
                images.shape[1],
                contrast=pick("contrast", torch.exp2(0.5 * normal[2]), 1.0),
                luma_flip=pick("luma_flip", (uniform[5] < 0.5).float(), 0.0),
                hue=pick("hue", math.pi * (2 * uniform[6] - 1), 0.0),
                saturation=pick("saturation", torch.exp2(normal[3]), 1.0),
            )
            offset = pick("brightness", 0.2 * half * normal[1], 0.0)
            images = recolour(images, colours, offset, centre=(low + high) / 2)
        return images


def start(like: Tensor, progress: float) -> dict[str, Tensor | int | float]:
    """What is counted until the next look at the mean sign."""
    return {"signs": torch.zeros_like(like.sum()), "images": 0, "updates": 0, "progress": progress}
