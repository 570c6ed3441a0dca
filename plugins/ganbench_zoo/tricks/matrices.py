"""The weights of a network as matrices, for regularisers."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal

from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.utils import parametrize

from ganbench import Forward, Moment

Side = Literal["generator", "discriminator"]


def check_networks(networks: Collection[Side]) -> None:
    """Raises ValueError unless each network is named at most once, and one at least."""
    if not networks or len(set(networks)) < len(networks):
        raise ValueError("networks must name one network, or both once")


def matrices_of_player(
    networks: Collection[Side], forward: Forward, moment: Moment, memory: dict[str, Any]
) -> dict[str, Tensor]:
    """Name -> matrix of the network that this phase updates, where `networks` names it; else nothing.

    Games share their networks, so the weights count in the first of them only, which `memory` keeps.
    """
    side: Side = "generator" if moment.phase == "G" else "discriminator"
    if side not in networks or moment.domain != memory.setdefault("domain", moment.domain):
        return {}
    network = forward.networks.generator if side == "generator" else forward.networks.discriminator
    return {f"{side}.{name}": weights for name, weights in weight_matrices(network).items()}


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
