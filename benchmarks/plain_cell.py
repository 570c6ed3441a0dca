"""One cell of the quick-start suite as a plain script: the usual loop, and torch-fidelity for the scores.

    python -m benchmarks.plain_cell FOLDER LEVEL IMAGES        (benchmarks.quickstart calls it)

The same networks (as many parameters), batches, optimisers, updates and evaluations as the cell of that level has, the
way one writes them down: layers of torch one after another, `DataLoader`, two backwards for D, `.item()` for the
history, a moving average over the parameters, `calculate_metrics` at each evaluation. FOLDER holds the reals as arrays.
"""

from __future__ import annotations

import copy
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.evaluation import InMemory, PlainNetwork

CLASSES = {"hair": 6, "eyes": 4, "face": 3, "glasses": 2}
LATENTS, BATCH, EMA = 32, 16, 0.995
LEVELS: dict[str, dict[str, Any]] = {
    "baseline": {},
    "off in D": {"norm_in_d": False},
    "linear": {"tanh": False},
    "SGD in D": {"sgd": True},
    "2 to 1": {"d_updates": 2},
}
EVALUATED_AT = (0.0, 11 / 15, 12 / 15, 13 / 15, 14 / 15, 1.0)  # of the training: once at first, five times at last
IMAGES, FINAL_IMAGES = 300, 600


class Generator(nn.Module):
    def __init__(self, tanh: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.ConvTranspose2d(LATENTS + sum(CLASSES.values()), 64, 4, 1, 0, bias=False)]
        for inputs, outputs in ((64, 32), (32, 16)):
            layers += [nn.BatchNorm2d(inputs), nn.LeakyReLU(0.2, inplace=True)]
            layers += [nn.Upsample(scale_factor=2), nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False)]
        layers += [nn.BatchNorm2d(16), nn.LeakyReLU(0.2, inplace=True)]
        layers += [nn.Upsample(scale_factor=2), nn.Conv2d(16, 3, 3, 1, 1, bias=False)]
        self.layers = nn.Sequential(*layers, nn.Tanh() if tanh else nn.Identity())

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        hot = [F.one_hot(labels[:, i], count).float() for i, count in enumerate(CLASSES.values())]
        images: Tensor = self.layers(torch.cat([latents, *hot], 1)[:, :, None, None])
        return images


class Discriminator(nn.Module):
    def __init__(self, norm: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.AvgPool2d(2)]
        layers += [nn.LeakyReLU(0.2, inplace=True)]
        for inputs, outputs in ((16, 32), (32, 64)):
            layers += [nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False), nn.AvgPool2d(2)]
            layers += [nn.BatchNorm2d(outputs)] if norm else []
            layers += [nn.LeakyReLU(0.2, inplace=True)]
        self.layers = nn.Sequential(*layers, nn.Flatten())
        self.logit = nn.Linear(1024, 1, bias=False)
        self.heads = nn.ModuleList(nn.Linear(1024, count) for count in CLASSES.values())

    def forward(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        features = self.layers(images)
        return self.logit(features)[:, 0], [head(features) for head in self.heads]


def initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)


def class_loss(heads: list[Tensor], labels: Tensor) -> Tensor:
    return torch.stack([F.cross_entropy(head, labels[:, i]) for i, head in enumerate(heads)]).sum()


def forever(loader: DataLoader[tuple[Tensor, ...]]) -> Iterator[tuple[Tensor, ...]]:
    while True:
        yield from loader


class Judge:
    """FID and KID by torch-fidelity, which keeps the features of the reals between calls."""

    def __init__(self, folder: Path) -> None:
        from ganbench.api.extractor import Features
        from ganbench_zoo.metrics.fidelity import register_extractor

        network = PlainNetwork()

        def extract(images: Tensor) -> Features:
            pooled, logits = network(images)
            return Features(pooled=pooled, logits=logits)

        register_extractor("plain-lite0", extract)
        self.folder = folder
        self.reals = torch.from_numpy(np.load(folder / "images.npy"))
        self.labels = torch.from_numpy(np.load(folder / "labels.npy"))

    def __call__(self, generator: Generator, count: int) -> float:
        from torch_fidelity import calculate_metrics

        generator.eval()
        made: list[Tensor] = []
        with torch.no_grad():
            for labels in self.labels[torch.randint(len(self.labels), (count,))].view(-1, 60, len(CLASSES)):
                made.append(generator(torch.randn(len(labels), LATENTS), labels))
        images = ((torch.cat(made).clamp(-1, 1) + 1) * 127.5).round().byte()
        scores = calculate_metrics(
            input1=InMemory(images),
            input2=InMemory(self.reals),
            feature_extractor="plain-lite0",
            fid=True,
            kid=True,
            kid_subsets=10,
            kid_subset_size=200,
            batch_size=64,
            cuda=False,
            save_cpu_ram=True,
            verbose=False,
            cache=True,
            cache_root=str(self.folder / "fidelity"),
            input2_cache_name="reals",
        )
        return float(scores["frechet_inception_distance"])


def run(folder: Path, level: str, images: int) -> dict[str, float]:
    options = {"norm_in_d": True, "tanh": True, "sgd": False, "d_updates": 1} | LEVELS[level]
    steps = images // (BATCH * options["d_updates"])
    judge = Judge(folder)
    reals = judge.reals.float() / 127.5 - 1
    loader = DataLoader(TensorDataset(reals, judge.labels), batch_size=BATCH, shuffle=True, drop_last=True)
    generator, discriminator = Generator(options["tanh"]), Discriminator(options["norm_in_d"])
    for network in (generator, discriminator):
        network.apply(initialise)
    averaged = copy.deepcopy(generator).requires_grad_(False)
    optimizer_g = torch.optim.Adam(generator.parameters(), lr=1e-3, betas=(0.5, 0.999))
    optimizer_d: torch.optim.Optimizer = torch.optim.Adam(discriminator.parameters(), lr=5e-4, betas=(0.5, 0.999))
    if options["sgd"]:
        optimizer_d = torch.optim.SGD(discriminator.parameters(), lr=2e-3)
    criterion = nn.BCEWithLogitsLoss()
    evaluations = {round(at * steps) for at in EVALUATED_AT}
    spent, fid, history = 0.0, 0.0, []

    def evaluate(count: int) -> None:
        nonlocal spent, fid
        started = time.perf_counter()
        fid = judge(averaged, count)
        spent += time.perf_counter() - started

    started, batches = time.perf_counter(), forever(loader)
    evaluate(IMAGES)
    for step in range(1, steps + 1):
        for _ in range(options["d_updates"]):
            real, labels = next(batches)
            discriminator.zero_grad()
            logit, heads = discriminator(real)
            loss_real = criterion(logit, torch.ones(BATCH)) + class_loss(heads, labels)
            loss_real.backward()
            fake = generator(torch.randn(BATCH, LATENTS), labels)
            logit, _ = discriminator(fake.detach())
            loss_fake = criterion(logit, torch.zeros(BATCH))
            loss_fake.backward()
            optimizer_d.step()
        generator.zero_grad()
        logit, heads = discriminator(generator(torch.randn(BATCH, LATENTS), labels))
        loss_g = criterion(logit, torch.ones(BATCH)) + class_loss(heads, labels)
        loss_g.backward()
        optimizer_g.step()
        with torch.no_grad():
            for kept, new in zip(averaged.parameters(), generator.parameters(), strict=True):
                kept.mul_(EMA).add_(new, alpha=1 - EMA)
            for there, here in zip(averaged.buffers(), generator.buffers(), strict=True):
                there.copy_(here)
        history.append((loss_real.item(), loss_fake.item(), loss_g.item()))
        if step in evaluations:
            evaluate(IMAGES)
    evaluate(FINAL_IMAGES)
    seconds = time.perf_counter() - started
    parameters = sum(p.numel() for network in (generator, discriminator) for p in network.parameters())
    return {"training": seconds - spent, "evaluation": spent, "fid_last": fid, "parameters": parameters}


if __name__ == "__main__":
    torch.set_num_threads(2)
    for name, value in run(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])).items():
        print(f"{name} {value:.6g}")
