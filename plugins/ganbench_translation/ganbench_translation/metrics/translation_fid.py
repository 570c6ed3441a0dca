"""FID in both directions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, cast

from ganbench import (
    DatasetInfo,
    EvaluationConfig,
    Json,
    Judge,
    Measured,
    Metric,
    MetricKey,
    Real,
    plugin,
    plugin_digest,
)
from ganbench_translation.metrics.directions import OneDomain, no_domains, rows_of, targets

NAME = "translation_fid"


@dataclass(frozen=True, kw_only=True)
class TranslationFID(Metric):
    """FID of translations into each domain against its real images (Heusel et al., 2017), and their geometric mean.

    Measured as the metric `fid` does, on half of the images each: those of held-out images of the other domain. The
    floors are those of held-out real images of the domain itself.
    """

    needs_features: ClassVar[bool] = True

    def keys(self, info: DatasetInfo) -> list[MetricKey]:
        titles = {NAME: "FID of translations"} | {f"{NAME}/{domain}": f"FID into {domain}" for domain in info.domains}
        return [
            MetricKey(name=name, direction="lower", scale="ratio", margin=0.05, title=title)
            for name, title in titles.items()
        ]

    def problem(self, info: DatasetInfo, config: EvaluationConfig) -> str | None:
        if sentence := no_domains(NAME, info):
            return sentence
        if min(config.images, config.final_images) < 4:
            return f"{NAME} needs at least 4 images, 2 of each direction"
        return None

    def prepare(self, real: Real) -> Judge:
        fid, digest = cast(Metric, plugin("metric", "fid")), plugin_digest("metric", "fid")
        domains = real.info.domains
        judges = [fid.prepare(OneDomain(real, {"fid": digest, "domain": i}, i)) for i in range(len(domains))]

        def measure(measured: Measured) -> dict[str, float]:
            target = targets(NAME, real.info, measured.images)
            scores = {}
            for number, (domain, judge) in enumerate(zip(domains, judges, strict=True)):
                rows = (target == number).nonzero().flatten()
                scores[f"{NAME}/{domain}"] = judge.measure(rows_of(measured, rows))["fid"]
            return {NAME: geometric_mean(list(scores.values()))} | scores

        notes: dict[str, Json] = {}
        for domain, judge in zip(domains, judges, strict=True):
            notes |= {f"{NAME}/{domain}{name.removeprefix('fid')}": value for name, value in judge.notes.items()}
        for word in ("_floor", "_last_floor"):
            floors = [notes.get(f"{NAME}/{domain}{word}") for domain in domains]
            if all(isinstance(floor, float) for floor in floors):
                notes[f"{NAME}{word}"] = geometric_mean([cast(float, floor) for floor in floors])
        return Judge(measure=measure, protocol={"fid": digest}, notes=notes)


def geometric_mean(values: list[float]) -> float:
    return math.exp(sum(math.log(max(value, 1e-12)) for value in values) / len(values))
