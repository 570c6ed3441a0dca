"""Inception score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ganbench import ConfigError, DatasetInfo, EvaluationConfig, Features, Judge, Measured, Metric, MetricKey, Real
from ganbench_zoo.metrics import fidelity
from ganbench_zoo.metrics.bounds import bounds, too_few


@dataclass(frozen=True, kw_only=True)
class InceptionScore(Metric):
    """Inception score (Salimans et al., 2016) from the class logits of the suite's extractor.

    It sees no real images of the data set; what held-out ones score stands beside it as the ceiling. Says little about
    data that are far from ImageNet.
    """

    needs_features: ClassVar[bool] = True

    splits: int = 10  # parts of the samples that are scored separately, >= 1; the score is their mean

    def __post_init__(self) -> None:
        if self.splits < 1:
            raise ValueError(f"splits must be >= 1, not {self.splits}")

    def keys(self, info: DatasetInfo) -> list[MetricKey]:
        return [
            MetricKey(name="inception_score", direction="higher", scale="ratio", margin=0.05, title="IS"),
            # Over the splits of one set of samples: a diagnosis, 0 for a collapsed generator, hence no ratio.
            MetricKey(name="inception_score_std", direction="lower", scale="difference", margin=0.1, title="IS std"),
        ]

    def problem(self, info: DatasetInfo, config: EvaluationConfig) -> str | None:
        return too_few(info, config, least=2 * self.splits, what="inception_score")

    def prepare(self, real: Real) -> Judge:
        def score(features: Features) -> dict[str, float]:
            if features.logits is None:
                raise ConfigError(
                    f"inception_score: the extractor {real.config.extractor.name} is no classifier and gives no logits."
                )
            mean, std = fidelity.inception_score(features.logits, splits=self.splits)
            return {"inception_score": mean, "inception_score_std": std}

        def measure(measured: Measured) -> dict[str, float]:
            assert measured.features is not None
            return score(measured.features)

        def ceiling(features: Features) -> dict[str, float]:
            return {"inception_score": score(features)["inception_score"]}

        return Judge(
            measure=measure,
            protocol={"inception_score_splits": self.splits},
            notes=bounds(real, "ceiling", {"splits": self.splits}, 2 * self.splits, ceiling),
        )
