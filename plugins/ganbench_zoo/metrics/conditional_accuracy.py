"""Conditional accuracy: do generated images show what was asked for?"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import torch
from torch import Tensor

from ganbench import (
    ConfigError,
    DataError,
    DatasetInfo,
    EvaluationConfig,
    Json,
    Judge,
    LabelInfo,
    Measured,
    Metric,
    MetricKey,
    Real,
    Split,
    rgb,
)
from ganbench_zoo.evaluators import resnet18
from ganbench_zoo.evaluators.classifier import Classifier, file_digest, save
from ganbench_zoo.evaluators.fit import Schedule
from ganbench_zoo.evaluators.pins import SHA256
from ganbench_zoo.evaluators.scoring import accuracy, as_json, confusion
from ganbench_zoo.evaluators.small import shipped

NAME = "conditional_accuracy"


@dataclass(frozen=True, kw_only=True)
class ConditionalAccuracy(Metric):
    """Share of labels that an evaluator network sees as asked for (class labels by argmax, flags by top-k).

    Generated images are asked for with the labels of the `conditions` split (without one, the harness asks for held-out
    labels). For an image with k flags the k largest outputs are compared with the k true flags. The evaluator's own
    accuracy on real held-out images, the ceiling, stands beside every score.
    """

    images: ClassVar[Literal["data", "conditions"]] = "conditions"

    # auto: the pinned small network for `faces` and `blocks`, else a ResNet-18 trained once on the training split
    evaluator: Literal["auto", "small", "resnet18"] = "auto"
    # A resnet18 from a file instead of training one: ganbench's safetensors, or the layout of report R3
    checkpoint: str | None = None
    epochs: int = 10  # of training a resnet18, >= 1
    augment: bool = True  # shift, brightness and noise while training a resnet18

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise ConfigError(f"{NAME}: epochs is {self.epochs}; at least 1 is needed.")
        if self.checkpoint is not None and self.evaluator == "small":
            raise ConfigError(f"{NAME}: `checkpoint` is the file of a resnet18; leave out `evaluator: small`.")

    def keys(self, info: DatasetInfo) -> list[MetricKey]:
        names = [NAME, *(f"{NAME}/{label}" for label in _judged(info))]
        return [MetricKey(name=name, direction="higher", scale="difference", margin=0.02) for name in names]

    def problem(self, info: DatasetInfo, config: EvaluationConfig) -> str | None:
        if not _judged(info):
            return f"{NAME} needs class or flags labels, and this data set has none"
        if not info.counts.get("held_out"):
            return f"{NAME} needs held-out images to know its evaluator's ceiling, and this data set has none"
        return None

    def prepare(self, real: Real) -> Judge:
        labels = _judged(real.info)
        name, digest, classifier = self._evaluator(real, labels)
        classifier = classifier.to(real.device)

        def confusions(measured: Measured) -> dict[str, Tensor]:
            return _confusions(labels, classifier, measured.images.images, measured.images.labels)

        def tables(measured: Measured) -> dict[str, Json]:
            return {label: as_json(labels[label], table) for label, table in confusions(measured).items()}

        return Judge(
            measure=lambda measured: _scores(confusions(measured)),
            protocol={"evaluator": name, "evaluator_sha256": digest},
            notes=_ceilings(real, labels, digest, classifier),
            tables=tables,
        )

    def _evaluator(self, real: Real, labels: dict[str, LabelInfo]) -> tuple[str, str, Classifier]:
        """Its name, the sha256 of its file, and the network."""
        if self.checkpoint is not None:
            path = Path(self.checkpoint).expanduser()
            classifier = resnet18.from_file(path, labels)
            return "resnet18 from a file", file_digest(path), classifier
        dataset = real.dataset.name
        if self.evaluator != "resnet18" and dataset in SHA256:
            classifier, digest = shipped(dataset)
            if classifier.labels == labels:
                return f"small ({dataset})", digest, classifier
        if self.evaluator == "small":
            raise ConfigError(
                f"{NAME}: no small evaluator ships for {dataset} with these labels. Known: {', '.join(sorted(SHA256))}."
            )
        path = self._trained(real, labels)
        return f"resnet18, {self.epochs} epochs", file_digest(path), resnet18.from_file(path, labels)

    def _trained(self, real: Real, labels: dict[str, LabelInfo]) -> Path:
        """The file of a ResNet-18 trained on the training split: made once for each data set, label set and option."""

        def make(path: Path) -> None:
            samples = real.samples("train")
            if len(samples) < 2:
                raise DataError(f"{NAME}: {len(samples)} training images are too few to train an evaluator on.")
            real.say(f"{NAME}: training a ResNet-18 on {len(samples)} images, once")
            schedule = Schedule(epochs=self.epochs, lr=1e-3, augment=self.augment)
            save(resnet18.train(samples, labels, schedule, real.device, real.say), path)

        key: dict[str, Json] = {
            "network": "resnet18",
            "recipe": resnet18.RECIPE,
            "data": real.digest("train"),
            "labels": {name: [label.kind, *map(label.name, range(label.size))] for name, label in labels.items()},
            "epochs": self.epochs,
            "augment": self.augment,
            "file": "evaluator.safetensors",
        }
        return real.cached(key, make)


def _judged(info: DatasetInfo) -> dict[str, LabelInfo]:
    """Labels that can be seen or not; measured values cannot."""
    return {name: label for name, label in info.labels.items() if label.kind != "value"}


def _confusions(
    labels: dict[str, LabelInfo], classifier: Classifier, images: Tensor, truth: dict[str, Tensor]
) -> dict[str, Tensor]:
    logits = classifier.predict(images)
    return {name: confusion(info, logits[name], truth[name].cpu()) for name, info in labels.items()}


def _scores(tables: dict[str, Tensor]) -> dict[str, float]:
    """Accuracy per label, and their mean."""
    scores = {f"{NAME}/{name}": accuracy(table) for name, table in tables.items()}
    return {NAME: sum(scores.values()) / len(scores)} | scores


def _ceilings(real: Real, labels: dict[str, LabelInfo], digest: str, classifier: Classifier) -> dict[str, Json]:
    """Accuracy on real images, held out (`<key>_ceiling`) and, where there are some, of the test's label combinations
    (`<key>_ceiling_on_conditions`); measured once for each evaluator and data set."""
    splits: dict[Split, str] = {"held_out": "ceiling", "conditions": "ceiling_on_conditions"}
    notes: dict[str, Json] = {}
    for split, word in splits.items():
        if real.info.counts.get(split) and split not in real.info.without_images:
            scores = _ceiling(real, split, labels, digest, classifier)
            notes |= {f"{name}_{word}": value for name, value in scores.items()}
    return notes


def _ceiling(
    real: Real, split: Split, labels: dict[str, LabelInfo], digest: str, classifier: Classifier
) -> dict[str, float]:
    def make(path: Path) -> None:
        samples = real.samples(split)
        real.say(f"{NAME}: the evaluator's accuracy on {len(samples)} real images ({split.replace('_', ' ')})")
        truth = {name: torch.from_numpy(samples.labels[name]) for name in labels}
        images = rgb(torch.from_numpy(samples.images))
        path.write_text(json.dumps(_scores(_confusions(labels, classifier, images, truth))))

    key: dict[str, Json] = {"file": "ceiling.json", "evaluator": digest, "data": real.digest(split)}
    scores: dict[str, float] = json.loads(real.cached(key, make).read_text())
    return scores
