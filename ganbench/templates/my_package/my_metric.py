"""A number for a set of images, in a few words."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ganbench import DatasetInfo, Judge, Measured, Metric, MetricKey, Real


@dataclass(frozen=True, kw_only=True)
class MyMetric(Metric):
    """How far the mean contrast of generated images is from that of real ones (say what it measures here)."""

    def keys(self, info: DatasetInfo) -> list[MetricKey]:
        # ratio: always above 0, compared in percent; difference: may be 0. From the margin on a difference matters.
        return [MetricKey(name="my_metric", direction="lower", scale="difference", margin=0.01)]

    def prepare(self, real: Real) -> Judge:
        target = contrast(torch.from_numpy(real.samples(real.config.reference).images))

        def measure(measured: Measured) -> dict[str, float]:
            return {"my_metric": abs(contrast(measured.images.images) - target)}

        return Judge(measure=measure, notes={"my_metric_of_real_images": target})


def contrast(images: Tensor) -> float:
    """Mean standard deviation over the pixels of an image, as a share of the range, of uint8 images N C H W."""
    return float(images.double().mean(1).flatten(1).std(1).mean() / 255)
