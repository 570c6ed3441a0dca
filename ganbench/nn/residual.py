"""Pre-activation residual blocks (Gulrajani et al., 2017; Miyato et al., 2018)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from ganbench.api.config import NetworkConfig
from ganbench.nn.convolution import Conv2d
from ganbench.nn.resample import Repeat, down, up
from ganbench.nn.stage import Stage, attention


class ResidualUp(nn.Module):
    """Doubles the side: two convolutions, the first of which upsamples, beside a nearest-neighbour shortcut."""

    def __init__(self, inputs: int, outputs: int, size: int, config: NetworkConfig, *, condition: int = 0) -> None:
        """`size` is the side of the maps it makes; `condition` the size of the label vector that norms read, or 0."""
        super().__init__()
        bias = config.bias
        wider = up(config.upsampling, inputs, outputs, kernel=config.kernel, bias=bias)
        self.before = Stage(nn.Identity(), inputs, None, config, condition=condition)
        self.between = Stage(wider, outputs, None, config, condition=condition)
        self.last = Conv2d(outputs, outputs, 3, 1, 1, bias=bias)
        # The 1 x 1 convolution first: it commutes with the repetition, and is four times cheaper there.
        self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=bias), Repeat())
        self.attention = attention(config, outputs, size)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        residual = self.last(self.between(self.before(x, condition), condition))
        summed: Tensor = self.attention(self.shortcut(x) + residual)
        return summed


class ResidualDown(nn.Module):
    """Halves the side, or keeps it: two convolutions, the second of which downsamples, beside an average-pool shortcut.

    The `first` block of a network works on images, so nothing stands before its first convolution, and no norm after.
    """

    def __init__(
        self, inputs: int, outputs: int, size: int, config: NetworkConfig, *, first: bool = False, halve: bool = True
    ) -> None:
        """`size` is the side of the maps it makes."""
        super().__init__()
        bias, hidden = config.bias, outputs if first else inputs
        self.before = nn.Identity() if first else Stage(nn.Identity(), inputs, None, config)
        convolution = Conv2d(inputs, hidden, 3, 1, 1, bias=bias)
        self.between = Stage(convolution, hidden, None, config, norm_here=not first)
        if halve:
            self.last = down(config.downsampling, hidden, outputs, kernel=config.kernel, bias=bias)
        else:
            self.last = Conv2d(hidden, outputs, 3, 1, 1, bias=bias)
        changes = halve or inputs != outputs
        self.shortcut = nn.Conv2d(inputs, outputs, 1, bias=bias) if changes else nn.Identity()
        self.halve = halve
        # One attention per size: after the block that makes it.
        self.attention = attention(config, outputs, size) if halve else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        residual = self.last(self.between(self.before(x)))
        # Pooled before the 1 x 1 convolution, which commutes with it: cheaper.
        short = self.shortcut(F.avg_pool2d(x, 2) if self.halve else x)
        summed: Tensor = self.attention(short + residual)
        return summed
