"""The only module that knows the layout of the cache: data sets as uint8, features and statistics of real images,
evaluators. Everything in it is named by a digest of what it was made of, and can be deleted at any time."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import secrets
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch

from ganbench import registry
from ganbench.api.config import EvaluationConfig, Json, PluginSpec
from ganbench.api.data import DatasetInfo, Samples, Split
from ganbench.api.dataset import Dataset
from ganbench.api.extractor import Extractor, FeatureExtractor, Features
from ganbench.api.metric import Metric
from ganbench.api.plugin import Kind, Plugin
from ganbench.errors import DataError


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
        return self.dataset_plugin.info()

    # --- images ------------------------------------------------------------------------------------
    def samples(self, split: Split) -> Samples:
        return self._samples[split]

    @functools.cached_property
    def _samples(self) -> _Splits:
        return _Splits(self._load_split)

    def _load_split(self, split: Split) -> Samples:
        key: dict[str, Json] = {
            "dataset": self.named.spec.name,
            "options": self.named.spec.options,
            "source": self.named.source,
            "identity": self.dataset_plugin.identity(),
        }
        folder = self.cache / "data" / f"{self.named.spec.name}-{digest_of(key)[:16]}" / split
        samples = load_samples(folder)
        if samples is None:
            self.say(f"{self.named.spec.name}: making the {split.replace('_', ' ')} images")
            samples = self.dataset_plugin.make(split)
            save_samples(samples, folder, key)
        return samples

    def digest(self, split: Split) -> str:
        return self.samples(split).digest

    # --- features ----------------------------------------------------------------------------------
    @functools.cached_property
    def network(self) -> FeatureExtractor:
        """The feature extractor, loaded on first use."""
        return self.extractor_plugin.load(self.device, self.config.resize)

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
        parts = [self.network(images[i : i + size].to(self.device)) for i in range(0, count, size)]
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


# --- files -------------------------------------------------------------------------------------------
def digest_of(key: Json) -> str:
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()


def cached(folder: Path, key: dict[str, Json], make: Callable[[Path], None]) -> Path:
    """The file for this key, made if it is not there or not whole. Two processes may make it at once: both make the
    same, and the first one's stays."""
    entry = folder / digest_of(key)
    content, seal = entry / "content", entry / "sha256"
    if entry.exists():
        try:
            if seal.read_text() == file_digest(content):
                return content
        except (OSError, ValueError):
            pass
        set_aside(entry)
    with filled(entry) as partial:
        make(partial / "content")
        (partial / "sha256").write_text(file_digest(partial / "content"))
    return content


def file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def filled(folder: Path) -> Iterator[Path]:
    """A new folder to write into, which gets its name when it is complete; another process may be faster."""
    partial = folder.with_name(f".{folder.name[:16]}.{secrets.token_hex(4)}.partial")
    try:
        partial.mkdir(parents=True)
        yield partial
        try:
            partial.rename(folder)
        except OSError:
            if not folder.exists():
                raise
    except OSError as error:
        raise DataError(f"{folder}: cannot be made ({error})") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def set_aside(folder: Path) -> None:
    """Out of the way, but not lost: `*.corrupt`."""
    with contextlib.suppress(OSError):  # another process may have done it
        folder.replace(folder.with_name(f"{folder.name}.{secrets.token_hex(4)}.corrupt"))


def save_samples(samples: Samples, folder: Path, key: dict[str, Json]) -> None:
    """A split as .npy files, complete or not there at all."""
    with filled(folder) as partial:
        np.save(partial / "images.npy", samples.images, allow_pickle=False)
        names = list(samples.labels)
        for index, name in enumerate(names):  # numbered: a label may be named anything
            np.save(partial / f"label{index}.npy", samples.labels[name], allow_pickle=False)
        facts = {"key": key, "labels": names, "domain": samples.domain, "sha256": samples.digest}
        (partial / "facts.json").write_text(json.dumps(facts))


def load_samples(folder: Path) -> Samples | None:
    """A split from the cache, checked against its digest; None, and out of the way, if it is not whole."""
    if not folder.exists():
        return None
    try:
        facts = json.loads((folder / "facts.json").read_text())
        images = np.load(folder / "images.npy", allow_pickle=False)
        labels = {
            str(name): np.load(folder / f"label{index}.npy", allow_pickle=False)
            for index, name in enumerate(facts["labels"])
        }
        samples = Samples(images=images, labels=labels, domain=str(facts["domain"]))
        if samples.digest == facts["sha256"]:
            return samples
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        pass
    set_aside(folder)
    return None
