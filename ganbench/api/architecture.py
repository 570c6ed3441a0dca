"""Architectures build the two networks from the configuration and the data set's shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from ganbench.api.config import RunConfig
from ganbench.api.data import DatasetInfo
from ganbench.api.plugin import Plugin


@dataclass(frozen=True, kw_only=True)
class Architecture(Plugin):
    """Builds G and D, and declares what they can do.

    `obeys` lists the configuration fields that the networks read, as dotted paths ("generator.norm", "input_range").
    Setting another one is refused: it would silently change nothing and still earn a verdict. Optimisers are the
    harness's, and need not be listed.
    """

    provides: ClassVar[frozenset[str]] = frozenset()  # of: features, encoder, domains
    obeys: ClassVar[frozenset[str]] = frozenset()

    def generator(self, config: RunConfig, info: DatasetInfo) -> nn.Module:
        """A module with `forward(latents [N, Z] float32, labels) -> images N C H W float32 in config.input_range`."""
        raise NotImplementedError

    def discriminator(self, config: RunConfig, info: DatasetInfo) -> nn.Module:
        """A module with `forward(images N C H W in config.input_range, labels) -> DOutput`."""
        raise NotImplementedError
