"""Real images as the streams that training and sampling draw from."""

from __future__ import annotations

import torch

from ganbench.api.data import Data, Samples
from ganbench.api.training import Training
from ganbench.cache import RealImagesOf
from ganbench.evaluate import conditions_of
from ganbench.seeds import derive
from ganbench.train.data import RealImages, balanced


def real_data(training: Training, samples: Samples, seed: int, device: torch.device | None = None) -> RealImages:
    """A split as training draws from it, on the training's device unless another is named."""
    return RealImages(
        training.parts.info,
        [samples],
        training.config,
        seed=seed,
        batches_per_step=training.procedure.batches_per_step(training.config),
        device=device or training.device,
    )


def sampling_data(training: Training, samples: Samples, seed: int) -> RealImages:
    """A split as sampling draws labels from it: on the CPU, since its images are mostly not looked at."""
    return real_data(training, samples, seed, torch.device("cpu"))


def sampling_streams(training: Training, real: RealImagesOf) -> dict[str, Data]:
    """Where sampled images get their labels: `data`, as frequent as in the training split (or balanced), and
    `conditions`, the combinations kept for testing."""
    seed = derive(training.seed, "sampling")
    source = real.samples("train")
    if real.config.label_sampling == "balanced":
        source = balanced(source, max(real.config.images, real.config.final_images), seed)
    streams: dict[str, Data] = {"data": sampling_data(training, source, seed)}
    if any(metric.images == "conditions" for metric in real.metrics.values()):
        streams["conditions"] = sampling_data(training, real.samples(conditions_of(real.info)), seed)
    return streams
