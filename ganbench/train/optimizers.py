"""Optimisers, as the configuration names them."""

from __future__ import annotations

import torch
from torch import nn

from ganbench.api.config import OptimizerConfig


def make_optimizer(network: nn.Module, config: OptimizerConfig) -> torch.optim.Optimizer:
    """An optimiser over all parameters of a network that require a gradient."""
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    match config.name:
        case "adam":
            beta1, beta2 = map(float, config.betas)  # torch rejects a mix of int and float
            return torch.optim.Adam(parameters, lr=config.lr, betas=(beta1, beta2), weight_decay=config.weight_decay)
        case "sgd":
            return torch.optim.SGD(parameters, lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay)
        case "rmsprop":
            return torch.optim.RMSprop(
                parameters, lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay
            )
