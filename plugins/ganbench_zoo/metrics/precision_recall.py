"""Improved precision and recall."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ganbench import DatasetInfo, EvaluationConfig, Features, Json, Judge, Measured, Metric, MetricKey, Real
from ganbench_zoo.metrics.bounds import bounds, too_few
from ganbench_zoo.metrics.fidelity import precision_and_recall


@dataclass(frozen=True, kw_only=True)
class PrecisionRecall(Metric):
    """Improved precision and recall (Kynkäänniemi et al., 2019) in the features of the suite's extractor.

    Precision: share of generated images that lie where real ones do; recall: the other way round. Both depend on the
    numbers of images, and what held-out real images reach stands beside them as the ceiling.
    """

    needs_features: ClassVar[bool] = True

    neighbours: int = 3  # k of the nearest-neighbour balls, >= 1
    limit: int = 5000  # at most so many of the real and of the generated images: memory grows with the square

    def __post_init__(self) -> None:
        if self.neighbours < 1 or self.limit <= self.neighbours:
            raise ValueError(f"neighbours must be >= 1 and limit > neighbours, not {self.neighbours} and {self.limit}")

    def keys(self, info: DatasetInfo) -> list[MetricKey]:
        return [
            MetricKey(name="precision", direction="higher", scale="difference", margin=0.02, title="Precision"),
            MetricKey(name="recall", direction="higher", scale="difference", margin=0.02, title="Recall"),
        ]

    def problem(self, info: DatasetInfo, config: EvaluationConfig) -> str | None:
        return too_few(info, config, least=self.neighbours + 1, what="precision_recall")

    def prepare(self, real: Real) -> Judge:
        reference = real.features(real.config.reference, real.config.reference_images).pooled[: self.limit]

        def score(features: Features) -> dict[str, float]:
            precision, recall = precision_and_recall(
                features.pooled[: self.limit], reference, neighbours=self.neighbours
            )
            return {"precision": precision, "recall": recall}

        def measure(measured: Measured) -> dict[str, float]:
            assert measured.features is not None
            return score(measured.features)

        options: dict[str, Json] = {"neighbours": self.neighbours, "limit": self.limit}
        return Judge(
            measure=measure,
            protocol={f"precision_recall_{name}": value for name, value in options.items()},
            notes=bounds(real, "ceiling", options, self.neighbours + 1, score),
        )
