"""Faded or garish colours."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ganbench import DatasetInfo, EvaluationConfig, Judge, Measured, Metric, MetricKey, Real


@dataclass(frozen=True, kw_only=True)
class SaturationGap(Metric):
    """How far the mean saturation of generated images is from that of real ones, as a share of the full range."""

    def keys(self, info: DatasetInfo) -> list[MetricKey]:
        return [MetricKey(name="saturation_gap", direction="lower", scale="difference", margin=0.01)]

    def problem(self, info: DatasetInfo, config: EvaluationConfig) -> str | None:
        return "saturation_gap needs images with colours" if info.channels == 1 else None

    def prepare(self, real: Real) -> Judge:
        target = saturation(torch.from_numpy(real.samples(real.config.reference).images))

        def measure(measured: Measured) -> dict[str, float]:
            return {"saturation_gap": abs(saturation(measured.images.images) - target)}

        return Judge(measure=measure, notes={"saturation_of_real_images": target})


def saturation(images: Tensor) -> float:
    """Mean difference of the strongest and the weakest channel, in [0, 1], of uint8 images N 3 H W."""
    return float((images.amax(1) - images.amin(1)).double().mean() / 255)
