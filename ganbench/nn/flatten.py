"""Maps to vectors, with a backward pass that gives the maps' memory format back."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function


def flatten(x: Tensor) -> Tensor:
    """`x.flatten(1)`: N C H W -> N C*H*W.

    torch's own sends a gradient back that is not channels_last, and every layer before it then works on two formats at
    once, at four times the time.
    """
    result: Tensor = Flatten.apply(x)
    return result


class Flatten(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.shape, ctx.last = x.shape, x.is_contiguous(memory_format=torch.channels_last)
        return x.flatten(1) if ctx.last else x.flatten(1).clone()

    @staticmethod
    def backward(ctx: Any, dvectors: Tensor) -> Tensor:
        dx = dvectors.view(ctx.shape)
        return dx.contiguous(memory_format=torch.channels_last) if ctx.last else dx
