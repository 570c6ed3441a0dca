"""A network in whose features images are compared, in a few words."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from ganbench import Extractor, FeatureExtractor, Features


@dataclass(frozen=True, kw_only=True)
class MyExtractor(Extractor):
    """Random convolutions, frozen (say which network it is here, and cite the paper and the source of the weights)."""

    title: ClassVar[str] = "Random convolutions"  # stands in the title of every column
    channels: int = 64  # features per image, >= 1
    seed: int = 0  # other seeds give other weights

    def weights(self) -> Tensor:
        return torch.randn(self.channels, 3, 5, 5, generator=torch.Generator().manual_seed(self.seed))

    def digest(self) -> str:
        return hashlib.sha256(self.weights().numpy().tobytes()).hexdigest()

    def load(self, device: torch.device, resize: int | None) -> FeatureExtractor:
        weights = self.weights().to(device)

        @torch.no_grad()
        def extract(images: Tensor) -> Features:
            x = images.to(device).float() / 255  # always in fp32
            if resize is not None:
                x = F.interpolate(x, (resize, resize), mode="bilinear", antialias=True, align_corners=False)
            return Features(pooled=F.relu(F.conv2d(x, weights, stride=2)).mean((2, 3)).cpu())

        return extract
