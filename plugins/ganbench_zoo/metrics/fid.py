"""Fréchet Inception distance."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ganbench import DatasetInfo, EvaluationConfig, Features, Judge, Measured, Metric, MetricKey, Real
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

        return Judge(measure=measure, notes=bounds(real, "floor", {}, 2, score))
