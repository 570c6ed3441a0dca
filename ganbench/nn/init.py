"""Initial weights, and the parametrisation of weights."""

from __future__ import annotations

import math

from torch import nn
from torch.nn.utils import parametrizations

from ganbench.api.config import NetworkConfig

LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d, nn.Linear)


def dcgan_init(network: nn.Module) -> None:
    """Weights of convolutions N(0, 0.02), gains of norms N(1, 0.02), biases 0 (Radford et al., 2016).

    Linear layers that make images or logits are set like convolutions by their architecture; embeddings of labels keep
    torch's initialisation, for at 0.02 nothing would be heard of them beside the latents.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            normal_init(module)
        elif isinstance(module, nn.BatchNorm2d | nn.InstanceNorm2d | nn.GroupNorm) and module.weight is not None:
            nn.init.normal_(module.weight, 1.0, 0.02)
            nn.init.zeros_(module.bias)


def normal_init(layer: nn.Conv2d | nn.ConvTranspose2d | nn.Linear) -> None:
    """Weight N(0, 0.02), bias 0."""
    nn.init.normal_(layer.weight, 0.0, 0.02)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def xavier_init(network: nn.Module) -> None:
    """Convolutions of residual networks (Miyato et al., 2018, after their code): uniform weights of Glorot & Bengio
    (2010), times sqrt(2) in kernels wider than 1 x 1. Linear layers are set by their architecture."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            xavier_layer(module, math.sqrt(2) if module.kernel_size != (1, 1) else 1.0)


def xavier_layer(layer: nn.Conv2d | nn.ConvTranspose2d | nn.Linear, gain: float = 1.0) -> None:
    """Weight uniform after Glorot & Bengio (2010), bias 0."""
    nn.init.xavier_uniform_(layer.weight, gain)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def he_init(layer: nn.Conv2d | nn.Linear, gain: float = 1.0) -> None:
    """Weight N(0, gain^2 / fan-in) (He et al., 2015), bias 0."""
    nn.init.normal_(layer.weight, 0.0, gain / math.sqrt(layer.weight[0].numel()))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def gain(config: NetworkConfig) -> float:
    """By how much weights must be larger for an activation to keep the mean square of normal numbers."""
    match config.activation:
        case "relu":
            return math.sqrt(2)
        case "leaky_relu":
            return math.sqrt(2 / (1 + config.slope**2))
        case "selu":  # keeps it by itself (Klambauer et al., 2017)
            return 1.0
        case "silu":
            return 1.6765


def add_spectral_norm(network: nn.Module, power_iterations: int = 1) -> int:
    """Divide each weight of convolutions, linear layers and embeddings by its largest singular value, which power
    iteration estimates (Miyato et al., 2018). Layers that have it already are left alone. Returns how many got it.
    """
    # A weight that is computed, here or by somebody's hook, is no parameter of its layer any more.
    layers = [
        layer
        for layer in network.modules()
        if isinstance(layer, (*LAYERS, nn.Embedding)) and "weight" in dict(layer.named_parameters(recurse=False))
    ]
    for layer in layers:
        parametrizations.spectral_norm(layer, n_power_iterations=power_iterations)
    return len(layers)
