"""A small stand-in for the harness's real side, and one set of images scored by torch-fidelity itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ganbench import (
    DatasetInfo,
    EvaluationConfig,
    FeatureExtractor,
    Features,
    ImageSet,
    Json,
    Measured,
    PluginSpec,
    Samples,
    Split,
)
from ganbench_zoo.extractors.efficientnet_lite0 import EfficientNetLite0
from ganbench_zoo.metrics.fidelity import register_extractor


@dataclass(kw_only=True)
class SmallReal:
    """Implements `ganbench.Real`, and notes what was asked of it."""

    images: dict[Split, Tensor]
    extractor: FeatureExtractor
    config: EvaluationConfig
    folder: Path
    dataset: PluginSpec = PluginSpec(name="small")
    device: torch.device = torch.device("cpu")
    keys: list[dict[str, Json]] = field(default_factory=list)
    made: int = 0
    known: dict[tuple[Split, int | None], Features] = field(default_factory=dict, init=False)

    @property
    def info(self) -> DatasetInfo:
        return DatasetInfo(shape=(3, 32, 32), counts={split: len(images) for split, images in self.images.items()})

    def samples(self, split: Split) -> Samples:
        return Samples(images=self.images[split].numpy())

    def features(self, split: Split, count: int | None = None) -> Features:
        if (split, count) not in self.known:
            self.known[split, count] = self.extractor(self.images[split][:count])
        return self.known[split, count]

    def digest(self, split: Split) -> str:
        return self.samples(split).digest

    def extractor_digest(self) -> str:
        return "small"

    def cached(self, key: dict[str, Json], make: Callable[[Path], None]) -> Path:
        self.keys.append(key)
        path = self.folder / hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
        if not path.exists():
            self.made += 1
            make(path)
        return path

    def say(self, message: str) -> None:
        pass

    def measured(self, images: Tensor) -> Measured:
        return Measured(images=ImageSet(images=images), features=self.extractor(images))


def make_blurry(count: int, seed: int, brightness: float = 1.0) -> Tensor:
    """uint8 images N 3 32 32 of smooth coloured noise."""
    rng = torch.Generator().manual_seed(seed)
    coarse = 128 + 40 * torch.randn(count, 3, 8, 8, generator=rng) + 30 * torch.randn(count, 3, 1, 1, generator=rng)
    return (brightness * torch.nn.functional.interpolate(coarse, (32, 32), mode="bilinear")).clamp(0, 255).byte()


def projected(images: Tensor) -> Features:
    """A quick extractor: 12 fixed random projections, and 5 logits that depend on the colours."""
    flat = images.flatten(1).float() / 255
    rng = torch.Generator().manual_seed(0)
    pooled = flat @ torch.randn(flat.shape[1], 12, generator=rng) / 8
    return Features(pooled=pooled, logits=pooled @ torch.randn(12, 5, generator=rng))


def make_real(folder: Path, extractor: FeatureExtractor = projected, **config: object) -> SmallReal:
    sizes = {"images": 100, "final_images": 150}
    return SmallReal(
        images={"train": make_blurry(250, 1), "held_out": make_blurry(120, 2)},
        extractor=extractor,
        config=EvaluationConfig(**(sizes | config)),  # type: ignore[arg-type]
        folder=folder,
    )


@pytest.fixture
def real(tmp_path: Path) -> SmallReal:
    return make_real(tmp_path)


@pytest.fixture
def real_with(tmp_path: Path) -> Callable[..., SmallReal]:
    """Call it with fields of the evaluation."""
    return partial(make_real, tmp_path)


@pytest.fixture
def blurry() -> Callable[..., Tensor]:
    """Call it with a number of images, a seed and a brightness."""
    return make_blurry


@dataclass(frozen=True, kw_only=True)
class Oracle:
    """Real images, generated ones, and what torch-fidelity's own pipeline says about them."""

    real: SmallReal
    measured: Measured
    scores: dict[str, float]


class _Images(torch.utils.data.Dataset[Tensor]):
    def __init__(self, images: Tensor):
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:
        return self.images[index]


@pytest.fixture(scope="session")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Oracle:
    from torch_fidelity import calculate_metrics

    extractor = EfficientNetLite0().load(torch.device("cpu"), 64)
    register_extractor("test-lite0", extractor)
    real, fake = make_real(tmp_path_factory.mktemp("cache"), extractor), make_blurry(200, 3, brightness=0.9)
    del real.images["held_out"]  # no floors, to be quick
    scores = calculate_metrics(
        input1=_Images(fake),
        input2=_Images(real.images["train"]),
        feature_extractor="test-lite0",
        isc=True,
        fid=True,
        kid=True,
        prc=True,
        kid_subset_size=200,  # as many as there are; the other options are torch-fidelity's defaults
        batch_size=64,
        cuda=False,
        cache=False,
        save_cpu_ram=True,
        verbose=False,
    )
    return Oracle(real=real, measured=real.measured(fake), scores=scores)
