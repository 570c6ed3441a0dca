"""Latents to the first feature map."""

from __future__ import annotations

from torch import Tensor, nn

from ganbench.api.config import NetworkConfig
from ganbench.nn.convolution import ConvTranspose2d
from ganbench.nn.init import normal_init


def stem(config: NetworkConfig, inputs: int, channels: int) -> nn.Module:
    """Vectors, as maps N inputs 1 1, to maps N channels 4 4."""
    if config.stem == "linear":
        return LinearStem(inputs, channels, config.bias)
    return ConvTranspose2d(inputs, channels, 4, 1, 0, bias=config.bias)


class LinearStem(nn.Module):
    """Latents to the first feature map by a linear layer, with a bias per channel and position where one is wanted."""

    def __init__(self, inputs: int, channels: int, bias: bool) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, channels * 16, bias=bias)
        normal_init(self.linear)

    def forward(self, latents: Tensor) -> Tensor:
        maps: Tensor = self.linear(latents.flatten(1))
        return maps.view(len(maps), -1, 4, 4)
