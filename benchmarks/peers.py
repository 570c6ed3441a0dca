"""Training steps of others: the PyTorch tutorial's loop written out, and the packages torch-mimicry and torchgan.

The packages run as they are, but for one thing: torch-mimicry's `__init__` imports TensorFlow for its metrics, so its
modules are loaded past it. Each function here returns what does one D step and one G step, and facts about it.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

Work = tuple[Callable[[], Any], dict[str, Any]]
BATCH = 64


def reals(size: int) -> Tensor:
    """A batch that is ready: peers load no data here."""
    return torch.rand(BATCH, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1


def facts(generator: nn.Module, discriminator: nn.Module) -> dict[str, Any]:
    count: Callable[[nn.Module], int] = lambda network: sum(p.numel() for p in network.parameters())
    return {"generator": count(generator), "discriminator": count(discriminator)}


def available(package: str) -> bool:
    return package in sys.modules or importlib.util.find_spec(package) is not None


# --- the DCGAN tutorial of PyTorch ---------------------------------------------------------------------
def tutorial_generator(width: int, latents: int) -> nn.Sequential:
    """64 x 64; transposed convolutions, batch norm, ReLU; tanh."""
    layers: list[nn.Module] = []
    inputs, channels = latents, 8 * width
    for stride, padding in ((1, 0), (2, 1), (2, 1), (2, 1)):
        layers += [nn.ConvTranspose2d(inputs, channels, 4, stride, padding, bias=False)]
        layers += [nn.BatchNorm2d(channels), nn.ReLU(True)]
        inputs, channels = channels, channels // 2
    return nn.Sequential(*layers, nn.ConvTranspose2d(inputs, 3, 4, 2, 1, bias=False), nn.Tanh())


def tutorial_discriminator(width: int) -> nn.Sequential:
    """64 x 64; strided convolutions, batch norm, leaky ReLU; sigmoid."""
    layers: list[nn.Module] = [nn.Conv2d(3, width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, inplace=True)]
    channels = width
    for _ in range(3):
        layers += [nn.Conv2d(channels, 2 * channels, 4, 2, 1, bias=False)]
        layers += [nn.BatchNorm2d(2 * channels), nn.LeakyReLU(0.2, inplace=True)]
        channels *= 2
    return nn.Sequential(*layers, nn.Conv2d(channels, 1, 4, 1, 0, bias=False), nn.Sigmoid())


def tutorial(width: int, fresh_latents: bool = False) -> Work:
    """The published loop: binary cross entropy of probabilities, two backwards for D, and the fakes of D's step used
    once more in G's. `fresh_latents` draws new ones for G as Goodfellow et al. do, which is what ganbench does."""
    generator, discriminator = tutorial_generator(width, 100), tutorial_discriminator(width)
    for network in (generator, discriminator):
        network.apply(tutorial_init)
    criterion, real = nn.BCELoss(), reals(64)
    optimizer_d = torch.optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    optimizer_g = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))

    def step() -> dict[str, float]:
        discriminator.zero_grad()
        label = torch.full((BATCH,), 1.0)
        output = discriminator(real).view(-1)
        loss_real = criterion(output, label)
        loss_real.backward()
        shown = {"D(x)": output.mean().item()}
        fake = generator(torch.randn(BATCH, 100, 1, 1))
        label.fill_(0.0)
        output = discriminator(fake.detach()).view(-1)
        loss_fake = criterion(output, label)
        loss_fake.backward()
        shown |= {"D(G(z)) 1": output.mean().item(), "D": (loss_real + loss_fake).item()}
        optimizer_d.step()

        generator.zero_grad()
        label.fill_(1.0)
        if fresh_latents:
            fake = generator(torch.randn(BATCH, 100, 1, 1))
        output = discriminator(fake).view(-1)
        loss = criterion(output, label)
        loss.backward()
        shown |= {"D(G(z)) 2": output.mean().item(), "G": loss.item()}
        optimizer_g.step()
        return shown

    return step, facts(generator, discriminator)


def tutorial_init(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


# --- torch-mimicry -------------------------------------------------------------------------------------
class Metrics:
    """Where torch-mimicry's steps write what they measured; its own logger does more."""

    def add_metric(self, name: str, value: Any, group: str) -> None:
        setattr(self, name, value)


def mimicry_module(name: str) -> ModuleType:
    """A module of torch-mimicry, loaded past the package's `__init__`."""
    if "torch_mimicry" not in sys.modules:
        spec = importlib.util.find_spec("torch_mimicry")
        assert spec is not None and spec.submodule_search_locations is not None
        for part in ("torch_mimicry", "torch_mimicry.nets"):
            bare = ModuleType(part)
            bare.__spec__ = spec if part == spec.name else None
            bare.__path__ = [str(Path(spec.submodule_search_locations[0], *part.split(".")[1:]))]
            sys.modules[part] = bare
    return importlib.import_module(f"torch_mimicry.{name}")


def mimicry(kind: str, width: int) -> Work:
    """`kind`: dcgan, sngan or wgan_gp, at 32 x 32, with their own train steps."""
    module = mimicry_module(f"nets.{kind}.{kind}_32")
    prefix = {"dcgan": "DCGAN", "sngan": "SNGAN", "wgan_gp": "WGANGP"}[kind]
    generator = getattr(module, f"{prefix}Generator32")(nz=128, ngf=width)
    discriminator = getattr(module, f"{prefix}Discriminator32")(ndf=width)
    betas = (0.0, 0.9) if kind != "dcgan" else (0.5, 0.999)
    optimizer_d = torch.optim.Adam(discriminator.parameters(), lr=2e-4, betas=betas)
    optimizer_g = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=betas)
    batch, log, cpu = (reals(32), torch.zeros(BATCH)), Metrics(), torch.device("cpu")

    def step() -> None:
        discriminator.train_step(real_batch=batch, netG=generator, optD=optimizer_d, log_data=log, device=cpu)
        generator.train_step(real_batch=batch, netD=discriminator, optG=optimizer_g, log_data=log, device=cpu)

    return step, facts(generator, discriminator)


# --- torchgan ------------------------------------------------------------------------------------------
def torchgan(width: int) -> Work:
    """Its DCGAN at 32 x 32 through `Trainer.train_iter`, without its console."""
    os.environ.update(CONSOLE_LOGGING="0", TENSORBOARD_LOGGING="0", VISDOM_LOGGING="0")
    from torchgan.losses import MinimaxDiscriminatorLoss, MinimaxGeneratorLoss
    from torchgan.models import DCGANDiscriminator, DCGANGenerator
    from torchgan.trainer import Trainer

    adam = {"name": torch.optim.Adam, "args": {"lr": 2e-4, "betas": (0.5, 0.999)}}
    networks = {
        "generator": {"name": DCGANGenerator, "args": {"out_size": 32, "step_channels": width}, "optimizer": adam},
        "discriminator": {
            "name": DCGANDiscriminator,
            "args": {"in_size": 32, "step_channels": width, "last_nonlinearity": nn.Identity()},
            "optimizer": adam,
        },
    }
    folder = tempfile.mkdtemp()
    losses = [MinimaxGeneratorLoss(), MinimaxDiscriminatorLoss()]
    trainer = Trainer(
        networks,
        losses,
        device=torch.device("cpu"),
        sample_size=BATCH,
        checkpoints=f"{folder}/model/gan",
        recon=f"{folder}/images",
    )
    trainer.batch_size, trainer.real_inputs = BATCH, reals(32)

    return trainer.train_iter, facts(trainer.generator, trainer.discriminator)
