"""What an evaluator sees in translations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

from ganbench import (
    Dataset,
    DatasetInfo,
    EvaluationConfig,
    Judge,
    Measured,
    Metric,
    MetricKey,
    Real,
    plugin,
    plugin_digest,
)
from ganbench_translation.metrics.directions import JudgedAs, no_domains, rows_of, targets

NAME = "translation_accuracy"
INNER = "conditional_accuracy"
WITH_EVALUATORS = ("faces", "blocks")  # data sets whose evaluators ship with conditional_accuracy


@dataclass(frozen=True, kw_only=True)
class TranslationAccuracy(Metric):
    """Share of translations whose domain is seen to have changed, and of those whose other labels are seen to be kept.

    An evaluator, that of the metric `conditional_accuracy`, looks at translations of held-out images. It should see the
    other domain (`translation_accuracy/<domain label>`, and `/into_<domain>` for each direction), and all other labels
    of the source (`translation_accuracy/<label>`). `translation_accuracy` is the mean of the domain's accuracy and of
    the mean of the others: 0.5 for doing nothing. The evaluator's accuracy on real images stands beside each.
    """

    # auto: the network that ships for `faces` where labels are the same as there, else a ResNet-18 trained once
    evaluator: Literal["auto", "resnet18"] = "auto"
    epochs: int = 10  # of training a resnet18, >= 1

    def keys(self, info: DatasetInfo) -> list[MetricKey]:
        names = [NAME, *(f"{NAME}/{label}" for label in judged(info)), *(into(domain) for domain in info.domains)]
        return [MetricKey(name=name, direction="higher", scale="difference", margin=0.02) for name in names]

    def problem(self, info: DatasetInfo, config: EvaluationConfig) -> str | None:
        return no_domains(NAME, info)

    def prepare(self, real: Real) -> Judge:
        inner = cast(Metric, plugin("metric", INNER, evaluator=self.evaluator, epochs=self.epochs))
        digest, info = plugin_digest("metric", INNER), real.info
        judge = inner.prepare(JudgedAs(real, {INNER: digest}, known_as(real)))
        label = info.domain_label

        def measure(measured: Measured) -> dict[str, float]:
            target = targets(NAME, info, measured.images)
            seen = {name: judge.measure(measured)[f"{INNER}/{name}"] for name in judged(info)}
            kept = [value for name, value in seen.items() if name != label]
            both = [seen[label], sum(kept) / len(kept)] if kept else [seen[label]]
            scores = {NAME: sum(both) / len(both)} | {f"{NAME}/{name}": value for name, value in seen.items()}
            for number, domain in enumerate(info.domains):
                part = rows_of(measured, (target == number).nonzero().flatten())
                scores[into(domain)] = judge.measure(part)[f"{INNER}/{label}"]
            return scores

        return Judge(
            measure=measure,
            protocol=judge.protocol | {INNER: digest},
            notes={name.replace(INNER, NAME, 1): value for name, value in judge.notes.items()},
            tables=judge.tables,
        )


def judged(info: DatasetInfo) -> list[str]:
    """Labels that can be seen or not."""
    return [name for name, label in info.labels.items() if label.kind != "value"]


def into(domain: str) -> str:
    return f"{NAME}/into_{domain}"


def known_as(real: Real) -> str:
    """The data set with an evaluator for these very labels; the data set itself where there is none."""
    for name in WITH_EVALUATORS:
        if cast(Dataset, plugin("dataset", name)).info().labels == real.info.labels:
            return name
    return real.dataset.name
