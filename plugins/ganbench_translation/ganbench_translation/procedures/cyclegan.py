"""CycleGAN's update rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from ganbench import Forward, Moment, Terms, Training
from ganbench_translation.procedures.translation import Play, Reals, Translation, Views


@dataclass(frozen=True, kw_only=True)
class CycleGAN(Translation):
    """CycleGAN: two translators whose composition gives every image back (Zhu et al., 2017).

    Beside the adversarial loss (the paper's is `least_squares`), G minimises for each direction `cycle` times the mean
    absolute difference between an image and its translation there and back, and `identity` times that between an image
    and what the translator into its own domain makes of it. The paper's pool of 50 past fakes is the trick
    `experience_replay`. Errors are in halves of the input range, so that weights mean the same for all ranges.
    """

    cycle: float = 10.0  # weight of the cycle error, >= 0 (equation 3)
    identity: float = 5.0  # weight of the identity error, >= 0 (section 5.2): keeps colours; 0 saves a pass

    partner = "cyclegan"

    def __post_init__(self) -> None:
        if self.cycle < 0 or self.identity < 0:
            raise ValueError("cycle and identity must be at least 0")

    def play(self, training: Training, reals: Reals) -> Play:
        return Cycle(training=training, reals=reals, procedure=self)

    def views(self, generator: nn.Module, images: Tensor, source: str, target: str) -> Views:
        translation = generator(images, target)
        return {
            "reconstruction": generator(images, source),
            "translation": translation,
            "cycle": generator(translation, source),
        }


@dataclass(kw_only=True)
class Cycle(Play):
    procedure: CycleGAN

    def translate(self, images: Tensor, source: str, target: str, moment: Moment) -> Tensor:
        into: Any = self.training.networks.generator
        made: Tensor = into(images, target)
        return made

    def terms(self, forward: Forward, moment: Moment) -> Terms:
        training, target, source = self.training, moment.domain, self.other(moment.domain)
        into: Any = training.networks.generator
        unit, own = training.config.half_range, self.reals[target].images
        terms: Terms = {}
        with training.autocast():
            if self.procedure.cycle:
                back = into(forward.fake.images, source)
                terms["cycle"] = self.procedure.cycle / unit * F.l1_loss(back.float(), self.reals[source].images)
            if self.procedure.identity:
                terms["identity"] = self.procedure.identity / unit * F.l1_loss(into(own, target).float(), own)
        return terms
