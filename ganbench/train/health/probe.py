"""One look at a run: sample, measure, change nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ganbench.api.data import Batch, Labels, Samples
from ganbench.api.training import SamplingInputs, Training
from ganbench.phases import to_uint8, watching
from ganbench.train.data import as_tensors
from ganbench.train.health.discriminator import accuracy
from ganbench.train.health.features import chroma, contrast, distances, mean_distance, thumbnails
from ganbench.train.health.reference import Reference, measure_reference, nearness

FEWEST, MOST = 48, 256  # images of a probe
SHARE = 1 / 1024  # of the real images that training shows to D: what a probe may cost


class Prober:
    """What every probe of a run needs: the same latents and labels each time, so that probes can be compared."""

    def __init__(
        self,
        training: Training,
        train: Samples,
        held_out: Samples | None,
        inputs: Callable[[int], SamplingInputs],
        logit: float | None,
    ):
        """`inputs(n)` are labels and latents of n images. `logit`: see `Chance`; None where D is not asked."""
        self.images = min(probe_images(training), len(train))
        self.inputs = inputs(self.images).to(training.device)
        self.reference = measure_reference(train, held_out, self.images, training.device)
        self.logit = logit
        rows = self.reference.rows[: self.images // 2].numpy()
        chosen = Samples(
            images=train.images[rows],
            labels={name: value[rows] for name, value in train.labels.items()},
            domain=train.domain,
        )
        low, high = training.config.input_range
        pixels = torch.from_numpy(chosen.images).to(training.device).to(memory_format=torch.channels_last)
        self.real = Batch(images=pixels.float() / 255 * (high - low) + low, labels=as_tensors(chosen, training.device))

    def look(self, training: Training) -> dict[str, float]:
        """All measures of images and of D's answers. The raw generator, which D plays against, not its average."""
        low, high = training.config.input_range
        values: dict[str, float] = {}
        generator, discriminator = training.networks.generator, training.networks.discriminator
        with watching(training, "health"), batch_statistics(generator, discriminator):
            made = training.procedure.sample(generator, self.inputs).float()
            if self.logit is not None:
                half = self.images // 2
                fake = Batch(images=made[:half], labels=first(self.inputs.labels, half))
                values["d_accuracy"] = accuracy(training, discriminator, self.real, fake, self.logit)
        return values | measure_images(to_uint8(made, low, high), self.reference)


@contextmanager
def batch_statistics(*networks: nn.Module) -> Iterator[None]:
    """In eval mode, batch norm takes the statistics of each batch, as in training: the running averages of a young
    network are far off. They are out of sight meanwhile, so nothing moves them."""
    norms = [m for network in networks for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    kept = [(norm.running_mean, norm.running_var) for norm in norms]
    try:
        for norm in norms:
            norm.running_mean = norm.running_var = None
        yield
    finally:
        for norm, (mean, variance) in zip(norms, kept, strict=True):
            norm.running_mean, norm.running_var = mean, variance


def measure_images(images: Tensor, reference: Reference) -> dict[str, float]:
    """Every measure of a set of images, uint8 N C H W, against the reals. One that does not apply is left out."""
    small = thumbnails(images)
    points = small.flatten(1).to(reference.points.device)
    apart = distances(points)
    distance = mean_distance(apart)
    # Over their own mean distance: that all are close together is low diversity, and said by that.
    twins = apart.amin(1) < reference.twin * max(distance, 1e-6)
    varied = contrast(images).to(points.device) > reference.contrast
    inside = (torch.cdist(points, reference.points) <= reference.radii).any(1)
    values = {
        "diversity": distance / reference.distance,
        "duplicates": share(twins),
        "pixel_yield": share(varied),
        "manifold": min(share(inside) / reference.inside, 1.0),
        "yield": share(varied & ~twins & inside),
    }
    if reference.chroma:
        values["chroma"] = chroma(small) / reference.chroma
    if len(reference.held_out):
        values["copies"] = share(nearness(points, reference.train, reference.held_out) < reference.copy)
    return values


def share(which: Tensor) -> float:
    return float(which.float().mean())


def first(labels: Labels, n: int) -> Labels:
    return {name: value[:n] for name, value in labels.items()}


def probe_images(training: Training) -> int:
    """As many as cost little beside training: 256, and fewer in runs that are shown fewer than 262,144 images."""
    config, budget = training.config.training, training.config.training.budget
    batches = training.procedure.batches_per_step(training.config)
    match budget.quantity:
        case "steps":
            seen = budget.amount * batches * config.batch_size
        case "images":
            seen = budget.amount
        case "d_updates":
            seen = budget.amount * config.batch_size
        case "g_updates":
            seen = budget.amount / config.g_updates * batches * config.batch_size
        case "seconds":
            seen = MOST / SHARE
    return min(max(int(seen * SHARE), FEWEST), MOST)
