"""Images of half the resolution: harm on purpose."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from ganbench import Networks, Parts, Trick


@dataclass(frozen=True, kw_only=True)
class HalfResolution(Trick):
    """G's images lose their finest scale: what a generator without its last upsampling would draw.

    No help for any GAN, but a known harm: suites/planted.yaml asks whether a report finds it. Each 2 x 2 block of
    pixels becomes its mean, in training and in sampling.
    """

    def conflict(self, parts: Parts) -> str | None:
        if parts.info.size % 2:
            return f"half_resolution needs images of an even size, not {parts.info.size}"
        return None

    def prepare_networks(self, networks: Networks) -> None:
        networks.generator.register_forward_hook(coarse)


def coarse(generator: nn.Module, inputs: object, images: Tensor) -> Tensor:
    """Images without their finest scale. N C H W, same shape."""
    return F.interpolate(F.avg_pool2d(images, 2), scale_factor=2, mode="nearest")
