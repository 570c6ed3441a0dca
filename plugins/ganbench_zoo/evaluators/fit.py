"""Training of evaluators: cross-entropy for classes, binary cross-entropy for flags, summed over labels."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ganbench import LabelInfo, Labels
from ganbench_zoo.evaluators.classifier import Classifier

BATCH = 64
WEIGHT_DECAY = 1e-4


def new(seed: int, build: Callable[[], Classifier]) -> Classifier:
    """A network whose weights depend on `seed` alone; torch's global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return build()


@dataclass(frozen=True, kw_only=True)
class Schedule:
    epochs: int
    lr: float  # the highest learning rate: it rises for a twentieth of the steps, then falls along a cosine
    augment: bool  # disturb the images
    seed: int = 0  # of weights, order and disturbance


def fit(classifier: Classifier, images: Tensor, labels: Labels, schedule: Schedule, say: Callable[[str], None]) -> None:
    """Train in place with AdamW. `images` are uint8 N 3 H W; order and noise depend on the seed alone."""
    device = classifier.head.weight.device
    batch = min(BATCH, len(images))
    steps = len(images) // batch  # of an epoch: the rest of a shuffled epoch is left out
    optimizer = torch.optim.AdamW(classifier.parameters(), lr=schedule.lr, weight_decay=WEIGHT_DECAY)
    total_steps = steps * schedule.epochs
    warm_up = max(1, total_steps // 20)
    rate = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warm_up, 0.5 + 0.5 * math.cos(math.pi * step / total_steps))
    )
    rng = torch.Generator().manual_seed(schedule.seed)
    for epoch in range(schedule.epochs):
        classifier.train()
        total = torch.zeros((), device=device)
        for rows in torch.randperm(len(images), generator=rng)[: steps * batch].split(batch):
            prepared = classifier.prepare(images[rows].to(device))
            if schedule.augment:
                prepared = disturb(prepared, rng)
            truth = {name: labels[name][rows].to(device) for name in classifier.labels}
            value = loss(classifier.labels, classifier.classify(prepared), truth)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            rate.step()
            total += value.detach()
        say(f"evaluator: epoch {epoch + 1} of {schedule.epochs}, loss {total.item() / steps:.4f}")
    classifier.eval()


def loss(infos: dict[str, LabelInfo], logits: dict[str, Tensor], truth: Labels) -> Tensor:
    terms = [
        F.cross_entropy(logits[name], truth[name])
        if info.kind == "class"
        else F.binary_cross_entropy_with_logits(logits[name], truth[name]) * info.size
        for name, info in infos.items()
    ]
    return torch.stack(terms).sum()


def disturb(images: Tensor, rng: torch.Generator) -> Tensor:
    """Moved by up to 1/16 of the side, lighter or darker, noisy: generated images are not as clean as real ones.
    Never mirrored: labels may tell left from right."""
    n, _, side, _ = images.shape
    reach = side // 16
    dy, dx = torch.randint(0, 2 * reach + 1, (2,), generator=rng).tolist()
    images = F.pad(images, (reach,) * 4, mode="replicate")[:, :, dy : dy + side, dx : dx + side]
    light = torch.rand(n, 1, 1, 1, generator=rng) * 0.2 - 0.1
    noise = torch.randn(images.shape, generator=rng) * torch.rand(n, 1, 1, 1, generator=rng) * 0.1
    return images + (light + noise).to(images.device)
