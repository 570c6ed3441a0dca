"""A DCGAN whose generator comes with an encoder."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn

from ganbench import DatasetInfo, DOutput, Labels, Parts, RunConfig
from ganbench_zoo.architectures.dcgan import DCGAN

# How labels enter the encoder, which is built like a discriminator, for each way in which they enter the generator.
CONDITIONING: dict[str, Any] = {
    "none": "none",
    "concat": "concat",
    "embedding": "embedding",
    "conditional_norm": "embedding",
}


class AutoEncoder(nn.Module):
    """Images to latents and back. Called like any generator, it decodes: so sampling and averages need to know no more.

    Both halves are one network: initialised, averaged, saved and optimised together (docs/decisions/0012).
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, run: RunConfig) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        low, high = run.input_range
        self.middle, self.half_range = (low + high) / 2, run.half_range

    def forward(self, latents: Tensor, labels: Labels) -> Tensor:
        images: Tensor = self.decoder(latents, labels)
        return images

    def encode(self, images: Tensor, labels: Labels) -> tuple[Tensor, Tensor]:
        """Mean and log variance of the latents of each image, both [N, Z]."""
        seen: DOutput = self.encoder((images - self.middle) / self.half_range, labels)
        return seen.heads["mean"], seen.heads["log_variance"]


@dataclass(frozen=True, kw_only=True)
class VAEGAN(DCGAN):
    """DCGAN's networks and an encoder, for the hybrid of VAE and GAN (Larsen et al., 2016; ganhacks 7).

    The encoder mirrors the decoder: strided convolutions with the width, norm, activation, attention and the like of
    `generator`, labels as channels beside the image where the decoder has them, and at the end a linear layer each for
    mean and log variance. It has no layer noise and no linear stem. Goes with the procedure vae_gan alone.
    """

    provides = frozenset({"features", "encoder"})

    def generator(self, config: RunConfig, info: DatasetInfo) -> nn.Module:
        decoder = super().generator(config, info)
        like_d = replace(
            config.generator,
            conditioning=CONDITIONING[config.generator.conditioning],
            downsampling="strided",
            minibatch="none",
            layer_noise=False,
            heads={"mean": config.latents.size, "log_variance": config.latents.size},
        )
        encoder = DCGAN().discriminator(replace(config, discriminator=like_d), info)
        encoder.logit = nn.Identity()  # nobody asks it whether images are real
        return AutoEncoder(encoder, decoder, config)

    def conflict(self, parts: Parts) -> str | None:
        if "encoder" not in parts.procedure.uses:
            return (
                f"vae_gan has an encoder, which the procedure {parts.config.procedure.name} would leave untrained: "
                "use the procedure vae_gan, or the architecture dcgan, which is the same without it"
            )
        return super().conflict(parts)
