"""Density and coverage."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from ganbench import DatasetInfo, EvaluationConfig, Json, Judge, Measured, Metric, MetricKey, Real, Split


@dataclass(frozen=True, kw_only=True)
class DensityCoverage(Metric):
    """Density and coverage (Naeem et al., 2020, equations 3 and 4) in the features of the suite's extractor.

    Around each real image is a ball that reaches to its k-th nearest real neighbour. Density: in how many of these
    balls a generated image lies, divided by k; may be above 1. Coverage: share of the balls that hold a generated one.
    """

    needs_features: ClassVar[bool] = True  # `measured.features` is there

    neighbours: int = 5  # k, >= 1
    limit: int = 5000  # at most so many of the real and of the generated images: memory grows with the square

    def __post_init__(self) -> None:
        if self.neighbours < 1 or self.limit <= self.neighbours:
            raise ValueError(f"neighbours must be >= 1 and limit > neighbours, not {self.neighbours} and {self.limit}")

    # What it measures, and how runs are compared: differences, since both may be 0.
    def keys(self, info: DatasetInfo) -> list[MetricKey]:
        return [
            MetricKey(name="density", direction="higher", scale="difference", margin=0.05, title="Density"),
            MetricKey(name="coverage", direction="higher", scale="difference", margin=0.02, title="Coverage"),
        ]

    def problem(self, info: DatasetInfo, config: EvaluationConfig) -> str | None:
        there = info.counts.get(config.reference, 0)
        if config.reference_images is not None:
            there = min(there, config.reference_images)
        if there <= self.neighbours:
            return f"density_coverage needs more than {self.neighbours} real images; there are {there}"
        return None

    # Once per data set and extractor. What is slow goes through `real.cached`, under a key that names all that it
    # depends on; the name and the source of this metric are added.
    def prepare(self, real: Real) -> Judge:
        config = real.config
        reference = real.features(config.reference, config.reference_images).pooled[: self.limit]
        options: dict[str, Json] = {"neighbours": self.neighbours, "limit": self.limit}

        def make(path: Path) -> None:
            with path.open("wb") as file:
                np.save(file, radii(reference, self.neighbours).numpy())

        key: dict[str, Json] = {
            "data": real.digest(config.reference),
            "count": config.reference_images,
            "extractor": real.extractor_digest(),
            "resize": config.resize,
        }
        reach = torch.from_numpy(np.load(real.cached(key | options, make), allow_pickle=False))

        def score(pooled: Tensor) -> dict[str, float]:
            inside = torch.cdist(reference, pooled[: self.limit]) <= reach[:, None]  # R N
            density = inside.double().sum(0).mean() / self.neighbours
            return {"density": float(density), "coverage": float(inside.any(1).double().mean())}

        def measure(measured: Measured) -> dict[str, float]:
            assert measured.features is not None
            return score(measured.features.pooled)

        # What images score that are real, as many as are sampled: no generator should be expected to do better.
        notes: dict[str, Json] = {}
        split: Split = "held_out" if config.reference == "train" else "train"
        if (count := min(config.images, real.info.counts.get(split, 0))) > 0:
            for name, value in score(real.features(split, count).pooled).items():
                notes |= {f"{name}_ceiling": value, f"{name}_ceiling_images": count}
        # The protocol must be equal within a table; the report refuses otherwise.
        return Judge(
            measure=measure,
            protocol={f"density_coverage_{name}": value for name, value in options.items()},
            notes=notes,
        )


def radii(points: Tensor, k: int) -> Tensor:
    """Distance of each point [N, F] to its k-th nearest neighbour among the others. [N]"""
    return torch.cdist(points, points).kthvalue(k + 1).values  # the nearest one is the point itself
