"""The SNGAN of torch-mimicry."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from ganbench import DatasetInfo, ExistingNetworks, RunConfig


@dataclass(frozen=True, kw_only=True)
class MimicrySNGAN(ExistingNetworks):
    """The residual SNGAN (Miyato et al., 2018) for 32 x 32 images of the package torch-mimicry, unchanged."""

    ngf: int = 256  # channels of the generator, >= 1
    ndf: int = 128  # channels of the discriminator, >= 1

    sizes = (32,)

    def make_generator(self, config: RunConfig, info: DatasetInfo) -> nn.Module:
        from torch_mimicry.nets.sngan import sngan_32  # imports TensorFlow, too

        return sngan_32.SNGANGenerator32(nz=config.latents.size, ngf=self.ngf)

    def make_discriminator(self, config: RunConfig, info: DatasetInfo) -> nn.Module:
        from torch_mimicry.nets.sngan import sngan_32

        return sngan_32.SNGANDiscriminator32(ndf=self.ndf)
