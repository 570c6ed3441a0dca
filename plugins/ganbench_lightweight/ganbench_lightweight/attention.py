"""Attention that costs little: to everything in linear time, and to neighbours."""

from __future__ import annotations

from functools import reduce

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ChannelNorm(nn.Module):
    """Layer norm over the channels of each pixel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1, channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        variance, mean = torch.var_mean(x, dim=1, correction=0, keepdim=True)
        return (x - mean) * (variance + 1e-5).rsqrt() * self.gain + self.bias


class Attention(nn.Module):
    """Linear attention over the map (Shen et al., 2021), beside softmax attention over 3 x 3 neighbours, of normalised
    maps; the result is added to the input."""

    def __init__(self, channels: int, heads: int, size: int) -> None:
        """`size` is that of each head's vectors."""
        super().__init__()
        inner = heads * size
        self.heads, self.size = heads, size
        self.query = nn.Conv2d(channels, inner, 1, bias=False)
        self.key_value = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
            nn.Conv2d(channels, 2 * inner, 1, bias=False),
        )
        self.near_query = nn.Conv2d(channels, inner, 1, bias=False)
        self.near_key_value = nn.Conv2d(channels, 2 * inner, 1, bias=False)
        self.output = nn.Conv2d(2 * inner, channels, 1)
        self.norm = ChannelNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.norm(x)
        everything = self.linear(self.query(maps), *self.key_value(maps).chunk(2, 1))
        neighbours = self.local(self.near_query(maps), *self.near_key_value(maps).chunk(2, 1))
        added: Tensor = x + self.output(torch.cat([F.gelu(everything), neighbours], 1))
        return added

    def linear(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Queries are softmaxed over their numbers and keys over places, so that no place x place matrix is made."""
        shape = query.shape
        q, k, v = (part.reshape(len(part), self.heads, self.size, -1) for part in (query, key, value))  # N heads size P
        q, k = q.softmax(2) * self.size**-0.5, k.softmax(3)
        context = k @ v.transpose(2, 3)  # N heads size size
        attended: Tensor = (context.transpose(2, 3) @ q).reshape(shape)
        return attended

    def local(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Softmax over the 9 places around each one; beyond the border keys and values are 0. N inner H W

        One shift after the other, since all nine at once would be a map of nine times the channels.
        """
        n, inner, height, width = query.shape
        q = query.view(n, self.heads, self.size, height, width) * self.size**-0.5
        keys, values = (
            F.pad(part, (1, 1, 1, 1)).view(n, self.heads, self.size, height + 2, width + 2) for part in (key, value)
        )
        places = [(..., slice(i, i + height), slice(j, j + width)) for i in range(3) for j in range(3)]
        shares = torch.stack([(q * keys[place]).sum(2) for place in places]).softmax(0)  # 9 N heads H W
        seen = (share.unsqueeze(2) * values[place] for share, place in zip(shares, places, strict=True))
        attended: Tensor = reduce(torch.add, seen).reshape(n, inner, height, width)
        return attended
