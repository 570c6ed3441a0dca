"""Feature extractors: the networks in whose features FID, KID and others are measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from ganbench.api.plugin import Plugin

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Features:
    """Of N images."""

    pooled: Tensor  # [N, F] float32, on the CPU
    logits: Tensor | None = None  # [N, K] float32, on the CPU; None where the network is no classifier

    def __len__(self) -> int:
        return len(self.pooled)

    def rows(self, start: int, stop: int) -> Features:
        return Features(pooled=self.pooled[start:stop], logits=None if self.logits is None else self.logits[start:stop])


class FeatureExtractor(Protocol):
    def __call__(self, images: Tensor) -> Features:
        """Features of uint8 images N 3 H W. Always in fp32: bf16 moves FID by up to 4 %."""
        ...


@dataclass(frozen=True, kw_only=True)
class Extractor(Plugin):
    title: ClassVar[str] = ""  # stands in every column title: "EfficientNet-Lite0"

    def digest(self) -> str:
        """sha256 of the weights; raises DataError, with what to do, when they are missing or not the pinned ones."""
        raise NotImplementedError

    def load(self, device: torch.device, resize: int | None) -> FeatureExtractor:
        """The network, frozen, on a device; `resize` is the side that images are scaled to first (bilinear,
        antialiased), None for the network's own way."""
        raise NotImplementedError
