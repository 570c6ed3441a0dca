"""Real images as the streams that training and sampling draw from."""

from __future__ import annotations

from typing import Any, cast

from ganbench.api.data import Data, Samples
from ganbench.api.training import Training
from ganbench.cache import RealImagesOf
from ganbench.seeds import derive
from ganbench.train.data import RealImages, balanced


def real_data(training: Training, samples: Samples, seed: int) -> RealImages:
    return RealImages(
        training.parts.info,
        [samples],
        training.config,
        seed=seed,
        batches_per_step=training.procedure.batches_per_step(training.config),
        device=training.device,
    )


def sampling_streams(training: Training, real: RealImagesOf) -> dict[str, Data]:
    """Where sampled images get their labels: `data`, as frequent as in the training split (or balanced), and
    `conditions`, the combinations kept for testing."""
    seed = derive(training.seed, "sampling")
    source = real.samples("train")
    if real.config.label_sampling == "balanced":
        source = balanced(source, max(real.config.images, real.config.final_images), seed)
    streams: dict[str, Data] = {"data": real_data(training, source, seed)}
    if any(metric.images == "conditions" for metric in real.metrics.values()):
        split = "conditions" if real.info.counts.get("conditions") else "held_out"
        streams["conditions"] = real_data(training, real.samples(cast(Any, split)), seed)
    return streams
