"""Kernel Inception distance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ganbench import DatasetInfo, EvaluationConfig, Features, Json, Judge, Measured, Metric, MetricKey, Real
from ganbench_zoo.metrics.bounds import bounds, too_few
from ganbench_zoo.metrics.fidelity import kernel_distance


@dataclass(frozen=True, kw_only=True)
class KID(Metric):
    """Kernel Inception distance (Binkowski et al., 2018) in the features of the suite's extractor.

    Unbiased, so its expectation does not depend on the number of images, and it can be below 0 for very close sets.
    """

    needs_features: ClassVar[bool] = True

    subsets: int = 100  # random subsets to average over, >= 1; each costs about 0.05 s on one CPU core
    subset_size: int = 1000  # images in each, >= 2; fewer where there are fewer

    def __post_init__(self) -> None:
        if self.subsets < 1 or self.subset_size < 2:
            raise ValueError(f"subsets must be >= 1 and subset_size >= 2, not {self.subsets} and {self.subset_size}")

    def keys(self, info: DatasetInfo) -> list[MetricKey]:
        return [MetricKey(name="kid", direction="lower", scale="difference", margin=0.005, title="KID")]

    def problem(self, info: DatasetInfo, config: EvaluationConfig) -> str | None:
        return too_few(info, config, least=2, what="kid")

    def prepare(self, real: Real) -> Judge:
        reference = real.features(real.config.reference, real.config.reference_images).pooled

        def score(features: Features) -> dict[str, float]:
            distance = kernel_distance(features.pooled, reference, subsets=self.subsets, subset_size=self.subset_size)
            return {"kid": distance}

        def measure(measured: Measured) -> dict[str, float]:
            assert measured.features is not None
            return score(measured.features)

        options: dict[str, Json] = {"subsets": self.subsets, "subset_size": self.subset_size}
        return Judge(
            measure=measure,
            protocol={f"kid_{name}": value for name, value in options.items()},
            notes=bounds(real, "floor", options, 2, score),
        )
