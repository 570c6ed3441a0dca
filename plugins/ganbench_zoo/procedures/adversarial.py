"""The usual alternation of updates."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ganbench import Batch, Data, Game, Moment, Parts, Procedure, RunConfig, SamplingInputs, Terms, Training
from ganbench.phases import draw_latents, repeat_labels, update_discriminator, update_generator


@dataclass(frozen=True, kw_only=True)
class Adversarial(Procedure):
    """`training.d_updates` updates of D, then `training.g_updates` of G (Goodfellow et al., 2014, algorithm 1)."""

    # true: D sees reals and fakes apart; false: one mixed batch, so that batch norm mixes them (ganhacks 4)
    separate_batches: bool = True
    fresh_batches: bool = True  # true: each D update of a step has real images of its own; false: all share one batch

    def conflict(self, parts: Parts) -> str | None:
        if not self.fresh_batches and parts.config.training.d_updates == 1:
            return "fresh_batches: false changes nothing with one D update per step; set training.d_updates above 1"
        return None

    def batches_per_step(self, config: RunConfig) -> int:
        return config.training.d_updates if self.fresh_batches else 1

    def step(self, training: Training, data: Data) -> Terms:
        reals = [data.batch(i) for i in range(self.batches_per_step(training.config))]
        terms: Terms = {}
        for update in range(training.config.training.d_updates):
            terms |= self.update_d(training, reals, update)
        for update in range(training.config.training.g_updates):
            terms |= self.update_g(training, reals, update)
        return terms

    def update_d(self, training: Training, reals: list[Batch], update: int) -> Terms:
        return update_discriminator(
            training,
            training.moment("D", update),
            self.game(training, reals[update % len(reals)]),
            separate_batches=self.separate_batches,
        )

    def update_g(self, training: Training, reals: list[Batch], update: int) -> Terms:
        """G's updates reuse the batches of D's: mostly for their labels only, and they are there already."""
        return update_generator(
            training,
            training.moment("G", update),
            self.game(training, reals[update % len(reals)]),
            separate_batches=self.separate_batches,
        )

    def game(self, training: Training, real: Batch) -> Game:
        """Reals against as many fakes, which have their labels."""

        def generate(moment: Moment) -> Batch:
            latents = draw_latents(len(real), training.config.latents, moment.rng("latents"), real.images)
            images = training.networks.generator(latents, real.labels)
            return Batch(images=images, labels=real.labels)

        return Game(real=real, generate=generate, discriminator=training.networks.discriminator)

    def sampling_inputs(self, n: int, data: Data, config: RunConfig, rng: torch.Generator) -> SamplingInputs:
        labels = repeat_labels(data, n) if data.info.labels else {}
        return SamplingInputs(labels=labels, latents=draw_latents(n, config.latents, rng))

    def sample(self, generator: nn.Module, inputs: SamplingInputs) -> Tensor:
        images: Tensor = generator(inputs.latents, inputs.labels)
        return images
