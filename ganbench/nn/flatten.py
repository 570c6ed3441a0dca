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
    if x.is_contiguous() or not x.is_contiguous(memory_format=torch.channels_last):
        return x.flatten(1)
    result: Tensor = Flatten.apply(x)
    return result


class Flatten(Function):
    """Of maps that are channels_last and nothing else, so that vectors are a copy."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.shape = x.shape
        return x.flatten(1)

    @staticmethod
    def backward(ctx: Any, dvectors: Tensor) -> Tensor:
        return dvectors.reshape(ctx.shape).contiguous(memory_format=torch.channels_last)
