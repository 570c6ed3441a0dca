"""What stands between two convolutions of any network."""

from __future__ import annotations

from torch import Tensor, nn

from ganbench.api.config import NetworkConfig
from ganbench.nn.activation import activation
from ganbench.nn.attention import SelfAttention
from ganbench.nn.dropout import Dropout
from ganbench.nn.noise import LayerNoise
from ganbench.nn.norm import ConditionalNorm, norm

# Layers whose output nobody else reads, themselves included when they are differentiated. Not those that return a view.
FRESH = (nn.BatchNorm2d, ConditionalNorm, nn.Conv2d, nn.ConvTranspose2d)


class Stage(nn.Module):
    """A layer, then norm, noise, activation, dropout, and attention where maps of this size have it."""

    def __init__(
        self,
        resample: nn.Module,  # the layer; nn.Identity() where a residual block starts
        channels: int,
        size: int | None,  # of the maps; none: no attention here
        config: NetworkConfig,
        *,
        norm_here: bool = True,
        condition: int = 0,  # size of the label vector that the norm reads; 0: a plain norm
    ) -> None:
        super().__init__()
        self.resample = resample
        self.norm: nn.Module
        if condition and norm_here:
            self.norm = ConditionalNorm(config.norm, channels, condition)
        else:
            self.norm = norm(config.norm if norm_here else "none", channels)
        self.noise = LayerNoise(channels) if config.layer_noise else nn.Identity()
        own = self.norm if norm_here and config.norm != "none" else resample
        self.activation = activation(config, in_place=isinstance(own, FRESH))
        self.dropout = Dropout(config)
        self.attention = attention(config, channels, size)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        x = self.resample(x)
        x = self.norm(x, condition) if isinstance(self.norm, ConditionalNorm) else self.norm(x)
        x = self.dropout(self.activation(self.noise(x)))
        attended: Tensor = self.attention(x)
        return attended


def attention(config: NetworkConfig, channels: int, size: int | None) -> nn.Module:
    """Self-attention where maps of this size have it."""
    return SelfAttention(channels) if size in config.attention_at else nn.Identity()
