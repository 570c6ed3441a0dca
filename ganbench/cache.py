"""What the cache holds, and where: data sets as uint8, features and statistics of real images, evaluators. Everything
in it is named by a digest of what it was made of, and can be deleted at any time."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType
from typing import cast

import numpy as np
import torch

from ganbench import registry
from ganbench.accuse import returned
from ganbench.api.config import EvaluationConfig, Json, PluginSpec
from ganbench.api.data import DatasetInfo, Samples, Split
from ganbench.api.dataset import Dataset, listening
from ganbench.api.extractor import Extractor, FeatureExtractor, Features
from ganbench.api.metric import Metric
from ganbench.api.plugin import Kind, Plugin
from ganbench.cache_files import Slowly, cached, digest_of, load_samples, make_split


@dataclass(frozen=True, kw_only=True)
class Named:
    """A plugin together with what identifies it."""

    spec: PluginSpec  # with all options
    source: str  # digest of its source code


def named(kind: Kind, name: str, plugin: Plugin) -> Named:
    """A plugin with all its options and the digest of its source."""
    spec = PluginSpec(name=name, options=registry.options(plugin))
    return Named(spec=spec, source=registry.source_digest(registry.find(kind, name)))


def real_images(
    dataset: PluginSpec, config: EvaluationConfig, *, device: torch.device, cache: Path, say: Callable[[str], None]
) -> RealImagesOf:
    """The real side that a suite names. Reads nothing yet."""
    dataset_plugin = cast(Dataset, registry.make("dataset", dataset))
    extractor = cast(Extractor, registry.make("extractor", config.extractor))
    return RealImagesOf(
        dataset_plugin=dataset_plugin,
        named=named("dataset", dataset.name, dataset_plugin),
        extractor_plugin=extractor,
        extractor=named("extractor", config.extractor.name, extractor),
        config=config,
        device=device,
        cache=cache,
        say=say,
    )


def split_folder(cache: Path, dataset: Named, plugin: Dataset, split: Split) -> tuple[Path, dict[str, Json]]:
    """Where a split is kept, and the key that says what it is made of."""
    key: dict[str, Json] = {
        "dataset": dataset.spec.name,
        "options": dataset.spec.options,
        "source": dataset.source,
        "identity": plugin.identity(),
    }
    return cache / "data" / f"{dataset.spec.name}-{digest_of(key)[:16]}" / split, key


@dataclass(kw_only=True)
class RealImagesOf:
    """The real side of one data set under one evaluation: what metrics prepare from (`ganbench.Real`)."""

    dataset_plugin: Dataset
    named: Named
    extractor_plugin: Extractor
    extractor: Named
    config: EvaluationConfig
    device: torch.device
    cache: Path
    say: Callable[[str], None]

    @property
    def dataset(self) -> PluginSpec:
        return self.named.spec

    @functools.cached_property
    def info(self) -> DatasetInfo:
        return returned(DatasetInfo, self.dataset_plugin, "info", self.dataset_plugin.info())

    # --- images ------------------------------------------------------------------------------------
    def samples(self, split: Split) -> Samples:
        return self._samples[split]

    @functools.cached_property
    def _samples(self) -> _Splits:
        return _Splits(self._load_split)

    def _load_split(self, split: Split) -> Samples:
        folder, key = split_folder(self.cache, self.named, self.dataset_plugin, split)
        samples = load_samples(folder)
        if samples is None:
            self.say(f"{self.named.spec.name}: making the {split.replace('_', ' ')} images")
            with listening(Slowly(self.say, self.named.spec.name)):
                samples = make_split(self.dataset_plugin, split, folder, key)
            for skipped in samples.skipped:
                self.say(f"{self.named.spec.name}: left out {skipped}")
        return samples

    def digest(self, split: Split) -> str:
        return self.samples(split).digest

    # --- features ----------------------------------------------------------------------------------
    @functools.cached_property
    def network(self) -> FeatureExtractor:
        """The feature extractor, loaded on first use."""
        network = self.extractor_plugin.load(self.device, self.config.resize)
        if not callable(network):  # which raises
            returned(FunctionType, self.extractor_plugin, "load", network)
        return network

    def features(self, split: Split, count: int | None = None) -> Features:
        available = len(self.samples(split))
        count = min(count, available) if count is not None else available
        key: dict[str, Json] = {
            "data": self.digest(split),
            "count": count,
            "extractor": self.extractor.spec.name,
            "options": self.extractor.spec.options,
            "weights": self.extractor_plugin.digest(),
            "source": self.extractor.source,
            "resize": self.config.resize,
        }

        def make(path: Path) -> None:
            self.say(f"{self.extractor_plugin.title}: features of {count} real images ({split.replace('_', ' ')})")
            found = self._extract(split, count)
            arrays = {"pooled": found.pooled.numpy()}
            if found.logits is not None:
                arrays["logits"] = found.logits.numpy()
            with path.open("wb") as file:
                np.savez(file, allow_pickle=False, **arrays)

        with np.load(cached(self.cache / "features", key, make), allow_pickle=False) as arrays:
            logits = torch.from_numpy(arrays["logits"]) if "logits" in arrays else None
            return Features(pooled=torch.from_numpy(arrays["pooled"]), logits=logits)

    @property
    def extractor_title(self) -> str:
        return self.extractor_plugin.title or self.extractor.spec.name

    def extractor_digest(self) -> str:
        return digest_of(
            {
                "extractor": self.extractor.spec.name,
                "options": self.extractor.spec.options,
                "weights": self.extractor_plugin.digest(),
                "source": self.extractor.source,
            }
        )

    def _extract(self, split: Split, count: int) -> Features:
        images = torch.from_numpy(self.samples(split).images[:count])
        images = images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images
        size = self.config.batch_size
        seen = (self.network(images[i : i + size].to(self.device)) for i in range(0, count, size))
        parts = [returned(Features, self.extractor_plugin, "the network of load", part) for part in seen]
        logits = [part.logits for part in parts if part.logits is not None]
        return Features(pooled=torch.cat([part.pooled for part in parts]), logits=torch.cat(logits) if logits else None)

    # --- metrics -----------------------------------------------------------------------------------
    @functools.cached_property
    def metrics(self) -> dict[str, Metric]:
        """The metrics that the evaluation names."""
        return {spec.name: cast(Metric, registry.make("metric", spec)) for spec in self.config.metrics}

    def for_metric(self, name: str) -> RealOfMetric:
        """This, with a place of its own in the cache for one metric."""
        return RealOfMetric(self, named("metric", name, self.metrics[name]))


class _Splits(dict[Split, Samples]):
    """Each split is loaded once, on first use."""

    def __init__(self, load: Callable[[Split], Samples]):
        super().__init__()
        self._load = load

    def __missing__(self, split: Split) -> Samples:
        self[split] = self._load(split)
        return self[split]


class RealOfMetric:
    """The real side as one metric sees it: what it caches is kept apart from other metrics' and older sources'."""

    def __init__(self, real: RealImagesOf, metric: Named):
        self._real, self._metric = real, metric
        self.info, self.dataset, self.config, self.device = real.info, real.dataset, real.config, real.device
        self.samples, self.features, self.digest, self.say = real.samples, real.features, real.digest, real.say
        self.extractor_digest = real.extractor_digest

    def cached(self, key: dict[str, Json], make: Callable[[Path], None]) -> Path:
        whole: dict[str, Json] = {"metric": self._metric.spec.name, "source": self._metric.source, "key": key}
        return cached(self._real.cache / "metrics", whole, make)
