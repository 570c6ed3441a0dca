"""Fréchet Inception distance."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch

from ganbench import DatasetInfo, EvaluationConfig, Features, Json, Judge, Measured, Metric, MetricKey, Real
from ganbench_zoo.metrics.bounds import bounds, identity, too_few
from ganbench_zoo.metrics.fidelity import Gaussian, frechet_distance, gaussian


@dataclass(frozen=True, kw_only=True)
class FID(Metric):
    """Fréchet Inception distance (Heusel et al., 2017) in the features of the suite's extractor.

    Depends on the number of images: the floor, which is the FID of held-out real images, stands beside it.
    """

    needs_features: ClassVar[bool] = True

    def keys(self, info: DatasetInfo) -> list[MetricKey]:
        return [MetricKey(name="fid", direction="lower", scale="ratio", margin=0.05, title="FID")]

    def problem(self, info: DatasetInfo, config: EvaluationConfig) -> str | None:
        return too_few(info, config, least=2, what="fid")

    def prepare(self, real: Real) -> Judge:
        split, count = real.config.reference, real.config.reference_images

        def make(path: Path) -> None:
            real.say(f"mean and covariance of the real images' features ({split.replace('_', ' ')})")
            gaussian(real.features(split, count).pooled).save(path)

        # Read again even when just made: a score must not depend on who filled the cache.
        reference = Gaussian.load(real.cached(identity(real), make))

        def score(features: Features) -> dict[str, float]:
            return {"fid": frechet_distance(reference, features.pooled)}

        def measure(measured: Measured) -> dict[str, float]:
            assert measured.features is not None
            return score(measured.features)

        return Judge(measure=measure, notes=bounds(real, "floor", {}, 2, score) | halves(real))


def halves(real: Real) -> dict[str, Json]:
    """`fid_floor_halves`: FID between two random halves of the reference, as many images of one as are sampled. Also
    where there are no held-out images, and then the only floor there is."""
    split, count = real.config.reference, real.config.reference_images
    available = len(real.samples(split)) if count is None else count
    n = min(real.config.images, available // 2)
    if n < 2 or available // 2 < 2:
        return {}

    def make(path: Path) -> None:
        pooled = real.features(split, count).pooled
        order = torch.randperm(len(pooled), generator=torch.Generator().manual_seed(0))
        middle = len(pooled) // 2
        value = frechet_distance(gaussian(pooled[order[middle:]]), pooled[order[:middle]][:n])
        path.write_text(json.dumps(value))

    value = json.loads(real.cached(identity(real) | {"halves": n}, make).read_text())
    return {"fid_floor_halves": value, "fid_floor_halves_images": n}
