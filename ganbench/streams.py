"""Real images as the streams that training and sampling draw from, and as the standard that health is measured by."""

from __future__ import annotations

import torch
from torch import nn

from ganbench.api.data import Data, Samples
from ganbench.api.training import Training
from ganbench.cache import RealImagesOf
from ganbench.evaluate import conditions_of, sources_of
from ganbench.phases import sampling_inputs
from ganbench.seeds import derive
from ganbench.train.data import RealImages, balanced, per_domain
from ganbench.train.health import Monitor
from ganbench.train.health.discriminator import chance
from ganbench.train.health.probe import Prober

FEWEST_REALS = 16  # training images, below which nothing can be said about a run's health


def real_data(training: Training, samples: Samples, seed: int, device: torch.device | None = None) -> RealImages:
    """A split as training draws from it, on the training's device unless another is named."""
    return RealImages(
        training.parts.info,
        per_domain(samples, training.parts.info),
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
    `conditions`, the combinations kept for testing. Translated images are made from images, of `sources_of`."""
    seed = derive(training.seed, "sampling")
    source = real.samples(sources_of(real.info))
    if real.config.label_sampling == "balanced":
        source = balanced(source, max(real.config.images, real.config.final_images), seed)
    streams: dict[str, Data] = {"data": sampling_data(training, source, seed)}
    if any(metric.images == "conditions" for metric in real.metrics.values()):
        streams["conditions"] = sampling_data(training, real.samples(conditions_of(real.info)), seed)
    return streams


def monitor(training: Training, real: RealImagesOf, labels: Data) -> Monitor | None:
    """The diagnostics of a run, calibrated on the real images; None where there are hardly any."""
    if len(real.samples("train")) < FEWEST_REALS:
        return None
    info, found = real.info, chance(training.loss)
    # The critic's logits have no zero under a loss without a bottom; of two D's nobody knows who judges what.
    several = len(info.domains) > 1 or isinstance(training.networks.discriminator, nn.ModuleDict)
    asked = found.loss > 0 and not several
    return Monitor(
        prober=Prober(
            training,
            real.samples("train"),
            real.samples("held_out") if info.counts.get("held_out") else None,
            lambda n: sampling_inputs(training, n, labels, "health"),
            found.logit if asked else None,
        ),
        chance=found,
    )
