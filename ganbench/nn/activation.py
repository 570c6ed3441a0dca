"""Activations inside the networks, and the last one of the generator."""

from __future__ import annotations

from torch import Tensor, nn

from ganbench.api.config import NetworkConfig, OutputActivation, RunConfig


def activation(config: NetworkConfig, *, in_place: bool = False) -> nn.Module:
    """The activation of one network side. `in_place`: nobody else reads what it gets, so that its memory may be used;
    values and gradients are the same to the bit."""
    match config.activation:
        case "relu":
            return nn.ReLU(inplace=in_place)
        case "leaky_relu":
            return nn.LeakyReLU(config.slope, inplace=in_place and config.slope > 0)
        case "selu":
            return nn.SELU()
        case "silu":
            return nn.SiLU()


class OutputRange(nn.Module):
    """The generator's last step: tanh or sigmoid, stretched over the input range.

    `none` is no function at all: the last convolution must find the range by itself, which is the point of comparing
    raw images (0..255) with normalised ones.
    """

    def __init__(self, config: RunConfig) -> None:
        super().__init__()
        self.kind: OutputActivation = config.generator.output_activation
        self.low, self.high = config.input_range

    def forward(self, x: Tensor) -> Tensor:
        match self.kind:
            case "tanh":
                x = x.float().tanh()
                if (self.low, self.high) == (-1, 1):
                    return x
                return x * ((self.high - self.low) / 2) + (self.high + self.low) / 2
            case "sigmoid":
                return x.float().sigmoid() * (self.high - self.low) + self.low
            case "none":
                return x.float()
