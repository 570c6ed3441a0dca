"""The order of updates, in a few words."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ganbench import Batch, Data, Game, Moment, Procedure, RunConfig, SamplingInputs, Terms, Training
from ganbench.phases import draw_latents, repeat_labels, update_discriminator, update_generator


@dataclass(frozen=True, kw_only=True)
class MyProcedure(Procedure):
    """D trains some updates ahead of G at first, then both alternate (say what it does here, and cite the paper)."""

    warm_up: int = 10  # steps in which G rests, >= 0

    def __post_init__(self) -> None:
        if self.warm_up < 0:
            raise ValueError(f"warm_up must be at least 0, not {self.warm_up}")

    def batches_per_step(self, config: RunConfig) -> int:
        return config.training.d_updates

    def step(self, training: Training, data: Data) -> Terms:
        terms: Terms = {}
        for update in range(training.config.training.d_updates):
            game = self.game(training, data.batch(update))
            terms |= update_discriminator(training, training.moment("D", update), game)
        if training.step < self.warm_up:
            return terms
        for update in range(training.config.training.g_updates):
            game = self.game(training, data.batch(0))
            terms |= update_generator(training, training.moment("G", update), game)
        return terms

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
