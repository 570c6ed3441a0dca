"""Conformance of data sets, extractors and metrics."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from torch import Tensor

from ganbench.api.config import EvaluationConfig, Json, PluginSpec
from ganbench.api.data import DatasetInfo, ImageSet, LabelInfo, Samples, Split, rgb
from ganbench.api.dataset import Dataset
from ganbench.api.extractor import Extractor, Features
from ganbench.api.metric import Judge, Measured, Metric
from ganbench.errors import DataError
from ganbench.testing.outcome import NotChecked
from ganbench.testing.watch import assert_not_reseeded, unedited

SPLITS: tuple[Split, ...] = get_args(Split)


# --- data sets -------------------------------------------------------------------------------------
def check_dataset(dataset: Dataset) -> None:
    """`info` tells the truth, splits are uint8 and hold what it says, and are the same when they are made again."""
    try:
        info = assert_not_reseeded("info", dataset.info)
        identity = dataset.identity()
    except DataError as error:
        raise NotChecked(f"the data are not here: {error}") from error
    check_info(info)
    assert identity is None or json.loads(json.dumps(identity)) == identity, "identity must be plain JSON, or None"
    made = {split: dataset.make(split) for split in SPLITS if info.counts.get(split)}
    for split, samples in made.items():
        check_samples(split, samples, info)
    smallest = min(made, key=lambda split: len(made[split]))
    again = assert_not_reseeded("make", lambda: dataset.make(smallest))
    assert again.digest == made[smallest].digest, (
        f"make({smallest!r}) gives other images each time: seed a generator of your own from the options, "
        "np.random.default_rng(self.seed)"
    )
    if "held_out" in made:
        assert made["train"].digest != made["held_out"].digest, "held_out must hold images that train does not"
        train, held = ({image.tobytes() for image in made[split].images} for split in ("train", "held_out"))
        assert not held <= train, "every image of held_out is in train, too: no GAN may train on it"


def check_info(info: DatasetInfo) -> None:
    channels, height, width = info.shape
    assert channels in (1, 3), f"info: images have 1 or 3 channels, not {channels}"
    assert height == width, f"info: images are square, not {height} x {width}: crop or pad them"
    assert info.counts.get("train", 0) > 0, "info: counts must say how many images `train` has"
    assert info.counts.keys() <= set(SPLITS), f"info: counts may name {', '.join(SPLITS)}, not {set(info.counts)}"


def check_samples(split: Split, samples: Samples, info: DatasetInfo) -> None:
    images, n = samples.images, len(samples)
    assert images.dtype == np.uint8, f"make({split!r}): images are uint8, not {images.dtype}: scale them to 0..255"
    assert images.shape[1:] == info.shape, f"make({split!r}): images are {images.shape[1:]}, and info says {info.shape}"
    assert n == info.counts[split], f"make({split!r}) gives {n} images, and info counts {info.counts[split]}"
    assert samples.labels.keys() == info.labels.keys(), (
        f"make({split!r}) gives the labels {sorted(samples.labels)}, and info says {sorted(info.labels)}"
    )
    for name, label in info.labels.items():
        check_label(f"make({split!r}): the label {name}", samples.labels[name], label, n)


def check_label(what: str, values: np.ndarray, label: LabelInfo, n: int) -> None:
    if label.kind == "class":
        assert values.shape == (n,), f"{what} is a class, so it has one number per image, not {values.shape}"
        assert values.dtype.kind in "iu", f"{what} is a class, so it holds whole numbers, not {values.dtype}"
        assert values.min() >= 0 and values.max() < label.size, f"{what} leaves 0..{label.size - 1}"
        return
    assert values.shape == (n, label.size), f"{what} has {label.size} columns, so {(n, label.size)}, not {values.shape}"
    assert np.isfinite(values).all(), f"{what} is not finite"
    if label.kind == "flags":
        assert np.isin(values, (0, 1)).all(), f"{what} holds flags, so 0 and 1 only"


# --- extractors ------------------------------------------------------------------------------------
def check_extractor(extractor: Extractor, resize: int | None = 32) -> None:
    """Features in fp32 on the CPU, a row per image that depends on that image alone, of frozen weights."""
    assert extractor.title, "title is empty; it stands in the title of every column"
    try:
        digest = extractor.digest()
        assert digest == extractor.digest() and digest, "digest must name the weights, the same each time"
        extract = assert_not_reseeded("load", lambda: extractor.load(torch.device("cpu"), resize))
    except DataError as error:
        raise NotChecked(f"the weights are not here: {error}") from error
    images = noise(6, 24)
    with unedited("the network", [images]):
        found = assert_not_reseeded("the network", lambda: extract(images))
    check_features(found, 6)
    again = extract(images)
    assert torch.equal(found.pooled, again.pooled), "the same images give other features: load it in eval mode"
    alone = torch.cat([extract(images[i : i + 1]).pooled for i in range(3)])
    assert torch.allclose(alone, found.pooled[:3], rtol=1e-3, atol=1e-4 * float(found.pooled.abs().max())), (
        "features of an image depend on the others in its batch: load the network in eval mode"
    )
    assert not torch.allclose(found.pooled[0], found.pooled[1]), "two images have the same features"
    if resize is not None:
        larger = extract(noise(2, 40)).pooled
        assert larger.shape[1] == found.pooled.shape[1], "images of every size have as many features"


def check_features(found: Features, n: int) -> None:
    for name, values in (("pooled", found.pooled), ("logits", found.logits)):
        if values is None:
            continue
        assert values.ndim == 2 and len(values) == n, f"{name} must be [N, F], not {list(values.shape)}"
        assert values.dtype == torch.float32, f"{name} must be float32, not {values.dtype}: no autocast, no half"
        assert values.device.type == "cpu", f"{name} must be on the CPU: .cpu()"
        assert values.isfinite().all(), f"{name} must be finite"
        assert not values.requires_grad, f"{name} must have no gradient: freeze the network, torch.no_grad()"


def noise(n: int, size: int, seed: int = 0) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, 3, size, size), dtype=torch.uint8, generator=rng)


# --- metrics ---------------------------------------------------------------------------------------
def check_metric(metric: Metric) -> None:
    """It measures the keys that it declares, finite and the same each time, and real images at least as well as noise.

    Tried on coloured blobs with labels, without, and in grey; where `problem` refuses all of them, nothing is checked.
    """
    refused = []
    for labels, channels in ((True, 3), (False, 3), (True, 1)):
        real = TinyReal(info=blob_info(labels, channels))
        if sentence := metric.problem(real.info, real.config):
            refused.append(sentence)
            continue
        with tempfile.TemporaryDirectory() as folder:
            real.folder = Path(folder)
            check_metric_on(metric, real)
    if len(refused) == 3:
        raise NotChecked(f"it refuses the data of the check: {refused[0]}")


def check_metric_on(metric: Metric, real: TinyReal) -> None:
    keys = metric.keys(real.info)
    names = [key.name for key in keys]
    assert names and len(set(names)) == len(names), "keys must name at least one number, and each once"
    for key in keys:
        assert key.margin > 0, f"the margin of {key.name} must be above 0: from which difference on does it matter?"
    judge = assert_not_reseeded("prepare", lambda: metric.prepare(real))
    json.dumps([judge.protocol, judge.notes], allow_nan=False)
    like, unlike = real.measured("held_out"), real.measured("held_out", spoilt=True)
    with unedited("measure", like):
        scores = assert_not_reseeded("measure", lambda: judge.measure(like))
    check_scores(scores, names)
    assert judge.measure(like) == scores, "measure gives other numbers each time: seed a generator of your own"
    others = judge.measure(unlike)
    check_scores(others, names)
    first = keys[0]
    better = scores[first.name] <= others[first.name]
    better = better if first.direction == "lower" else scores[first.name] >= others[first.name]
    # So few images may well leave no difference but rounding, as with the inception score.
    assert better or math.isclose(scores[first.name], others[first.name], rel_tol=1e-3), (
        f"{first.name} says that {first.direction} is better, and rates noise ({others[first.name]:.4g}) above real "
        f"images ({scores[first.name]:.4g}): is the direction right?"
    )
    for key in keys:
        if key.scale == "ratio":
            assert scores[key.name] > 0, f"{key.name} is compared as a ratio, so it is above 0; else scale='difference'"
    check_tables(judge, like)


def check_scores(scores: dict[str, float], names: list[str]) -> None:
    assert sorted(scores) == sorted(names), f"measure gives {sorted(scores)}, and keys declares {sorted(names)}"
    for name, value in scores.items():
        assert isinstance(value, float | int) and math.isfinite(value), f"measure gives {name} = {value!r}: float(...)"


def check_tables(judge: Judge, measured: Measured) -> None:
    if judge.tables is not None:
        json.dumps(judge.tables(replace(measured, final=True)), allow_nan=False)


def blob_info(labels: bool, channels: int) -> DatasetInfo:
    known = {"colour": LabelInfo(kind="class", size=3)} if labels else {}
    return DatasetInfo(shape=(channels, 32, 32), counts={"train": 160, "held_out": 96, "conditions": 0}, labels=known)


def blobs(info: DatasetInfo, n: int, seed: int) -> Samples:
    """Discs of three colours on a dark ground."""
    rng = np.random.default_rng(seed)
    kind, where, radius = rng.integers(0, 3, n), rng.uniform(10, 22, (n, 2)), rng.uniform(4, 9, n)
    y, x = np.mgrid[: info.size, : info.size]
    inside = np.hypot(y - where[:, 0, None, None], x - where[:, 1, None, None]) < radius[:, None, None]  # n H W
    colours = np.array([[220, 60, 40], [50, 200, 60], [60, 70, 230]])[kind][:, : info.channels, None, None]
    images = np.where(inside[:, None], colours, 25) + rng.integers(-10, 11, (n, info.channels, info.size, info.size))
    labels: dict[str, np.ndarray] = {"colour": kind} if info.labels else {}
    return Samples(images=images.clip(0, 255).astype(np.uint8), labels=labels)


@dataclass(kw_only=True)
class TinyReal:
    """The real side (`ganbench.Real`) of a few coloured blobs, with features that need no network."""

    info: DatasetInfo
    folder: Path = Path()
    dataset: PluginSpec = PluginSpec(name="blobs")
    config: EvaluationConfig = EvaluationConfig(images=96, final_images=96, batch_size=32, resize=None)
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @cached_property
    def made(self) -> dict[str, Samples]:
        return {split: blobs(self.info, n, seed) for seed, (split, n) in enumerate(self.info.counts.items())}

    def samples(self, split: Split) -> Samples:
        return self.made[split]

    def features(self, split: Split, count: int | None = None) -> Features:
        return plain_features(rgb(torch.from_numpy(self.samples(split).images[:count])))

    def digest(self, split: Split) -> str:
        return self.samples(split).digest

    def extractor_digest(self) -> str:
        return "0" * 64

    def cached(self, key: dict[str, Json], make: Callable[[Path], None]) -> Path:
        path = self.folder / f"{len(list(self.folder.iterdir()))}"
        make(path)
        return path

    def say(self, message: str) -> None:
        """Nobody waits for it."""

    def measured(self, split: Split, spoilt: bool = False) -> Measured:
        samples = self.samples(split)
        images = rgb(torch.from_numpy(samples.images)).contiguous()
        if spoilt:
            images = noise(len(images), self.info.size)
        labels = {name: torch.from_numpy(values) for name, values in samples.labels.items()}
        shown = ImageSet(images=images, labels=labels)
        return Measured(images=shown, features=plain_features(images), gallery={"sample": shown})


def plain_features(images: Tensor) -> Features:
    """Means of colour and their spread in a few fields, and the colour as a class."""
    scaled = images.float() / 255
    pooled = torch.nn.functional.adaptive_avg_pool2d(scaled, 2).flatten(1)
    spread = scaled.flatten(2).std(2)
    return Features(pooled=torch.cat([pooled, spread], 1), logits=10 * scaled.flatten(2).amax(2))
