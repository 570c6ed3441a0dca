"""Sample once -> ImageSet -> features once -> every metric. Watching changes nothing of the run that is watched."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch
from torch import Tensor

from ganbench.accuse import returned
from ganbench.api.config import EvaluationConfig, Json
from ganbench.api.data import Data, DatasetInfo, ImageSet, Samples, Split, rgb
from ganbench.api.extractor import FeatureExtractor, Features
from ganbench.api.metric import Judge, Measured, Metric, MetricKey, Real
from ganbench.api.training import SamplingInputs, Training
from ganbench.errors import ConfigError, GanbenchError
from ganbench.phases import gallery, sample, sampling_inputs
from ganbench.seeds import derive

DIVERSITY_IMAGES = 500  # real images whose mean pairwise distance stands for the data's


@dataclass(frozen=True, kw_only=True)
class Panel:
    """All metrics of a suite, ready to measure."""

    config: EvaluationConfig
    judges: dict[str, tuple[Metric, Judge]]  # metric plugin's name -> it and its judge
    keys: list[MetricKey]
    extract: Callable[[], FeatureExtractor] | None  # loads the network on first use; None where no metric needs it
    real_distance: float  # mean pairwise distance of real images, in features or pixels
    protocol: dict[str, Json]  # must be equal within a table

    @property
    def notes(self) -> dict[str, Json]:
        """Floors and ceilings."""
        return {key: value for _, judge in self.judges.values() for key, value in judge.notes.items()}


@dataclass(frozen=True, kw_only=True)
class Scores:
    """One evaluation."""

    metrics: dict[str, float]
    diversity: float  # mean pairwise distance of the fakes over that of the reals
    tables: dict[str, Json] = field(default_factory=dict)  # by metric


class RealSide(Protocol):
    """The real side, from which each metric gets its own view."""

    @property
    def info(self) -> DatasetInfo: ...
    @property
    def config(self) -> EvaluationConfig: ...
    def samples(self, split: Split) -> Samples: ...
    def features(self, split: Split, count: int | None = None) -> Features: ...
    def digest(self, split: Split) -> str: ...
    def extractor_digest(self) -> str: ...
    @property
    def extractor_title(self) -> str: ...
    def for_metric(self, name: str) -> Real: ...


def prepare_panel(metrics: Mapping[str, Metric], real: RealSide, extract: Callable[[], FeatureExtractor]) -> Panel:
    """Ask every metric to get ready; slow the first time, quick from the cache. Raises ConfigError with a sentence per
    metric that cannot be computed on these data."""
    problems = [f"{name}: {p}" for name, metric in metrics.items() if (p := metric.problem(real.info, real.config))]
    if problems:
        raise ConfigError("\n".join(problems))
    judges = {name: (metric, judge_of(metric, real.for_metric(name))) for name, metric in metrics.items()}
    needs_features = any(metric.needs_features for metric in metrics.values())
    if needs_features:
        points = real.features(real.config.reference, DIVERSITY_IMAGES).pooled
    else:
        points = rgb(torch.from_numpy(real.samples(real.config.reference).images[:DIVERSITY_IMAGES])).flatten(1)
    return Panel(
        config=real.config,
        judges=judges,
        keys=[titled(key, *judge, real) for judge in judges.values() for key in keys_of(judge[0], real.info)],
        extract=extract if needs_features else None,
        real_distance=mean_distance(points),
        protocol=protocol(real, judges),
    )


def keys_of(metric: Metric, info: DatasetInfo) -> list[MetricKey]:
    return [returned(MetricKey, metric, "keys", key) for key in metric.keys(info)]


def judge_of(metric: Metric, real: Real) -> Judge:
    return returned(Judge, metric, "prepare", metric.prepare(real))


def titled(key: MetricKey, metric: Metric, judge: Judge, real: RealSide) -> MetricKey:
    """The key with its protocol in the title: "FID (EfficientNet-Lite0, 2000 images)"."""
    judged_by = real.extractor_title if metric.needs_features else judge.protocol.get("evaluator")
    said = ", ".join([str(judged_by)] * bool(judged_by) + [f"{real.config.images} images"])
    return replace(key, title=f"{key.title or key.name} ({said})")


def protocol(real: RealSide, judges: Mapping[str, tuple[Metric, Judge]]) -> dict[str, Json]:
    """What must agree before two numbers stand in one table. The sampler is not part of it: it belongs to the trick."""
    config = real.config
    return {
        "data": real.digest(config.reference),
        "reference": config.reference,
        "reference_images": config.reference_images or len(real.samples(config.reference)),
        "extractor": config.extractor.name,
        "extractor_digest": real.extractor_digest(),
        "resize": config.resize,
        "images": config.images,
        "final_images": config.final_images,
        "window": config.window,
        "label_sampling": config.label_sampling,
        **({"conditions": real.digest(conditions_of(real.info))} if asks_conditions(judges) else {}),
        **({"sources": real.digest(sources_of(real.info))} if real.info.domain_label else {}),
        "metrics": {name: judge.protocol for name, (_, judge) in judges.items()},
    }


def asks_conditions(judges: Mapping[str, tuple[Metric, Judge]]) -> bool:
    """Whether any metric asks G for the test conditions."""
    return any(metric.images == "conditions" for metric, _ in judges.values())


def conditions_of(info: DatasetInfo) -> Split:
    """The split whose labels are the test conditions: `conditions`, or `held_out` where a data set has none."""
    return "conditions" if info.counts.get("conditions") else "held_out"


def sources_of(info: DatasetInfo) -> Split:
    """The split that samples take their labels from and, where images are translated, the images: held-out ones then,
    for how well a network translates what it was trained on says little."""
    return "held_out" if info.domain_label and info.counts.get("held_out") else "train"


def evaluate(
    training: Training,
    panel: Panel,
    streams: Mapping[str, Data],
    *,
    count: int,
    final: bool = False,
    check: Callable[[], None] = lambda: None,
) -> Scores:
    """Sample `count` images per stream of labels that a metric asks for, and measure them.

    streams: "data" holds the data's labels, "conditions" the test conditions. `check` is called between batches, and
    may raise to stop in time. The images are the same function of the weights whenever this is called.
    """
    measured: dict[str, Measured] = {}
    for stream in sorted({metric.images for metric, _ in panel.judges.values()} | {"data"}):
        wanted = any(metric.needs_features and metric.images == stream for metric, _ in panel.judges.values())
        shown = any(metric.needs_gallery and metric.images == stream for metric, _ in panel.judges.values())
        inputs = sampling_inputs(training, count, streams[stream], stream)
        images = sampled(training, panel.config, inputs, stream)
        found = features_of(images, panel, training.device, check) if wanted or stream == "data" else None
        views = galleries(training, panel.config, inputs, stream) if shown else None
        measured[stream] = Measured(images=images, features=found, gallery=views, step=training.step, final=final)
        check()
    metrics: dict[str, float] = {}
    tables: dict[str, Json] = {}
    for name, (metric, judge) in panel.judges.items():
        metrics |= finite(name, judge.measure(measured[metric.images]))
        if final and judge.tables is not None:
            tables[name] = judge.tables(measured[metric.images])
    fakes = measured["data"]
    points = fakes.features.pooled if fakes.features is not None else fakes.images.images.flatten(1)
    return Scores(metrics=metrics, diversity=mean_distance(points) / max(panel.real_distance, 1e-12), tables=tables)


def finite(metric: str, values: dict[str, float]) -> dict[str, float]:
    """What a metric measured; it must not be NaN, which would spread into every mean."""
    if not isinstance(values, dict):
        raise GanbenchError(f"the metric {metric} gave {type(values).__name__}, not numbers by their names")
    for key, value in values.items():
        if not math.isfinite(value):
            raise GanbenchError(f"the metric {metric} gave {key} = {value}")
    return values


def sampled(training: Training, config: EvaluationConfig, inputs: SamplingInputs, stream: str) -> ImageSet:
    """An image for each input, with the labels that were asked for."""
    images = sample(
        training,
        inputs,
        purpose=stream,
        weights=config.weights,
        batch_norm=config.batch_norm,
        batch_size=config.batch_size,
    )
    return labelled(images, inputs)


def galleries(training: Training, config: EvaluationConfig, inputs: SamplingInputs, stream: str) -> dict[str, ImageSet]:
    """All that the procedure shows of each input."""
    made = gallery(
        training,
        inputs,
        purpose=stream,
        weights=config.weights,
        batch_norm=config.batch_norm,
        batch_size=config.batch_size,
    )
    return {name: labelled(images, inputs) for name, images in made.items()}


def labelled(images: Tensor, inputs: SamplingInputs) -> ImageSet:
    return ImageSet(images=rgb(images), labels={name: value.cpu() for name, value in inputs.labels.items()})


def features_of(images: ImageSet, panel: Panel, device: torch.device, check: Callable[[], None]) -> Features | None:
    """Features of an image set, in one pass for all metrics."""
    if panel.extract is None:
        return None
    network, size = panel.extract(), panel.config.batch_size
    parts = []
    for start in range(0, len(images), size):
        parts.append(network(images.images[start : start + size].to(device)))
        check()
    logits = [part.logits for part in parts if part.logits is not None]
    return Features(pooled=torch.cat([part.pooled for part in parts]), logits=torch.cat(logits) if logits else None)


def mean_distance(points: Tensor, pairs: int = 1000) -> float:
    """Mean Euclidean distance of (the same) random pairs of rows of `points` [N, F]."""
    rng = torch.Generator().manual_seed(derive(0, "pairs"))
    a, b = torch.randint(len(points), (2, pairs), generator=rng)
    apart = a != b
    return float((points[a[apart]].float() - points[b[apart]].float()).norm(dim=1).mean())


# --- from evaluations to the score of a run --------------------------------------------------------------
def run_scores(
    window: Iterable[Mapping[str, float]],
    everything: Iterable[Mapping[str, float]],
    last: Mapping[str, float],
    keys: Iterable[MetricKey],
) -> dict[str, float]:
    """The score of each metric over the window (not the best, not one lucky checkpoint), and beside it `<key>_last`
    (the large final evaluation) and `<key>_best` (optimistic: the best of all evaluations)."""
    window, everything = list(window), list(everything)
    scores: dict[str, float] = {}
    for key in keys:
        values = [record[key.name] for record in window if key.name in record]
        if not values:
            continue
        scores[key.name] = window_mean(values, key)
        if key.name in last:
            scores[f"{key.name}_last"] = last[key.name]
        seen = [record[key.name] for record in everything if key.name in record]
        scores[f"{key.name}_best"] = min(seen) if key.direction == "lower" else max(seen)
    return scores


def window_mean(values: list[float], key: MetricKey) -> float:
    """Geometric mean of ratios; arithmetic mean of metrics that may be 0 or below, and of shares."""
    if key.scale == "ratio" and min(values) > 0:
        return math.exp(sum(map(math.log, values)) / len(values))
    return sum(values) / len(values)
