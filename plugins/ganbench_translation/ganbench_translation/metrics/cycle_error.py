"""How much is lost on the way there and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ganbench import ConfigError, DatasetInfo, EvaluationConfig, Judge, Measured, Metric, MetricKey, Real
from ganbench_translation.metrics.directions import no_domains, targets

NAME = "cycle_error"
IDENTITY = f"{NAME}/identity"


@dataclass(frozen=True, kw_only=True)
class CycleError(Metric):
    """Mean absolute difference of held-out images and their translations there and back (Zhu et al., 2017), in 0..1.

    `cycle_error` over both directions, `cycle_error/from_<domain>` for images of each domain, and
    `cycle_error/identity`: the same of an image and what its own domain's network makes of it (CycleGAN's identity
    mapping, UNIT's reconstruction). Black against white is 1. A low cycle error alone is no merit: doing nothing has
    none, and networks can hide an image in its translation (Chu et al., 2017).
    """

    needs_gallery: ClassVar[bool] = True

    def keys(self, info: DatasetInfo) -> list[MetricKey]:
        names = [NAME, IDENTITY, *(came_from(domain) for domain in info.domains)]
        return [MetricKey(name=name, direction="lower", scale="ratio", margin=0.05) for name in names]

    def problem(self, info: DatasetInfo, config: EvaluationConfig) -> str | None:
        return no_domains(NAME, info)

    def prepare(self, real: Real) -> Judge:
        first, second = real.info.domains

        def measure(measured: Measured) -> dict[str, float]:
            views = measured.gallery or {}
            if missing := [name for name in ("input", "reconstruction", "cycle") if name not in views]:
                raise ConfigError(
                    f"{NAME}: there is no {missing[0]} of each image; the procedures unit and cyclegan show it."
                )
            target, original = targets(NAME, real.info, measured.images), views["input"].images.float()

            def errors(view: str) -> Tensor:
                return (views[view].images.float() - original).abs().mean((1, 2, 3)) / 255

            cycle, identity = errors("cycle"), errors("reconstruction")
            scores = {NAME: float(cycle.mean()), IDENTITY: float(identity.mean())}
            return scores | {
                came_from(domain): float(cycle[target == number].mean())
                for number, domain in enumerate((second, first))  # what was translated into the first is of the second
            }

        return Judge(measure=measure)


def came_from(domain: str) -> str:
    return f"{NAME}/from_{domain}"
