"""What the two procedures share: two games a step, sources instead of latents, and what their pictures show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ganbench import (
    Batch,
    Data,
    Forward,
    Game,
    Moment,
    Parts,
    Procedure,
    RunConfig,
    SamplingInputs,
    Terms,
    Training,
)
from ganbench.phases import update_discriminator, update_generator
from ganbench_translation.networks import Translator

Reals = dict[str, Batch]  # domain -> real images of it
Views = dict[str, Tensor]  # name -> images N C H W


@dataclass(frozen=True, kw_only=True)
class Translation(Procedure):
    """Translates between two domains: in each, a discriminator tells its images from translations into it.

    A step is `training.d_updates` updates of both discriminators, each with real images of its own, then
    `training.g_updates` of both directions at once. Subclasses say how images are translated, and what else the
    generators minimise.
    """

    uses = frozenset({"domains"})
    shows = ("input", "reconstruction", "translation", "cycle")
    partner: ClassVar[str] = ""  # the architecture that it trains

    def conflict(self, parts: Parts) -> str | None:
        config = parts.config
        if config.architecture.name != self.partner:
            own = config.procedure.name
            return f"the procedure {own} trains the architecture {self.partner}, not {config.architecture.name}"
        return None

    def batches_per_step(self, config: RunConfig) -> int:
        return config.training.d_updates

    def step(self, training: Training, data: Data) -> Terms:
        domains, updates = data.info.domains, range(self.batches_per_step(training.config))
        reals: list[Reals] = [{domain: data.batch(update, domain) for domain in domains} for update in updates]
        terms: Terms = {}
        for update in updates:
            play = self.play(training, reals[update])
            terms |= update_discriminator(training, training.moment("D", update), *play.games())
        for update in range(training.config.training.g_updates):
            play = self.play(training, reals[update % len(reals)])
            terms |= update_generator(training, training.moment("G", update), *play.games(), extra=play.terms)
        return terms

    def play(self, training: Training, reals: Reals) -> Play:
        """The games of one update."""
        raise NotImplementedError

    def views(self, generator: nn.Module, images: Tensor, source: str, target: str) -> Views:
        """`translation` of images, their `reconstruction` in their own domain, and the `cycle` there and back."""
        raise NotImplementedError

    # --- sampling: images of either domain in turn, to be translated into the other one ----------------------------
    def sampling_inputs(self, n: int, data: Data, config: RunConfig, rng: torch.Generator) -> SamplingInputs:
        """Images of the first and of the second domain in turn. Their labels are what is asked for: those of the
        source, but for the domain, which is the other one."""
        label, domains = data.info.domain_label, data.info.domains
        halves = [first_images(data, (n + 1) // 2, domain) for domain in domains]
        asked = [half.labels | {label: 1 - half.labels[label]} for half in halves]

        def in_turn(*parts: Tensor) -> Tensor:
            return torch.stack(parts, 1).flatten(0, 1)[:n]

        labels = {name: in_turn(*(part[name] for part in asked)) for name in asked[0]}
        return SamplingInputs(labels=labels, images=in_turn(*(half.images for half in halves)))

    def sample(self, generator: nn.Module, inputs: SamplingInputs) -> Tensor:
        return self.gallery(generator, inputs)["translation"]

    def gallery(self, generator: nn.Module, inputs: SamplingInputs) -> Views:
        images = inputs.images
        assert isinstance(generator, Translator) and images is not None
        first, second = generator.domains
        found: Views = {"input": images}
        for number, (source, target) in enumerate([(second, first), (first, second)]):
            rows = (inputs.labels[generator.domain_label] == number).nonzero().flatten()
            if len(rows):
                for name, made in self.views(generator, images[rows], source, target).items():
                    found.setdefault(name, torch.zeros_like(images))[rows] = made.to(images.dtype)
        return found


@dataclass(kw_only=True)
class Play:
    """One update: a game for each domain, and what the generators minimise besides."""

    training: Training
    reals: Reals

    def games(self) -> list[Game]:
        return [self.game(target) for target in self.reals]

    def game(self, target: str) -> Game:
        """Images of a domain against translations into it."""
        source = self.other(target)
        original, label = self.reals[source], self.training.parts.info.domain_label
        asked = original.labels | {label: 1 - original.labels[label]}
        discriminators: Any = self.training.networks.discriminator

        def generate(moment: Moment) -> Batch:
            return Batch(images=self.translate(original.images, source, target, moment), labels=asked)

        return Game(
            real=self.reals[target],
            generate=generate,
            discriminator=discriminators[str(self.training.parts.info.domains.index(target))],
            domain=target,
        )

    def other(self, domain: str) -> str:
        (other,) = (name for name in self.reals if name != domain)
        return other

    def translate(self, images: Tensor, source: str, target: str, moment: Moment) -> Tensor:
        raise NotImplementedError

    def terms(self, forward: Forward, moment: Moment) -> Terms:
        """Of the game for `moment.domain`, whose fakes are translations of the other domain's images."""
        raise NotImplementedError


def first_images(data: Data, n: int, domain: str) -> Batch:
    """n images of a domain with their labels, from as many batches as it takes."""
    batches: list[Batch] = []
    while sum(map(len, batches)) < n:
        batches.append(data.batch(len(batches), domain))
    together = batches[0]
    for batch in batches[1:]:
        together = together + batch
    return together.rows(0, n)
