"""Cell -> Training: the only place that knows the order of construction.

    configure -> conflict -> networks -> prepare_networks -> EMA -> optimisers

Each step starts from a random stream of its own: a wider generator changes nothing of D's first weights, and a trick
that is switched on changes nothing of either network's.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch

from ganbench.api.cell import Cell
from ganbench.api.config import NetworkConfig, OptimizerConfig
from ganbench.api.training import Networks, Parts, Phase, Training
from ganbench.errors import ConfigError
from ganbench.seeds import derive, reseed
from ganbench.suite import conflict, parts
from ganbench.train.optimizers import make_optimizer

MakeOptimizer = Callable[[torch.nn.Module, OptimizerConfig], torch.optim.Optimizer]


def assemble(cell: Cell, device: torch.device, optimizer: MakeOptimizer = make_optimizer) -> Training:
    """A run at step 0. Raises ConfigError with a sentence if the parts cannot go together."""
    refused = conflict(cell.config)
    if refused:
        raise ConfigError(refused)
    return build(parts(cell.config), seed=run_seed(cell), device=device, optimizer=optimizer)


def run_seed(cell: Cell) -> int:
    """The seed of all streams of a cell: its place in the suite's list, shifted by the replicate."""
    return derive(cell.seed, "replicate", cell.config.replicate)


def build(parts: Parts, *, seed: int, device: torch.device, optimizer: MakeOptimizer = make_optimizer) -> Training:
    """Networks and optimisers of parts that were found to go together, their configuration as the tricks left it."""
    config, info = parts.config, parts.info
    reseed(derive(seed, "init", "generator"))
    generator = parts.architecture.generator(config, info)
    reseed(derive(seed, "init", "discriminator"))
    discriminator = parts.architecture.discriminator(config, info)
    networks = Networks(generator=generator, discriminator=discriminator)
    for name, trick in parts.tricks.items():
        reseed(derive(seed, "prepare", name))  # spectral norm draws its first vectors
        trick.prepare_networks(networks)
    for _, network in networks.items():
        network.to(device).to(memory_format=torch.channels_last)
    if config.ema is not None:
        networks.generator_ema = copy.deepcopy(networks.generator).requires_grad_(False)
    sides: dict[Phase, tuple[torch.nn.Module, NetworkConfig]] = {
        "D": (networks.discriminator, config.discriminator),
        "G": (networks.generator, config.generator),
    }
    optimizers = {phase: optimizer(network, side.optimizer) for phase, (network, side) in sides.items()}
    return Training(parts=parts, seed=seed, device=device, networks=networks, optimizers=optimizers)
