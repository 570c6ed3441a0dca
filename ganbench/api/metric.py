"""Metrics: numbers for a set of generated images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

from ganbench.api.config import EvaluationConfig, Json, PluginSpec
from ganbench.api.plugin import Plugin

if TYPE_CHECKING:
    import torch

    from ganbench.api.data import DatasetInfo, ImageSet, Samples, Split
    from ganbench.api.extractor import Features


@dataclass(frozen=True, kw_only=True)
class MetricKey:
    """One number that a metric gives, and how it is compared between runs."""

    name: str  # `fid`, `conditional_accuracy/hair`
    direction: Literal["lower", "higher"]  # which is better
    # ratio: always > 0, averaged and compared on the log scale; difference: may be 0 or below, or is a share
    scale: Literal["ratio", "difference"]
    margin: float  # default margin: a share (0.05 is 5 %) for ratios, absolute for differences
    title: str = ""  # of its column; empty: the name


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One set of sampled images with its features."""

    images: ImageSet
    features: Features | None  # None where no metric of the suite needs features
    gallery: dict[str, ImageSet] | None = None  # what the procedure shows of each input; for metrics that need it
    step: int = 0
    final: bool = False  # the last, larger evaluation


class Real(Protocol):
    """The real side, cached by content: what a metric may ask for when it prepares."""

    @property
    def info(self) -> DatasetInfo: ...
    @property
    def dataset(self) -> PluginSpec: ...
    @property
    def config(self) -> EvaluationConfig: ...
    @property
    def device(self) -> torch.device: ...

    def samples(self, split: Split) -> Samples:
        """Images and labels of a split."""
        ...

    def features(self, split: Split, count: int | None = None) -> Features:
        """Features of the first `count` images of a split (all by default), as the suite's extractor sees them."""
        ...

    def digest(self, split: Split) -> str:
        """sha256 of a split's pixels and labels."""
        ...

    def extractor_digest(self) -> str:
        """sha256 of the extractor: weights, options, source. With images and `config.resize`, it fixes the features."""
        ...

    def cached(self, key: dict[str, Json], make: Callable[[Path], None]) -> Path:
        """The file that `make(path)` writes, made once per key. The key must name all that the content depends on
        (digests of data and weights, options); the metric's own name and source are added."""
        ...

    def say(self, message: str) -> None:
        """A line of progress for the user."""
        ...


@dataclass(frozen=True, kw_only=True)
class Judge:
    """A metric, ready to measure. `protocol` must be equal within a table; `notes` are printed beside the scores."""

    measure: Callable[[Measured], dict[str, float]]  # keys as declared by `keys`; NaN never
    protocol: dict[str, Json] = field(default_factory=dict)
    notes: dict[str, Json] = field(default_factory=dict)  # floors and ceilings: {"fid_floor": 12.3}
    tables: Callable[[Measured], dict[str, Json]] | None = None  # larger results of the last evaluation: confusion


@dataclass(frozen=True, kw_only=True)
class Metric(Plugin):
    """Declares its keys, prepares once per data set and extractor, and measures."""

    needs_features: ClassVar[bool] = False
    needs_gallery: ClassVar[bool] = False  # all images that the procedure shows, not its samples alone
    images: ClassVar[Literal["data", "conditions"]] = "data"  # whose labels are asked of G: the data's, or the test's

    def keys(self, info: DatasetInfo) -> list[MetricKey]:
        """What `measure` returns for this data set; the first one stands for the metric."""
        raise NotImplementedError

    def problem(self, info: DatasetInfo, config: EvaluationConfig) -> str | None:
        """A sentence that says why this metric cannot be computed here (no labels, too few images), or None."""
        return None

    def prepare(self, real: Real) -> Judge:
        """Slow the first time (statistics, evaluators), quick from the cache afterwards: called before any cell
        starts, and again in every cell."""
        raise NotImplementedError
