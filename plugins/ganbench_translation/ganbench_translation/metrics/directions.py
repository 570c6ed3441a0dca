"""The two directions of a translation, and what other metrics see of one of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from ganbench import (
    DataError,
    DatasetInfo,
    EvaluationConfig,
    Features,
    ImageSet,
    Json,
    Measured,
    PluginSpec,
    Real,
    Samples,
    Split,
)


def no_domains(name: str, info: DatasetInfo) -> str | None:
    """Why a metric cannot be computed: there are no two domains."""
    if len(info.domains) != 2:
        return f"{name} is about translations between two domains, and this data set has none"
    if not info.counts.get("held_out"):
        return f"{name} translates held-out images, and this data set has none"
    return None


def targets(name: str, info: DatasetInfo, images: ImageSet) -> torch.Tensor:
    """[N]: number of the domain that each image was translated into."""
    if info.domain_label not in images.labels:
        raise DataError(
            f"{name}: needs the label {info.domain_label} of each image: the domain it was translated into."
        )
    return images.labels[info.domain_label].long()


def rows_of(measured: Measured, rows: torch.Tensor) -> Measured:
    """Some of the images, with their labels and features."""
    labels = {name: value[rows] for name, value in measured.images.labels.items()}
    logits = measured.features.logits if measured.features is not None else None
    features = None
    if measured.features is not None:
        features = Features(pooled=measured.features.pooled[rows], logits=None if logits is None else logits[rows])
    images = ImageSet(images=measured.images.images[rows], labels=labels)
    return replace(measured, images=images, features=features, gallery=None)


@dataclass(frozen=True)
class RealView:
    """The real side as another metric is shown it (`ganbench.Real`): all as it is. What the other metric caches is kept
    under the digest of its source."""

    real: Real
    key: dict[str, Json]

    @property
    def info(self) -> DatasetInfo:
        return self.real.info

    @property
    def dataset(self) -> PluginSpec:
        return self.real.dataset

    @property
    def config(self) -> EvaluationConfig:
        return self.real.config

    @property
    def device(self) -> torch.device:
        return self.real.device

    def samples(self, split: Split) -> Samples:
        return self.real.samples(split)

    def features(self, split: Split, count: int | None = None) -> Features:
        return self.real.features(split, count)

    def digest(self, split: Split) -> str:
        return self.real.digest(split)

    def extractor_digest(self) -> str:
        return self.real.extractor_digest()

    def cached(self, key: dict[str, Json], make: Callable[[Path], None]) -> Path:
        return self.real.cached(key | self.key, make)

    def say(self, message: str) -> None:
        self.real.say(message)


@dataclass(frozen=True)
class OneDomain(RealView):
    """The real images of one domain."""

    number: int

    @property
    def info(self) -> DatasetInfo:
        info = self.real.info
        splits: tuple[Split, ...] = ("train", "held_out")
        return replace(info, counts={split: len(self.rows(split)) for split in splits})

    @property
    def config(self) -> EvaluationConfig:
        """Half of the images are translated into each domain."""
        config = self.real.config
        return replace(config, images=config.images // 2, final_images=config.final_images // 2)

    def rows(self, split: Split) -> npt.NDArray[np.int64]:
        return np.flatnonzero(self.real.samples(split).labels[self.real.info.domain_label] == self.number)

    def samples(self, split: Split) -> Samples:
        whole, rows = self.real.samples(split), self.rows(split)
        return Samples(images=whole.images[rows], labels={name: value[rows] for name, value in whole.labels.items()})

    def features(self, split: Split, count: int | None = None) -> Features:
        whole, rows = self.real.features(split), torch.from_numpy(self.rows(split)[:count])
        return Features(pooled=whole.pooled[rows], logits=None if whole.logits is None else whole.logits[rows])

    def digest(self, split: Split) -> str:
        return f"{self.real.digest(split)}/{self.number}"

    def say(self, message: str) -> None:
        self.real.say(f"{message}, domain {self.real.info.domains[self.number]}")


@dataclass(frozen=True)
class JudgedAs(RealView):
    """All real images, under the name of the data set whose evaluator knows their labels."""

    name: str

    @property
    def dataset(self) -> PluginSpec:
        return PluginSpec(name=self.name)
