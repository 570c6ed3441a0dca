"""UNIT's update rule."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from ganbench import Forward, Moment, Terms, Training
from ganbench_translation.procedures.translation import Play, Reals, Translation, Views


@dataclass(frozen=True, kw_only=True)
class UNIT(Translation):
    """UNIT: two VAE-GANs with one space of contents, and cycles between them (Liu et al., 2017).

    An encoder gives the mean of a content, its variance is 1; a draw of it is decoded into either domain. Beside the
    adversarial loss G minimises, for each direction (equations 3 to 7): `reconstruction` times the mean absolute error
    of the image decoded in its own domain, `prior` times the divergence of its content from N(0, I), and the same two,
    `cycle` and `cycle_prior`, for its translation, encoded again and decoded in its own domain. Divergences are means
    over all numbers of a content, errors are in halves of the input range, so that weights mean the same at any size.
    The default weights are the paper's over its weight of the adversarial loss, 10.
    """

    reconstruction: float = 10.0  # weight of the error within a domain, >= 0
    cycle: float = 10.0  # weight of the error there and back, >= 0
    prior: float = 0.01  # weight of the divergence of contents of real images, >= 0
    cycle_prior: float = 0.01  # weight of the divergence of contents of translations, >= 0

    partner = "unit"

    def __post_init__(self) -> None:
        if min(self.reconstruction, self.cycle, self.prior, self.cycle_prior) < 0:
            raise ValueError("weights must be at least 0")

    def play(self, training: Training, reals: Reals) -> Play:
        return SharedContent(training=training, reals=reals, procedure=self)

    def views(self, generator: nn.Module, images: Tensor, source: str, target: str) -> Views:
        """With the means of contents: what is shown and judged is not blurred by draws."""
        codec: Any = generator
        content = codec.encode(images, source)
        translation = codec.decode(content, target)
        back = codec.decode(codec.encode(translation, target), source)
        return {"reconstruction": codec.decode(content, source), "translation": translation, "cycle": back}


@dataclass(kw_only=True)
class SharedContent(Play):
    procedure: UNIT
    contents: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict)  # source -> means and draws of this update

    def translate(self, images: Tensor, source: str, target: str, moment: Moment) -> Tensor:
        codec: Any = self.training.networks.generator
        mean = codec.encode(images, source)
        drawn = draw(mean, "content", moment)
        self.contents[source] = mean, drawn
        made: Tensor = codec.decode(drawn, target)
        return made

    def terms(self, forward: Forward, moment: Moment) -> Terms:
        training, weight, source = self.training, self.procedure, self.other(moment.domain)
        codec: Any = training.networks.generator
        original, unit = self.reals[source].images, training.config.half_range
        mean, drawn = self.contents.pop(source)
        with training.autocast():
            within = codec.decode(drawn, source)
            mean_again = codec.encode(forward.fake.images, moment.domain)
            back = codec.decode(draw(mean_again, "cycle content", moment), source)
        return {
            "reconstruction": weight.reconstruction / unit * F.l1_loss(within.float(), original),
            "prior": weight.prior * divergence(mean),
            "cycle": weight.cycle / unit * F.l1_loss(back.float(), original),
            "cycle_prior": weight.cycle_prior * divergence(mean_again),
        }


def draw(mean: Tensor, purpose: str, moment: Moment) -> Tensor:
    return mean + moment.normal(purpose, tuple(mean.shape), like=mean)


def divergence(mean: Tensor) -> Tensor:
    """KL divergence of N(mean, 1) from N(0, 1), as a mean over all numbers. Scalar."""
    return mean.float().square().mean() / 2
