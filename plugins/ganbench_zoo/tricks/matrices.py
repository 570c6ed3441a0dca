"""The weights of a network as matrices, for regularisers."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.utils import parametrize


def weight_matrices(network: nn.Module) -> dict[str, Tensor]:
    """Name -> [outputs, rest] of each convolution and linear layer, with gradient; norms and embeddings have none.

    Of a normalised weight it is what is learnt, before the division by its norm.
    """
    layers = {name: layer for name, layer in network.named_modules() if isinstance(layer, nn.Linear | _ConvNd)}
    return {name: matrix(layer) for name, layer in layers.items()}


def matrix(layer: nn.Linear | _ConvNd) -> Tensor:
    """[outputs, rest] of one layer; transposed convolutions keep their outputs in the second dimension."""
    weight: Tensor = layer.weight  # of a normalised one, this is not what is learnt
    if parametrize.is_parametrized(layer, "weight"):
        # Not `get_parameter`: while a procedure looks ahead, a plain tensor stands in the parameter's place.
        weight = getattr(layer.get_submodule("parametrizations.weight"), "original")  # noqa: B009
    return (weight.transpose(0, 1) if isinstance(layer, _ConvTransposeNd) else weight).flatten(1)
