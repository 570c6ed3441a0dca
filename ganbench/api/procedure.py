"""Procedures: the update rule of one step, and how a trained generator is sampled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from ganbench.api.config import RunConfig
from ganbench.api.data import Data
from ganbench.api.plugin import Plugin
from ganbench.api.training import SamplingInputs, Terms, Training


@dataclass(frozen=True, kw_only=True)
class Procedure(Plugin):
    """Built from `ganbench.phases`: update_discriminator, update_generator."""

    # What it trains of the parts that an architecture may provide: encoder, domains. Others would stay untrained.
    uses: ClassVar[frozenset[str]] = frozenset()
    # What `gallery` gives of each input, in the order in which the sample pictures show it.
    shows: ClassVar[tuple[str, ...]] = ("sample",)

    def batches_per_step(self, config: RunConfig) -> int:
        """How many real batches one step may ask for: `data.batch(0)` up to this number."""
        return config.training.d_updates

    def step(self, training: Training, data: Data) -> Terms:
        """One iteration: D updates and G updates. Returns the named terms, detached."""
        raise NotImplementedError

    def sampling_inputs(self, n: int, data: Data, config: RunConfig, rng: torch.Generator) -> SamplingInputs:
        """Labels, and latents or source images, for n samples."""
        raise NotImplementedError

    def sample(self, generator: nn.Module, inputs: SamplingInputs) -> Tensor:
        """Images N C H W in config.input_range, from the raw or the averaged generator."""
        raise NotImplementedError

    def gallery(self, generator: nn.Module, inputs: SamplingInputs) -> dict[str, Tensor]:
        """The images that `shows` names, each as `sample` gives them: for sample pictures, where they stand side by
        side, and for metrics that compare them. Translation shows its input, too, and the way back."""
        return {"sample": self.sample(generator, inputs)}
