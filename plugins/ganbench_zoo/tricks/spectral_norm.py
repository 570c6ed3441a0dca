"""Spectral normalisation of whole networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ganbench import Networks, Parts, Trick
from ganbench.nn import add_spectral_norm


@dataclass(frozen=True, kw_only=True)
class SpectralNorm(Trick):
    """Weights are divided by their largest singular value (Miyato et al., 2018); works on any network.

    Knows only layer types (convolutions, linear layers, embeddings), so networks that do not obey
    `discriminator.spectral_norm` can have it, too.
    """

    networks: tuple[Literal["generator", "discriminator"], ...] = ("discriminator",)  # at least one
    power_iterations: int = 1  # per forward pass in training mode, >= 1

    def __post_init__(self) -> None:
        if not self.networks or len(set(self.networks)) < len(self.networks):
            raise ValueError("networks must name one network, or both once")
        if self.power_iterations < 1:
            raise ValueError("power_iterations must be at least 1")

    def conflict(self, parts: Parts) -> str | None:
        sides = {"generator": parts.config.generator, "discriminator": parts.config.discriminator}
        for name in self.networks:
            if sides[name].spectral_norm:
                return f"spectral_norm would change nothing: {name}.spectral_norm is true already"
        normalised: dict[str, str] = {}  # network -> the trick that normalises it
        for trick_name, trick in parts.tricks.items():
            for name in trick.networks if isinstance(trick, SpectralNorm) else ():
                if name in normalised:
                    return f"{trick_name} would change nothing: {normalised[name]} normalises the {name} already"
                normalised[name] = trick_name
        return None

    def prepare_networks(self, networks: Networks) -> None:
        for name in self.networks:
            network = networks.generator if name == "generator" else networks.discriminator
            add_spectral_norm(network, self.power_iterations)
