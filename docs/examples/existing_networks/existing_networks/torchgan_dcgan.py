"""The DCGAN of torchgan."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from ganbench import DatasetInfo, ExistingNetworks, RunConfig


@dataclass(frozen=True, kw_only=True)
class TorchganDCGAN(ExistingNetworks):
    """The DCGAN (Radford et al., 2016) of the package torchgan, unchanged."""

    step_channels: int = 64  # channels next to the image, >= 1; deeper maps have multiples of it

    sizes = (16, 32, 64, 128)

    def make_generator(self, config: RunConfig, info: DatasetInfo) -> nn.Module:
        from torchgan.models import DCGANGenerator  # here, so that `ganbench list` and `plan` need not wait for it

        return DCGANGenerator(config.latents.size, info.size, info.channels, self.step_channels)

    def make_discriminator(self, config: RunConfig, info: DatasetInfo) -> nn.Module:
        from torchgan.models import DCGANDiscriminator

        # Its own last activation is a LeakyReLU, and losses want logits.
        plain = nn.Identity()
        return DCGANDiscriminator(info.size, info.channels, self.step_channels, last_nonlinearity=plain)
